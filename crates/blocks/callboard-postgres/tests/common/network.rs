//! A network in front of the server that can swallow everything, without closing a connection.

use callboard_postgres::testing::TestDatabase;
use callboard_postgres::{Database, DatabaseConfig};
use sqlx::ConnectOptions;
use sqlx::postgres::PgConnectOptions;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// Ends with its connections when dropped.
pub struct Network {
    swallows: watch::Sender<bool>,
}

impl Network {
    /// A network in front of the server of this database, and the database through it, configured like this.
    pub async fn before(
        database: &TestDatabase,
        configured: impl FnOnce(DatabaseConfig) -> DatabaseConfig,
    ) -> (Self, Database) {
        let server: PgConnectOptions = database.url().parse().expect("a URL");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let port = listener.local_addr().expect("it is bound").port();
        let swallows = watch::Sender::new(false);
        let swallowing = swallows.subscribe();
        let address = (server.get_host().to_owned(), server.get_port());
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(address.clone()).await.expect("the server is there");
                let ((from, to), (back, client)) = (client.into_split(), server.into_split());
                tokio::spawn(carry(from, client, swallowing.clone()));
                tokio::spawn(carry(back, to, swallowing.clone()));
            }
        });
        let through = server.host("127.0.0.1").port(port).to_url_lossy().to_string();
        let database = Database::new(configured(DatabaseConfig::new(through))).expect("a URL");
        (Self { swallows }, database)
    }

    /// From now on nothing arrives, and nobody is told.
    pub fn swallow(&self) {
        self.swallows.send_replace(true);
    }
}

async fn carry(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut swallows: watch::Receiver<bool>) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        // An error when the network is gone.
        if swallows.wait_for(|swallows| !swallows).await.is_err() {
            return;
        }
        if to.write_all(&buffer[..read]).await.is_err() {
            return;
        }
    }
}

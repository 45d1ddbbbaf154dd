//! A network between a service and its database that fails on purpose, at a chosen moment.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::support::soon;

/// Which moment of a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// Sent, but not arrived.
    Before,
    /// Executed, but its answer not arrived.
    After,
}

#[derive(Debug, Clone, Default)]
struct Network {
    /// Connections of an earlier generation are cut.
    generation: u64,
    refusing: bool,
    /// What is waited for: its bytes, and when to hold.
    trap: Option<(Arc<[u8]>, Moment)>,
    /// Something is held.
    holding: bool,
}

/// Stands between a service and a server. Ends when dropped, with all of its connections.
pub struct Proxy {
    address: SocketAddr,
    network: watch::Sender<Network>,
    accepting: JoinHandle<()>,
}

impl Proxy {
    /// A proxy in front of this server.
    ///
    /// # Panics
    /// When no port is free.
    pub async fn start(server: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let network = watch::Sender::new(Network::default());
        Self {
            address: listener.local_addr().expect("it is bound"),
            accepting: tokio::spawn(accept(listener, server, network.clone())),
            network,
        }
    }

    /// A proxy in front of the server of this URL, and the URL through it.
    ///
    /// # Panics
    /// When it is no URL of a server.
    pub async fn of(url: &str) -> (Self, String) {
        let mut url: reqwest::Url = url.parse().expect("a URL");
        let host = url.host_str().expect("a host").to_owned();
        let proxy = Self::start(format!("{host}:{}", url.port().unwrap_or(5432))).await;
        url.set_host(Some("127.0.0.1")).expect("a host can be set");
        url.set_port(Some(proxy.address.port())).expect("a port can be set");
        // What is encrypted can't be looked into.
        let others: Vec<_> = url
            .query_pairs()
            .filter(|(name, _)| name != "sslmode")
            .map(|(name, value)| (name.into_owned(), value.into_owned()))
            .collect();
        url.query_pairs_mut()
            .clear()
            .extend_pairs(others)
            .append_pair("sslmode", "disable");
        (proxy, url.to_string())
    }

    /// Holds the first connection that sends these bytes, at this moment.
    pub fn trap(&self, bytes: &str, moment: Moment) {
        self.network.send_modify(|network| {
            network.trap = Some((bytes.as_bytes().into(), moment));
        });
    }

    /// Waits until something was caught.
    ///
    /// # Panics
    /// When nothing is.
    pub async fn caught(&self) {
        let mut network = self.network.subscribe();
        let caught = network.wait_for(|network| network.holding);
        soon("something is caught", caught).await.expect("the proxy lives");
    }

    /// Lets go of what is held.
    pub fn release(&self) {
        self.network.send_modify(|network| network.holding = false);
    }

    /// Cuts every connection; what was held never arrives. New ones are welcome.
    pub fn cut(&self) {
        self.network.send_modify(|network| {
            (network.generation, network.holding) = (network.generation + 1, false);
        });
    }

    /// Cuts every connection and takes no new one: the server is away.
    pub fn refuse(&self) {
        self.cut();
        self.network.send_modify(|network| network.refusing = true);
    }

    /// The server is back.
    pub fn accept(&self) {
        self.network.send_modify(|network| network.refusing = false);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.cut();
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, server: String, network: watch::Sender<Network>) {
    while let Ok((client, _)) = listener.accept().await {
        if network.borrow().refusing {
            continue;
        }
        let (server, network) = (server.clone(), network.clone());
        tokio::spawn(async move {
            if let Ok(server) = TcpStream::connect(server).await {
                relay(client, server, &network).await;
            }
        });
    }
}

async fn relay(client: TcpStream, server: TcpStream, network: &watch::Sender<Network>) {
    let generation = network.borrow().generation;
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    // Whether what comes from the server is held on this connection.
    let held = watch::Sender::new(false);
    let mut watching = network.subscribe();
    tokio::select! {
        biased;
        _ = watching.wait_for(|network| network.generation != generation) => {}
        () = up(from_client, to_server, network, &held) => {}
        () = down(from_server, to_client, network, held.subscribe()) => {}
    }
}

fn catches(network: &watch::Sender<Network>, bytes: &[u8]) -> Option<Moment> {
    let mut caught = None;
    network.send_if_modified(|network| {
        let hit = |(wanted, _): &mut (Arc<[u8]>, Moment)| bytes.windows(wanted.len()).any(|window| window == &**wanted);
        caught = network.trap.take_if(hit).map(|(_, moment)| moment);
        network.holding |= caught == Some(Moment::Before);
        caught.is_some()
    });
    caught
}

async fn up(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    network: &watch::Sender<Network>,
    held: &watch::Sender<bool>,
) {
    let mut buffer = vec![0; 256 * 1024];
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        let bytes = &buffer[..read];
        match catches(network, bytes) {
            Some(Moment::Before) if released(network).await.is_none() => return,
            Some(Moment::After) => {
                held.send_replace(true);
            }
            _ => {}
        }
        if to.write_all(bytes).await.is_err() {
            return;
        }
    }
}

async fn down(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    network: &watch::Sender<Network>,
    held: watch::Receiver<bool>,
) {
    let mut buffer = vec![0; 256 * 1024];
    let mut caught = false;
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        if *held.borrow() && !std::mem::replace(&mut caught, true) {
            // The server has answered.
            network.send_modify(|network| network.holding = true);
            if released(network).await.is_none() {
                return;
            }
        }
        if to.write_all(&buffer[..read]).await.is_err() {
            return;
        }
    }
}

/// Waits until what is held is let go; `None` when the proxy is gone.
async fn released(network: &watch::Sender<Network>) -> Option<()> {
    let mut watching = network.subscribe();
    watching.wait_for(|network| !network.holding).await.ok().map(|_| ())
}

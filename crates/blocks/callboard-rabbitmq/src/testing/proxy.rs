//! A network that fails on purpose.

use lapin::uri::AMQPUri;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Stands between a client and a broker. Ends when dropped, with all of its connections.
pub struct Proxy {
    url: String,
    network: watch::Sender<Network>,
    accepting: JoinHandle<()>,
}

#[derive(Debug, Clone, Default)]
struct Network {
    /// Connections of an earlier generation are cut.
    generation: u64,
    frozen: bool,
    refusing: bool,
    connections: usize,
    accepted: u64,
}

impl Proxy {
    /// A proxy in front of the broker at `url`, on a free port.
    ///
    /// # Panics
    /// When `url` is no address or no port is free.
    pub async fn start(url: &str) -> Self {
        let mut uri: AMQPUri = url.parse().expect("the broker's address is one");
        let broker = (uri.authority.host.clone(), uri.authority.port);
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let port = listener.local_addr().expect("it is bound").port();
        (uri.authority.host, uri.authority.port) = ("127.0.0.1".into(), port);
        let network = watch::Sender::new(Network::default());
        let accepting = tokio::spawn(accept(listener, broker, network.clone()));
        Self {
            url: uri.to_string(),
            network,
            accepting,
        }
    }

    /// The broker's address through this proxy, with heartbeats every second.
    pub fn url(&self) -> String {
        let separator = if self.url.contains('?') { '&' } else { '?' };
        format!("{}{separator}heartbeat=1", self.url)
    }

    /// Cuts every connection; new ones are welcome.
    pub fn cut(&self) {
        self.network.send_modify(|network| network.generation += 1);
    }

    /// Holds every byte back, in both directions. New connections are accepted and hear nothing.
    pub fn freeze(&self) {
        self.network.send_modify(|network| network.frozen = true);
    }

    /// Lets the bytes go on.
    pub fn thaw(&self) {
        self.network.send_modify(|network| network.frozen = false);
    }

    /// Cuts every connection and closes new ones at once: the broker is away.
    pub fn refuse(&self) {
        self.network
            .send_modify(|network| (network.generation, network.refusing) = (network.generation + 1, true));
    }

    /// The broker is back.
    pub fn accept(&self) {
        self.network.send_modify(|network| network.refusing = false);
    }

    /// How many connections are open.
    pub fn connections(&self) -> usize {
        self.network.borrow().connections
    }

    /// How many connections were ever opened.
    pub fn accepted(&self) -> u64 {
        self.network.borrow().accepted
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.cut();
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, broker: (String, u16), network: watch::Sender<Network>) {
    while let Ok((client, _)) = listener.accept().await {
        if network.borrow().refusing {
            continue;
        }
        let (broker, network) = (broker.clone(), network.clone());
        tokio::spawn(async move {
            network.send_modify(|network| {
                (network.connections, network.accepted) = (network.connections + 1, network.accepted + 1)
            });
            if let Ok(server) = TcpStream::connect(broker).await {
                relay(client, server, &network).await;
            }
            network.send_modify(|network| network.connections -= 1);
        });
    }
}

async fn relay(client: TcpStream, server: TcpStream, network: &watch::Sender<Network>) {
    let generation = network.borrow().generation;
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let mut watching = network.subscribe();
    tokio::select! {
        () = pump(from_client, to_server, network.subscribe()) => {}
        () = pump(from_server, to_client, network.subscribe()) => {}
        _ = watching.wait_for(|network| network.generation != generation) => {}
    }
}

/// Moves bytes while the network isn't frozen, until one side closes.
async fn pump(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut network: watch::Receiver<Network>) {
    let mut bytes = vec![0; 64 * 1024];
    while let Ok(read @ 1..) = from.read(&mut bytes).await {
        if network.wait_for(|network| !network.frozen).await.is_err() || to.write_all(&bytes[..read]).await.is_err() {
            return;
        }
    }
}

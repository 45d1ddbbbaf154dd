//! A network that fails on purpose.

use std::sync::Arc;

use lapin::uri::AMQPUri;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Stands between a client and a broker. Ends when dropped, with all of its connections.
pub struct Proxy {
    url: String,
    port: u16,
    network: watch::Sender<Network>,
    accepting: JoinHandle<()>,
}

#[derive(Debug, Clone, Default)]
struct Network {
    /// Connections of an earlier generation are cut.
    generation: u64,
    /// What goes to the broker is held back; what comes from it.
    holds_up: bool,
    holds_down: bool,
    refusing: bool,
    connections: usize,
    accepted: u64,
    /// What the broker is made to say, and how often it was.
    words: Arc<[u8]>,
    said: u64,
}

impl Proxy {
    /// A proxy in front of the broker at `url`, on a free port.
    ///
    /// # Panics
    /// When `url` is no address or no port is free.
    pub async fn start(url: &str) -> Self {
        let mut uri: AMQPUri = url.parse().expect("the broker's address is one");
        let mut proxy = Self::in_front_of(&uri.authority.host, uri.authority.port).await;
        (uri.authority.host, uri.authority.port) = ("127.0.0.1".into(), proxy.port);
        proxy.url = uri.to_string();
        proxy
    }

    /// A proxy in front of any server, on a free port; its [`Proxy::url`] is host and port.
    ///
    /// # Panics
    /// When no port is free.
    pub async fn in_front_of(host: &str, port: u16) -> Self {
        let server = (host.to_owned(), port);
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let port = listener.local_addr().expect("it is bound").port();
        let network = watch::Sender::new(Network::default());
        Self {
            url: format!("127.0.0.1:{port}"),
            port,
            accepting: tokio::spawn(accept(listener, server, network.clone())),
            network,
        }
    }

    /// The port on loopback that it listens at.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The broker's address through this proxy.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The same with heartbeats every second, so that silence is noticed after about two.
    pub fn url_with_heartbeats(&self) -> String {
        let separator = if self.url.contains('?') { '&' } else { '?' };
        format!("{}{separator}heartbeat=1", self.url)
    }

    /// Cuts every connection; new ones are welcome.
    pub fn cut(&self) {
        self.network.send_modify(|network| network.generation += 1);
    }

    /// Holds everything back, in both directions: bytes, and that a side has closed, which RabbitMQ
    /// does after ten seconds to whoever doesn't greet it. New connections are accepted and hear nothing.
    pub fn freeze(&self) {
        self.network
            .send_modify(|network| (network.holds_up, network.holds_down) = (true, true));
    }

    /// Holds back what goes to the broker; what it says still comes.
    pub fn hold_up(&self) {
        self.network.send_modify(|network| network.holds_up = true);
    }

    /// Holds back what the broker says; what goes to it still arrives.
    pub fn hold_down(&self) {
        self.network.send_modify(|network| network.holds_down = true);
    }

    /// Lets the bytes go on.
    pub fn thaw(&self) {
        self.network
            .send_modify(|network| (network.holds_up, network.holds_down) = (false, false));
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

    /// Makes the broker say to everybody connected that it blocks, as it does while its memory or
    /// disk is short. Only while it is quiet, because the words go between whatever it says.
    pub fn block(&self, reason: &str) {
        let length = u8::try_from(reason.len()).expect("a short reason");
        self.say(60, &[&[length], reason.as_bytes()].concat());
    }

    /// Makes the broker say that it takes messages again.
    pub fn unblock(&self) {
        self.say(61, &[]);
    }

    /// A method of AMQP's class `connection` (10), on channel 0.
    fn say(&self, method: u16, arguments: &[u8]) {
        let length = u32::try_from(arguments.len() + 4).expect("a short frame").to_be_bytes();
        let (class, method) = (10_u16.to_be_bytes(), method.to_be_bytes());
        let frame = [&[1, 0, 0], &length[..], &class, &method, arguments, &[0xce]].concat();
        self.network
            .send_modify(|network| (network.words, network.said) = (frame.into(), network.said + 1));
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
        () = pump(from_client, to_server, network.subscribe(), true) => {}
        () = pump(from_server, to_client, network.subscribe(), false) => {}
        _ = watching.wait_for(|network| network.generation != generation) => {}
    }
}

/// Moves bytes while the network doesn't hold them back, until one side closes.
async fn pump(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut network: watch::Receiver<Network>, up: bool) {
    let mut buffer = vec![0; 64 * 1024];
    let mut said = network.borrow().said;
    let mut speaker = network.clone();
    loop {
        // Nothing where the side has closed.
        let bytes: Arc<[u8]> = tokio::select! {
            read = from.read(&mut buffer) => buffer[..read.unwrap_or(0)].into(),
            words = speaker.wait_for(|network| !up && network.said != said) => match words {
                Ok(network) => {
                    said = network.said;
                    network.words.clone()
                }
                Err(_) => return,
            },
        };
        let flows = |network: &Network| !(if up { network.holds_up } else { network.holds_down });
        let gone = network.wait_for(flows).await.is_err();
        if gone || bytes.is_empty() || to.write_all(&bytes).await.is_err() {
            return;
        }
    }
}

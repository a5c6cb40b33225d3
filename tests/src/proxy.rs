//! A TCP relay that can lose what passes through it: the network's part in every crash test.
//!
//! It sees only TLS records. What it loses is chosen by size: the requests that move money are the only large ones after
//! the handshake.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU8, AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinHandle,
};

/// What the relay does with the next large request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Fault {
    /// Passes everything on.
    None = 0,
    /// Cuts the connection instead of passing a large request on: the server never sees it.
    LoseRequest = 1,
    /// Passes a large request on, lets the server work, and cuts the connection without the answer.
    LoseAnswer = 2,
    /// Accepts no connection: nobody is there.
    Refuse = 3,
}

impl Fault {
    fn from_code(code: u8) -> Self {
        match code {
            1 => Self::LoseRequest,
            2 => Self::LoseAnswer,
            3 => Self::Refuse,
            _ => Self::None,
        }
    }
}

/// A read with this many bytes carries a transaction. The smallest, a withdrawal, has 514 bytes with its private part.
const LARGE: usize = 480;
/// In the client's second flight the end of the handshake and the beginning of HTTP/2 may come along with the request.
const LARGE_WITH_HANDSHAKE: usize = 700;
/// How long the server may work on a request whose answer will be lost.
const WORK: Duration = Duration::from_millis(400);

/// A relay in front of one server.
pub struct Proxy {
    address: SocketAddr,
    switch: Arc<Switch>,
    task: JoinHandle<()>,
}

/// What the relay and its connections share.
struct Switch {
    fault: AtomicU8,
    /// So many further connections are let through before nobody is there.
    passing: AtomicU64,
    connections: AtomicU64,
    lost: AtomicU64,
    /// How often anything was lost or refused.
    cuts: watch::Sender<u64>,
}

impl Switch {
    fn fault(&self) -> Fault {
        Fault::from_code(self.fault.load(Ordering::SeqCst))
    }

    /// Whether another connection is let through.
    fn accept(&self) -> bool {
        self.connections.fetch_add(1, Ordering::SeqCst);
        let less = |left: u64| left.checked_sub(1);
        if self.passing.fetch_update(Ordering::SeqCst, Ordering::SeqCst, less).is_err() {
            self.fault.store(Fault::Refuse as u8, Ordering::SeqCst);
        }
        let refused = self.fault() == Fault::Refuse;
        if refused {
            self.cut();
        }
        !refused
    }

    fn lose(&self) {
        self.lost.fetch_add(1, Ordering::SeqCst);
        self.cut();
    }

    fn cut(&self) {
        self.cuts.send_modify(|cuts| *cuts = cuts.saturating_add(1));
    }
}

impl Proxy {
    /// Listens on a free port of the loopback and relays to `target`.
    ///
    /// # Errors
    /// When no port can be had.
    pub async fn start(target: SocketAddr) -> std::io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let switch = Arc::new(Switch {
            fault: AtomicU8::new(Fault::None as u8),
            passing: AtomicU64::new(u64::MAX),
            connections: AtomicU64::new(0),
            lost: AtomicU64::new(0),
            cuts: watch::Sender::new(0),
        });
        let relaying = switch.clone();
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                if relaying.accept() {
                    tokio::spawn(relay(client, target, relaying.clone()));
                }
            }
        });
        Ok(Self { address, switch, task })
    }

    /// Where clients connect to.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Sets what happens from now on, also on connections that stand.
    pub fn set(&self, fault: Fault) {
        self.switch.passing.store(u64::MAX, Ordering::SeqCst);
        self.switch.fault.store(fault as u8, Ordering::SeqCst);
    }

    /// Lets so many further connections through, and from then on none.
    pub fn refuse_after(&self, connections: u64) {
        self.switch.passing.store(connections, Ordering::SeqCst);
    }

    /// Tells whenever something is lost or refused from now on.
    #[must_use]
    pub fn cuts(&self) -> watch::Receiver<u64> {
        self.switch.cuts.subscribe()
    }

    /// How many connections were made so far.
    #[must_use]
    pub fn connections(&self) -> u64 {
        self.switch.connections.load(Ordering::SeqCst)
    }

    /// How many requests or answers were lost so far.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.switch.lost.load(Ordering::SeqCst)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn relay(client: TcpStream, target: SocketAddr, switch: Arc<Switch>) {
    let Ok(server) = TcpStream::connect(target).await else { return };
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let answers = tokio::spawn(async move {
        let _ = tokio::io::copy(&mut from_server, &mut to_client).await;
    });
    let mut buffer = vec![0; 128 * 1024];
    let mut flights = 0u32;
    while let Ok(length @ 1..) = from_client.read(&mut buffer).await {
        flights = flights.saturating_add(1);
        let large = match flights {
            // The client's hello is long by itself.
            1 => false,
            2 => length >= LARGE_WITH_HANDSHAKE,
            _ => length >= LARGE,
        };
        let now = switch.fault();
        if now == Fault::Refuse || (large && now == Fault::LoseRequest) {
            switch.lose();
            break;
        }
        let losing = large && now == Fault::LoseAnswer;
        if losing {
            // Nothing comes back any more, but the server still gets the whole request.
            answers.abort();
        }
        if to_server.write_all(buffer.get(..length).unwrap_or_default()).await.is_err() {
            break;
        }
        if losing {
            switch.lose();
            tokio::time::sleep(WORK).await;
            break;
        }
    }
    answers.abort();
}

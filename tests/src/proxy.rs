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
    fault: Arc<AtomicU8>,
    lost: Arc<AtomicU64>,
    connections: Arc<AtomicU64>,
    task: JoinHandle<()>,
}

impl Proxy {
    /// Listens on a free port of the loopback and relays to `target`.
    ///
    /// # Errors
    /// When no port can be had.
    pub async fn start(target: SocketAddr) -> std::io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let fault = Arc::new(AtomicU8::new(0));
        let lost = Arc::new(AtomicU64::new(0));
        let connections = Arc::new(AtomicU64::new(0));
        let (faults, losses, accepted) = (fault.clone(), lost.clone(), connections.clone());
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                accepted.fetch_add(1, Ordering::SeqCst);
                if Fault::from_code(faults.load(Ordering::SeqCst)) != Fault::Refuse {
                    tokio::spawn(relay(client, target, faults.clone(), losses.clone()));
                }
            }
        });
        Ok(Self { address, fault, lost, connections, task })
    }

    /// Where clients connect to.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Sets what happens from now on, also on connections that stand.
    pub fn set(&self, fault: Fault) {
        self.fault.store(fault as u8, Ordering::SeqCst);
    }

    /// How many connections were made so far.
    #[must_use]
    pub fn connections(&self) -> u64 {
        self.connections.load(Ordering::SeqCst)
    }

    /// How many requests or answers were lost so far.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::SeqCst)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn relay(client: TcpStream, target: SocketAddr, fault: Arc<AtomicU8>, lost: Arc<AtomicU64>) {
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
        let now = Fault::from_code(fault.load(Ordering::SeqCst));
        if now == Fault::Refuse || (large && now == Fault::LoseRequest) {
            lost.fetch_add(1, Ordering::SeqCst);
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
            lost.fetch_add(1, Ordering::SeqCst);
            tokio::time::sleep(WORK).await;
            break;
        }
    }
    answers.abort();
}

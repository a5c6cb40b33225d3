//! One accepted connection.

use std::{
    future::Future as _,
    io,
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use rustls::NamedGroup;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::{Sleep, sleep},
};
use tokio_rustls::server::TlsStream;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tonic::transport::server::Connected;

use crate::census::{Network, Place};

/// The HTTP/2 client preface with the head of the frame that must follow it. A client that has sent this much talks HTTP/2,
/// and keep-alive pings watch over it from then on.
const OPENING_BYTES: usize = 24 + 9;

/// An accepted connection. It is closed when the client takes too long for its first frame, and cut at the end of a shutdown.
pub struct Connection {
    tls: TlsStream<TcpStream>,
    peer: Peer,
    opening: Option<Opening>,
    cut: Pin<Box<WaitForCancellationFutureOwned>>,
    _place: Place,
}

/// Who is at the other end. In the extensions of every request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// Its address. Never logged above debug level.
    pub address: SocketAddr,
    /// Whether it showed a certificate that the listener's client authority signed.
    pub certified: bool,
    /// The key exchange that was agreed on.
    pub key_exchange: Option<NamedGroup>,
}

impl Peer {
    /// The network it is in: what stands for one party when work is shared out.
    #[must_use]
    pub fn network(&self) -> Network {
        Network::of(self.address.ip())
    }
}

/// What is left of the first frame.
struct Opening {
    missing: usize,
    deadline: Pin<Box<Sleep>>,
}

impl Connection {
    pub(super) fn new(
        tls: TlsStream<TcpStream>,
        address: SocketAddr,
        place: Place,
        first_frame: Duration,
        cut: CancellationToken,
    ) -> Self {
        let (_, session) = tls.get_ref();
        let peer = Peer {
            address,
            certified: session.peer_certificates().is_some(),
            key_exchange: session.negotiated_key_exchange_group().map(|group| group.name()),
        };
        Self {
            tls,
            peer,
            opening: Some(Opening { missing: OPENING_BYTES, deadline: Box::pin(sleep(first_frame)) }),
            cut: Box::pin(cut.cancelled_owned()),
            _place: place,
        }
    }
}

impl Connected for Connection {
    type ConnectInfo = Peer;

    fn connect_info(&self) -> Peer {
        self.peer.clone()
    }
}

impl AsyncRead for Connection {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.cut.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        let before = buf.filled().len();
        let read = Pin::new(&mut self.tls).poll_read(cx, buf);
        let Some(opening) = &mut self.opening else {
            return read;
        };
        if read.is_pending() {
            ready!(opening.deadline.as_mut().poll(cx));
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        opening.missing = opening.missing.saturating_sub(buf.filled().len().saturating_sub(before));
        if opening.missing == 0 {
            self.opening = None;
        }
        read
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.tls).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tls).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tls).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.tls).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.tls.is_write_vectored()
    }
}

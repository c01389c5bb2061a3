use std::io;
use std::io::ErrorKind::{ConnectionAborted, Interrupted};
use std::net::SocketAddr;
use std::time::Duration;

use socket2::{SockFilter, SockRef};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::sleep;
use tracing::debug;

/// Connections that the kernel has completed and nobody has accepted yet.
const BACKLOG: u32 = 1024;
/// Long enough for a handshake that has begun to end, on any network that serves an API.
const HANDSHAKE: Duration = Duration::from_millis(100);

/// An address that is ours, where nobody is answered yet: connections are refused until
/// somebody listens, but that another process has the port is known at once.
#[derive(Debug)]
pub struct Bound {
    socket: TcpSocket,
    address: SocketAddr,
}

impl Bound {
    /// Takes the address; port 0 takes a free one.
    pub fn new(address: SocketAddr) -> io::Result<Self> {
        let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        // A port whose last connections linger in the kernel is free.
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        let address = socket.local_addr()?;
        Ok(Self { socket, address })
    }

    /// The address, with the port that was taken.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on connections are completed.
    pub(super) fn listen(self) -> io::Result<Listener> {
        Ok(Listener { listener: self.socket.listen(BACKLOG)? })
    }

    /// From now on connections are completed, for a server that needs no draining.
    pub fn into_listener(self) -> io::Result<TcpListener> {
        self.socket.listen(BACKLOG)
    }
}

pub(super) struct Listener {
    listener: TcpListener,
}

impl Listener {
    pub(super) async fn accept(&self) -> io::Result<TcpStream> {
        let (stream, _) = self.listener.accept().await?;
        prepare(&stream);
        Ok(stream)
    }

    /// Lets nobody in any more, and gives back those who are in already.
    ///
    /// To close a listener resets the connections that the kernel has completed and nobody has accepted:
    /// their clients may have sent requests. So the kernel is first told to pass over new handshakes
    /// (their clients ask again, and are refused then), and those that it has completed are accepted.
    pub(super) async fn refuse_and_empty(self) -> Vec<TcpStream> {
        if let Err(error) = SockRef::from(&self.listener).attach_filter(&PASS_OVER_NEW_HANDSHAKES) {
            // Elsewhere than on Linux, or forbidden: a moment remains in which one could be lost.
            debug!("the listener cannot pass over new handshakes: {error}");
        } else {
            sleep(HANDSHAKE).await;
        }
        let mut streams = Vec::new();
        if let Ok(listener) = self.listener.into_std() {
            loop {
                let stream = match listener.accept() {
                    Ok((stream, _)) => stream,
                    Err(error) if matches!(error.kind(), Interrupted | ConnectionAborted) => continue,
                    // There are no more; or no more can be had.
                    Err(_) => break,
                };
                if stream.set_nonblocking(true).is_ok()
                    && let Ok(stream) = TcpStream::from_std(stream)
                {
                    prepare(&stream);
                    streams.push(stream);
                }
            }
        }
        streams
    }
}

fn prepare(stream: &TcpStream) {
    // Answers are written whole. If this fails the connection is broken, which its first read will say.
    let _ = stream.set_nodelay(true);
}

/// A classic Berkeley packet filter over the TCP header: byte 13 holds the flags, of which 2 is SYN.
const PASS_OVER_NEW_HANDSHAKES: [SockFilter; 4] = [
    SockFilter::new(LOAD_BYTE, 0, 0, 13),
    SockFilter::new(JUMP_IF_ANY_BIT, 0, 1, 2),
    SockFilter::new(RETURN, 0, 0, 0),
    SockFilter::new(RETURN, 0, 0, u32::MAX),
];
/// `BPF_LD | BPF_B | BPF_ABS`
const LOAD_BYTE: u16 = 0x30;
/// `BPF_JMP | BPF_JSET | BPF_K`
const JUMP_IF_ANY_BIT: u16 = 0x45;
/// `BPF_RET | BPF_K`: how many bytes of the packet to keep; none drops it.
const RETURN: u16 = 0x06;

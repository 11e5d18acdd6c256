//! Makes the sockets that both drivers run on: listeners, UDP groups, outgoing TCP. Moves no byte; see `stream`
//! and `datagram` for that.
//!
//! All options are set before the socket is used, those of accepted connections on the listener, from which they
//! inherit them (io_uring.md, rule 14): no system call per connection. Every socket is non-blocking and
//! close-on-exec. Sizes in bytes, spans in seconds, as the kernel wants them.

#![allow(unsafe_code, reason = "some options are known to setsockopt only")]

use core::net::SocketAddr;
use core::time::Duration;
use std::fs::{File, Permissions};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use socket2::{Domain, Protocol, SockAddr, SockRef, Socket, TcpKeepalive, Type};

/// Unsent bytes below which a TCP socket is writable: 1 ms of 1 Gbit/s, so that a busy worker need not come back
/// more often, and little enough that what waits can still be put in another order.
const NOT_SENT_LOW_BYTES: u32 = 128 * 1_024;

/// When the kernel asks a silent peer whether it still lives.
#[derive(Clone, Copy, Debug)]
pub struct Keepalive {
    /// Seconds of silence before the first question.
    pub idle_s: u32,
    /// Seconds between questions.
    pub interval_s: u32,
    /// Questions without answer before the connection fails.
    pub count: u32,
}

/// Options of a TCP listener and of what it accepts.
#[derive(Clone, Debug)]
pub struct ListenOptions {
    /// Clients that may wait; the kernel caps it at net.core.somaxconn.
    pub backlog: u32,
    /// SO_REUSEPORT: one listener per worker on the same address.
    pub reuse_port: bool,
    /// TCP_NODELAY: what we write is already gathered.
    pub nodelay: bool,
    /// Questions to silent clients, if any.
    pub keepalive: Option<Keepalive>,
    /// SO_RCVBUF; `None` lets the kernel tune itself, which a fixed size switches off.
    pub receive_buffer_bytes: Option<usize>,
    /// SO_SNDBUF; `None` as above.
    pub send_buffer_bytes: Option<usize>,
    /// TCP_DEFER_ACCEPT: clients are handed over when their first byte is there, or after this many seconds.
    pub defer_s: Option<u32>,
    /// TCP_NOTSENT_LOWAT: a socket is writable when less than this is unsent, so that what we decide late stays
    /// decidable.
    pub not_sent_low_bytes: Option<u32>,
    /// IPV6_V6ONLY: an IPv6 address takes IPv6 only.
    pub v6_only: bool,
}

impl Default for ListenOptions {
    fn default() -> Self {
        Self {
            // What somaxconn is on current kernels; more would be capped.
            backlog: 4_096,
            reuse_port: true,
            nodelay: true,
            keepalive: None,
            receive_buffer_bytes: None,
            send_buffer_bytes: None,
            defer_s: None,
            not_sent_low_bytes: Some(NOT_SENT_LOW_BYTES),
            v6_only: true,
        }
    }
}

/// Options of outgoing TCP connections.
#[derive(Clone, Debug)]
pub struct ConnectOptions {
    /// TCP_NODELAY.
    pub nodelay: bool,
    /// Questions to silent servers, if any.
    pub keepalive: Option<Keepalive>,
    /// TCP_NOTSENT_LOWAT, as for listeners.
    pub not_sent_low_bytes: Option<u32>,
}

impl Default for ConnectOptions {
    fn default() -> Self {
        Self { nodelay: true, keepalive: None, not_sent_low_bytes: Some(NOT_SENT_LOW_BYTES) }
    }
}

/// Options of a UDP socket.
#[derive(Clone, Debug)]
pub struct UdpOptions {
    /// SO_REUSEPORT: several sockets on the same address; `steer` says who gets what.
    pub reuse_port: bool,
    /// SO_RCVBUFFORCE, or SO_RCVBUF as far as net.core.rmem_max allows where that is forbidden.
    pub receive_buffer_bytes: usize,
    /// SO_SNDBUFFORCE, or SO_SNDBUF.
    pub send_buffer_bytes: usize,
    /// UDP_GRO: the kernel hands over several datagrams of one sender at once.
    pub gro: bool,
    /// IPV6_V6ONLY; IPv4 senders would otherwise appear as ::ffff:a.b.c.d.
    pub v6_only: bool,
    /// SO_BINDTODEVICE: the network device that everything comes and goes by, whatever the routing table says.
    pub device: Option<String>,
}

impl Default for UdpOptions {
    fn default() -> Self {
        Self {
            reuse_port: true,
            // 8 MiB hold 60 ms of 1 Gbit/s: longer than a worker is ever away from its loop.
            receive_buffer_bytes: 8 << 20,
            send_buffer_bytes: 8 << 20,
            gro: true,
            v6_only: true,
            device: None,
        }
    }
}

/// Which socket of a SO_REUSEPORT group gets a datagram: a byte of its payload, modulo the size of the group.
///
/// Datagrams of a sender that has no owner yet carry no owner byte: they are known by their first byte, and some
/// other byte of theirs spreads them. Datagrams too short to have the byte go to the first socket.
#[derive(Clone, Copy, Debug)]
pub struct Steering {
    /// Offset of the owner byte.
    pub owner_at: u32,
    /// First byte of datagrams that have no owner byte.
    pub opening_type: u8,
    /// Offset of the byte that spreads those.
    pub opening_at: u32,
}

impl Steering {
    /// The tunnel's: owner in byte 1, first packets of type 0x11 spread by byte 5.
    pub const TUNNEL: Self = Self { owner_at: 1, opening_type: 0x11, opening_at: 5 };
}

/// A listening TCP socket on `address`.
pub fn listen(address: SocketAddr, options: &ListenOptions) -> io::Result<OwnedFd> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM.nonblocking(), Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    set_group(&socket, address, options.reuse_port, options.v6_only)?;
    if let Some(bytes) = options.receive_buffer_bytes {
        socket.set_recv_buffer_size(bytes)?;
    }
    if let Some(bytes) = options.send_buffer_bytes {
        socket.set_send_buffer_size(bytes)?;
    }
    set_stream(&socket, options.nodelay, options.keepalive, options.not_sent_low_bytes)?;
    if let Some(seconds) = options.defer_s {
        set_option(socket.as_fd(), libc::IPPROTO_TCP, libc::TCP_DEFER_ACCEPT, seconds as i32)?;
    }
    socket.bind(&address.into())?;
    socket.listen(options.backlog.min(i32::MAX as u32) as i32)?;
    Ok(socket.into())
}

/// `count` listeners on one address; port 0 gives all of them the same free port.
pub fn listen_group(address: SocketAddr, count: usize, options: &ListenOptions) -> io::Result<Vec<OwnedFd>> {
    group(address, count, |address| listen(address, options))
}

/// A UDP socket on `address`, ready for `datagram`: ECN and drop counts are reported, fragments forbidden
/// (IP_PMTUDISC_PROBE: too long is EMSGSIZE, and the kernel's own idea of the path MTU is not asked).
pub fn udp(address: SocketAddr, options: &UdpOptions) -> io::Result<OwnedFd> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM.nonblocking(), Some(Protocol::UDP))?;
    // A free port is one that nobody has: with SO_REUSEPORT the kernel may choose the port of another group of this user,
    // and two processes would share each other's datagrams. So such a socket opens its port to the rest of its group
    // only once it has one. (TCP chooses a port of its own either way.)
    let opens_later = options.reuse_port && address.port() == 0;
    set_group(&socket, address, options.reuse_port && !opens_later, options.v6_only)?;
    set_buffer(&socket, libc::SO_RCVBUFFORCE, libc::SO_RCVBUF, options.receive_buffer_bytes)?;
    set_buffer(&socket, libc::SO_SNDBUFFORCE, libc::SO_SNDBUF, options.send_buffer_bytes)?;
    set_option(socket.as_fd(), libc::SOL_SOCKET, libc::SO_RXQ_OVFL, 1)?;
    if address.is_ipv4() || !options.v6_only {
        set_option(socket.as_fd(), libc::IPPROTO_IP, libc::IP_RECVTOS, 1)?;
        set_option(socket.as_fd(), libc::IPPROTO_IP, libc::IP_MTU_DISCOVER, libc::IP_PMTUDISC_PROBE)?;
    }
    if address.is_ipv6() {
        set_option(socket.as_fd(), libc::IPPROTO_IPV6, libc::IPV6_RECVTCLASS, 1)?;
        set_option(socket.as_fd(), libc::IPPROTO_IPV6, libc::IPV6_MTU_DISCOVER, libc::IPV6_PMTUDISC_PROBE)?;
    }
    if options.gro {
        // Kernels before 5.0 lack it: they hand datagrams over one by one, which is only slower.
        let _ = set_option(socket.as_fd(), libc::SOL_UDP, libc::UDP_GRO, 1);
    }
    if let Some(device) = &options.device {
        socket.bind_device(Some(device.as_bytes()))?;
    }
    socket.bind(&address.into())?;
    if opens_later {
        socket.set_reuse_port(true)?;
    }
    Ok(socket.into())
}

/// `count` UDP sockets on one address; port 0 gives all of them the same free port.
pub fn udp_group(
    address: SocketAddr,
    count: usize,
    options: &UdpOptions,
    steering: &Steering,
) -> io::Result<Vec<OwnedFd>> {
    let sockets = group(address, count, |address| udp(address, options))?;
    if let [first, _, ..] = &sockets[..] {
        steer(first.as_fd(), count, steering)?;
    }
    Ok(sockets)
}

/// Steers the datagrams of a SO_REUSEPORT group; `member` is any of its `count` sockets, which are numbered in
/// the order in which they were bound.
pub fn steer(member: BorrowedFd<'_>, count: usize, steering: &Steering) -> io::Result<()> {
    assert!(count > 0, "a group has members");
    let mut program = steering_program(count as u32, steering);
    let filter = libc::sock_fprog { len: program.len() as u16, filter: program.as_mut_ptr() };
    // SAFETY: `filter` points at `program.len()` instructions that live to the end of this function; the kernel
    // copies and verifies them during the call.
    let code = unsafe {
        libc::setsockopt(
            member.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_ATTACH_REUSEPORT_CBPF,
            (&raw const filter).cast(),
            size_of_val(&filter) as libc::socklen_t,
        )
    };
    if code == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// An unconnected, non-blocking TCP socket of the family of `to`, for a driver that connects it itself.
pub fn stream(to: SocketAddr, options: &ConnectOptions) -> io::Result<OwnedFd> {
    let socket = Socket::new(Domain::for_address(to), Type::STREAM.nonblocking(), Some(Protocol::TCP))?;
    set_stream(&socket, options.nodelay, options.keepalive, options.not_sent_low_bytes)?;
    Ok(socket.into())
}

/// Starts connecting; true if the connection stands already. Otherwise it stands, or has an error
/// (`stream::take_error`), when the socket becomes writable.
pub fn connect(socket: BorrowedFd<'_>, to: SocketAddr) -> io::Result<bool> {
    match SockRef::from(&socket).connect(&to.into()) {
        Ok(()) => Ok(true),
        Err(error) if error.raw_os_error() == Some(libc::EINPROGRESS) => Ok(false),
        Err(error) => Err(error),
    }
}

/// The address that a socket is bound to.
pub fn local_address(socket: BorrowedFd<'_>) -> io::Result<SocketAddr> {
    internet(&SockRef::from(&socket).local_addr()?)
}

/// The address that a connection goes to; IPv4 in IPv6's clothes is undressed.
pub fn peer_address(socket: BorrowedFd<'_>) -> io::Result<SocketAddr> {
    internet(&SockRef::from(&socket).peer_addr()?)
}

/// Stops a listener: clients are refused from now on, those that waited are reset.
pub fn stop_listening(listener: BorrowedFd<'_>) -> io::Result<()> {
    SockRef::from(&listener).shutdown(std::net::Shutdown::Both)
}

/// Takes the next waiting client, with one system call.
pub fn accept(listener: BorrowedFd<'_>) -> io::Result<(OwnedFd, SocketAddr)> {
    let (socket, peer) = SockRef::from(&listener).accept4(libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC)?;
    Ok((socket.into(), internet(&peer)?))
}

fn internet(address: &socket2::SockAddr) -> io::Result<SocketAddr> {
    let Some(mut address) = address.as_socket() else {
        return Err(io::Error::from_raw_os_error(libc::EAFNOSUPPORT));
    };
    address.set_ip(address.ip().to_canonical());
    Ok(address)
}

fn group(
    address: SocketAddr,
    count: usize,
    make: impl Fn(SocketAddr) -> io::Result<OwnedFd>,
) -> io::Result<Vec<OwnedFd>> {
    let mut sockets = Vec::with_capacity(count);
    let mut bound = address;
    for _ in 0..count {
        let socket = make(bound)?;
        if bound.port() == 0 {
            bound.set_port(local_address(socket.as_fd())?.port());
        }
        sockets.push(socket);
    }
    Ok(sockets)
}

fn set_group(socket: &Socket, address: SocketAddr, reuse_port: bool, v6_only: bool) -> io::Result<()> {
    if address.is_ipv6() {
        socket.set_only_v6(v6_only)?;
    }
    if reuse_port {
        socket.set_reuse_port(true)?;
    }
    Ok(())
}

fn set_stream(
    socket: &Socket,
    nodelay: bool,
    keepalive: Option<Keepalive>,
    not_sent_low_bytes: Option<u32>,
) -> io::Result<()> {
    if nodelay {
        socket.set_tcp_nodelay(true)?;
    }
    if let Some(keepalive) = keepalive {
        let parameters = TcpKeepalive::new()
            .with_time(Duration::from_secs(keepalive.idle_s.into()))
            .with_interval(Duration::from_secs(keepalive.interval_s.into()))
            .with_retries(keepalive.count);
        socket.set_tcp_keepalive(&parameters)?;
    }
    if let Some(bytes) = not_sent_low_bytes {
        socket.set_tcp_notsent_lowat(bytes)?;
    }
    Ok(())
}

/// The forced option needs CAP_NET_ADMIN; the plain one is capped by the machine's administrator, silently.
fn set_buffer(socket: &Socket, forced: i32, plain: i32, bytes: usize) -> io::Result<()> {
    let bytes = bytes.min(i32::MAX as usize / 2) as i32;
    set_option(socket.as_fd(), libc::SOL_SOCKET, forced, bytes)
        .or_else(|_| set_option(socket.as_fd(), libc::SOL_SOCKET, plain, bytes))
}

/// A listening Unix socket at a path where nothing is yet, open to its owner and nobody else. The mode stands before the
/// socket has a name, so that there is no moment in which others could connect.
pub fn listen_privately(path: &Path, backlog: i32) -> io::Result<OwnedFd> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM.nonblocking().cloexec(), None)?;
    let file = File::from(OwnedFd::from(socket));
    file.set_permissions(Permissions::from_mode(0o600))?;
    let socket = Socket::from(OwnedFd::from(file));
    socket.bind(&SockAddr::unix(path)?)?;
    socket.listen(backlog)?;
    Ok(socket.into())
}

/// Who is at the other end of a Unix socket, as the kernel noted it when they connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerCredentials {
    /// The process.
    pub pid: i32,
    /// Its effective user.
    pub uid: u32,
}

/// Asks the kernel who is at the other end of a connected Unix socket (SO_PEERCRED).
pub fn peer_credentials(socket: BorrowedFd<'_>) -> io::Result<PeerCredentials> {
    let mut found = libc::ucred { pid: 0, uid: 0, gid: 0 };
    let mut length = size_of_val(&found) as libc::socklen_t;
    // SAFETY: the pointers are to `found` and to its length, both live through the call, and the kernel writes no more
    // than that length.
    let code = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_PEERCRED,
            (&raw mut found).cast(),
            &raw mut length,
        )
    };
    if code == 0 {
        Ok(PeerCredentials { pid: found.pid, uid: found.uid })
    } else {
        Err(io::Error::last_os_error())
    }
}

pub(crate) fn set_option(socket: BorrowedFd<'_>, level: i32, name: i32, value: i32) -> io::Result<()> {
    // SAFETY: the pointer and the length describe `value`, which lives through the call; the kernel only reads it.
    let code = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            level,
            name,
            (&raw const value).cast(),
            size_of_val(&value) as libc::socklen_t,
        )
    };
    if code == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Classic BPF; the filter sees the datagram's payload and returns the number of the socket.
fn steering_program(count: u32, steering: &Steering) -> [libc::sock_filter; 7] {
    const LOAD_BYTE: u16 = (libc::BPF_LD | libc::BPF_B | libc::BPF_ABS) as u16;
    const JUMP_EQUAL: u16 = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
    const JUMP: u16 = (libc::BPF_JMP | libc::BPF_JA) as u16;
    const MODULO: u16 = (libc::BPF_ALU | libc::BPF_MOD | libc::BPF_K) as u16;
    const RETURN: u16 = (libc::BPF_RET | libc::BPF_A) as u16;
    let step = |code, jt, jf, k| libc::sock_filter { code, jt, jf, k };
    [
        step(LOAD_BYTE, 0, 0, 0),
        step(JUMP_EQUAL, 0, 2, steering.opening_type.into()),
        step(LOAD_BYTE, 0, 0, steering.opening_at),
        step(JUMP, 0, 0, 1),
        step(LOAD_BYTE, 0, 0, steering.owner_at),
        step(MODULO, 0, 0, count),
        step(RETURN, 0, 0, 0),
    ]
}

#[cfg(test)]
mod tests;

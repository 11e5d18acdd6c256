//! Options reach the kernel and accepted connections; groups share a port; steering is exact.

use std::io::Read;
use std::net::{TcpStream, UdpSocket};

use super::*;

fn loopback(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

#[test]
fn accepted_connections_inherit_from_the_listener() {
    let options = ListenOptions {
        keepalive: Some(Keepalive { idle_s: 30, interval_s: 5, count: 3 }),
        ..ListenOptions::default()
    };
    for address in ["127.0.0.1:0", "[::1]:0"] {
        let listener = listen(loopback(address), &options).unwrap();
        let at = local_address(listener.as_fd()).unwrap();
        assert_eq!(accept(listener.as_fd()).unwrap_err().raw_os_error(), Some(libc::EAGAIN));
        let client = TcpStream::connect(at).unwrap();
        let (accepted, peer) = accept(listener.as_fd()).unwrap();
        assert_eq!(peer, client.local_addr().unwrap());
        assert_eq!(peer_address(accepted.as_fd()).unwrap(), peer);
        let accepted = SockRef::from(&accepted);
        assert!(accepted.tcp_nodelay().unwrap() && accepted.keepalive().unwrap());
        assert_eq!(accepted.tcp_notsent_lowat().unwrap(), 128 * 1_024);
        assert!(accepted.nonblocking().unwrap());
    }
}

#[test]
fn a_group_shares_the_free_port_that_its_first_socket_got() {
    let listeners = listen_group(loopback("127.0.0.1:0"), 3, &ListenOptions::default()).unwrap();
    let ports: Vec<u16> = listeners.iter().map(|each| local_address(each.as_fd()).unwrap().port()).collect();
    assert!(ports[0] != 0 && ports.iter().all(|port| *port == ports[0]));
}

#[test]
fn an_outgoing_connection_stands_or_is_refused() {
    let listener = listen(loopback("127.0.0.1:0"), &ListenOptions::default()).unwrap();
    let to = local_address(listener.as_fd()).unwrap();
    let socket = stream(to, &ConnectOptions::default()).unwrap();
    let _ = connect(socket.as_fd(), to).unwrap();
    let mut connection = TcpStream::from(socket);
    connection.set_nonblocking(false).unwrap();
    // The listener is closed with the client in its queue, which resets it.
    drop(listener);
    assert!(connection.read(&mut [0; 1]).is_err());
}

#[test]
fn steering_is_exact_for_owners_and_spreads_openings() {
    const COUNT: usize = 3;
    let options = UdpOptions { receive_buffer_bytes: 1 << 16, ..UdpOptions::default() };
    for address in ["127.0.0.1:0", "[::1]:0"] {
        let sockets: Vec<UdpSocket> = udp_group(loopback(address), COUNT, &options, &Steering::TUNNEL)
            .unwrap()
            .into_iter()
            .map(UdpSocket::from)
            .collect();
        let to = sockets[0].local_addr().unwrap();
        let client = UdpSocket::bind(loopback(address)).unwrap();
        let mut buffer = [0; 64];
        for owner in 0..=20_u8 {
            let steered = [0x22, owner, 0, 0, 0, 0xee];
            let opening = [0x11, 0xee, 0, 0, 0, owner];
            for datagram in [steered, opening] {
                client.send_to(&datagram, to).unwrap();
                // On loopback a datagram is in the receiver's queue when send returns.
                let (bytes, _) = sockets[usize::from(owner) % COUNT].recv_from(&mut buffer).unwrap();
                assert_eq!(buffer[..bytes], datagram);
            }
        }
        client.send_to(&[0x22], to).unwrap();
        assert_eq!(sockets[0].recv_from(&mut buffer).unwrap().0, 1, "too short to steer: the first");
    }
}

/// One in twenty was shared while such sockets were bound with SO_REUSEPORT.
#[test]
fn free_ports_are_nobody_elses() {
    let options = UdpOptions { reuse_port: true, ..UdpOptions::default() };
    let local = SocketAddr::from(([127, 0, 0, 1], 0));
    let groups: Vec<_> =
        (0..500).map(|_| udp_group(local, 2, &options, &Steering::TUNNEL).unwrap()).collect();
    let port = |socket: &OwnedFd| local_address(socket.as_fd()).unwrap().port();
    let ports: std::collections::HashSet<u16> = groups.iter().map(|group| port(&group[0])).collect();
    assert_eq!(ports.len(), groups.len());
    assert!(groups.iter().all(|group| port(&group[0]) == port(&group[1])));
}

#[test]
fn a_private_socket_is_its_owner_s_alone_and_knows_who_calls() {
    use std::os::unix::net::UnixStream;
    let path = std::env::temp_dir().join(format!("longhaul-private-{}", std::process::id()));
    let listener = listen_privately(&path, 4).unwrap();
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(listen_privately(&path, 4).unwrap_err().kind(), io::ErrorKind::AddrInUse);
    let caller = UnixStream::connect(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    let (accepted, _) = Socket::from(listener).accept().unwrap();
    let found = peer_credentials(accepted.as_fd()).unwrap();
    assert_eq!(found.pid, std::process::id() as i32);
    drop(caller);
}

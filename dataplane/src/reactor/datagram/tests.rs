//! Round trips over loopback, and control blocks that lie.

use std::os::fd::AsFd;

use proptest::prelude::*;

use super::*;
use crate::reactor::socket::{UdpOptions, local_address, udp};

#[test]
fn a_train_goes_out_as_one_send_and_comes_in_as_one_receive() {
    let options = UdpOptions { receive_buffer_bytes: 1 << 20, ..UdpOptions::default() };
    for address in ["127.0.0.1:0", "[::1]:0"] {
        let sender = udp(address.parse().unwrap(), &options).unwrap();
        let receiver = udp(address.parse().unwrap(), &options).unwrap();
        let to = local_address(receiver.as_fd()).unwrap();
        let bytes: Vec<u8> = (0..12_345_u32).map(|at| at as u8).collect();
        let (mut header, mut into) = (ReceiveHeader::new(), vec![0; 65_536]);
        send(sender.as_fd(), &mut SendHeader::new(), to, &bytes, 1_200, Ecn::Capable0).unwrap();
        let mut got = Vec::new();
        while got.len() < bytes.len() {
            let received = receive(receiver.as_fd(), &mut header, &mut into).unwrap().unwrap();
            assert_eq!(received.from, local_address(sender.as_fd()).unwrap());
            assert_eq!((received.ecn, received.truncated), (Ecn::Capable0, false));
            assert!(received.segment_bytes == 1_200 || received.datagrams() == 1);
            got.extend_from_slice(&into[..received.bytes]);
        }
        assert_eq!(got, bytes);
        let error = receive(receiver.as_fd(), &mut header, &mut into).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::EAGAIN));
    }
}

#[test]
fn a_datagram_longer_than_the_buffer_says_so() {
    let socket = udp("127.0.0.1:0".parse().unwrap(), &UdpOptions::default()).unwrap();
    let to = local_address(socket.as_fd()).unwrap();
    send(socket.as_fd(), &mut SendHeader::new(), to, &[7; 100], 100, Ecn::NotCapable).unwrap();
    let received = receive(socket.as_fd(), &mut ReceiveHeader::new(), &mut [0; 10]).unwrap().unwrap();
    assert!(received.truncated);
    assert_eq!((received.bytes, received.ecn), (10, Ecn::NotCapable));
}

#[test]
fn an_empty_datagram_is_one_datagram() {
    let received = Received::new("127.0.0.1:1".parse().unwrap(), 0, Control::default(), false);
    assert_eq!((received.datagrams(), received.segment_bytes), (1, 1));
}

#[test]
fn drops_are_counted_once_the_buffer_is_full() {
    let options = UdpOptions { receive_buffer_bytes: 4_096, gro: false, ..UdpOptions::default() };
    let socket = udp("127.0.0.1:0".parse().unwrap(), &options).unwrap();
    let to = local_address(socket.as_fd()).unwrap();
    let send_one =
        || send(socket.as_fd(), &mut SendHeader::new(), to, &[7; 1_000], 1_000, Ecn::NotCapable).unwrap();
    (0..50).for_each(|_| send_one());
    let (mut header, mut into) = (ReceiveHeader::new(), [0; 2_000]);
    let mut received = 0;
    while receive(socket.as_fd(), &mut header, &mut into).is_ok() {
        received += 1;
    }
    send_one();
    let last = receive(socket.as_fd(), &mut header, &mut into).unwrap().unwrap();
    assert_eq!(last.drops, Some(50 - received));
}

proptest! {
    #[test]
    fn no_control_block_confuses_the_reader(bytes in proptest::collection::vec(any::<u8>(), 0..128)) {
        let _ = Control::parse(&bytes);
    }

    #[test]
    fn small_lengths_in_a_control_block_do_not_loop(length in 0_usize..40, fill in any::<u8>()) {
        let mut bytes = vec![fill; 64];
        bytes[..8].copy_from_slice(&length.to_ne_bytes());
        let _ = Control::parse(&bytes);
    }
}

//! How much of a body: bytes with a length and in chunks, trailers.

use crate::origin;
use crate::process::{End, Node, connect, each_driver, exchange, read_to_end};
use std::io::Write;

fn with_length(bytes: usize) -> Vec<u8> {
    let head =
        format!("POST /hash HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: {bytes}\r\n\r\n");
    [head.into_bytes(), vec![b'x'; bytes]].concat()
}

fn chunked(chunks: &[usize], trailers: usize) -> Vec<u8> {
    let head = "POST /hash HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n";
    let mut request = head.as_bytes().to_vec();
    for bytes in chunks {
        write!(request, "{bytes:x}\r\n{}\r\n", "x".repeat(*bytes)).unwrap();
    }
    request.extend(b"0\r\n");
    (0..trailers).for_each(|index| write!(request, "X-{index}: y\r\n").unwrap());
    request.extend(b"\r\n");
    request
}

#[test]
fn a_body_of_too_many_bytes_gets_413() {
    each_driver(|io| {
        let origin = origin();
        let node = Node::front_alone(io, origin.address(), &["--body-bytes-max", "4k"]);
        for request in [with_length(4_096), chunked(&[4_096], 0), chunked(&[4_000, 96], 1)] {
            assert_eq!(exchange(node.address(), &request).status, 200);
        }
        let before = origin.counts();
        for request in [with_length(4_097), with_length(1 << 20)] {
            let answer = exchange(node.address(), &request);
            assert_eq!((answer.status, answer.end), (413, End::Closed), "{answer:?}");
        }
        assert_eq!(origin.counts(), before, "a length that is too great is refused before anything is asked");
        for request in [chunked(&[4_097], 0), chunked(&[4_096, 1], 0), chunked(&[1_000; 100], 0)] {
            let answer = exchange(node.address(), &request);
            assert_eq!((answer.status, answer.end), (413, End::Closed), "{answer:?}");
        }
    });
}

#[test]
fn a_length_that_is_too_great_is_refused_before_its_body_comes() {
    each_driver(|io| {
        let origin = origin();
        let node = Node::front_alone(io, origin.address(), &["--body-bytes-max", "4k"]);
        let mut stream = connect(node.address());
        let head = "POST /hash HTTP/1.1\r\nHost: a\r\nContent-Length: 5000\r\nExpect: 100-continue\r\n\r\n";
        stream.write_all(head.as_bytes()).unwrap();
        assert_eq!(read_to_end(&mut stream).status, 413);
    });
}

#[test]
fn too_many_trailers_get_431() {
    each_driver(|io| {
        let origin = origin();
        let node = Node::front_alone(io, origin.address(), &["--trailer-fields-max", "3"]);
        assert_eq!(exchange(node.address(), &chunked(&[5], 3)).status, 200);
        let answer = exchange(node.address(), &chunked(&[5], 4));
        assert_eq!((answer.status, answer.end), (431, End::Closed), "{answer:?}");
    });
}

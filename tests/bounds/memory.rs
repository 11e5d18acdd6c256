//! How many bytes: the sum of the bounds against the limit, and what clients may have held.

use crate::process::{Node, connect, each_driver, exchange, has_ended, until};
use crate::{get, origin};
use std::io::Write;

#[test]
fn a_node_whose_bounds_exceed_the_limit_does_not_start() {
    let flags = ["front", "--listen", "127.0.0.1:0", "--site", "*=http://127.0.0.1:1", "--mem-limit"];
    let mut node = Node::launch(&[&flags[..], &["64m"]].concat());
    assert_eq!(node.ended().code(), Some(2), "{}", node.said());
    node.wait_for("the bounds add up to");
    let advice = node.wait_for("--mem-limit");
    // What it says would do, does.
    let enough =
        node.said().split("--mem-limit ").filter_map(|rest| rest.split_whitespace().next()).find_map(
            |word| {
                let word = word.trim_end_matches([',', '.', ';']);
                (word != "64m" && word.ends_with('m')).then(|| word.to_owned())
            },
        );
    let enough = enough.unwrap_or_else(|| panic!("{advice}\n{}", node.said()));
    drop(Node::start(&[&flags[..], &[&enough]].concat()));
}

#[test]
fn unfinished_heads_hold_no_more_than_the_bound() {
    each_driver(|io| {
        let origin = origin();
        let flags = [
            "--held-bytes",
            "16k",
            "--block-bytes",
            "512",
            "--head-bytes-max",
            "2k",
            "--target-bytes-max",
            "1k",
        ];
        let node = Node::front_alone(io, origin.address(), &flags);
        // Each holds one block of 32.
        let mut heads: Vec<_> = (0..100).map(|_| connect(node.address())).collect();
        heads.iter_mut().for_each(|stream| stream.write_all(b"GET /b128 HTTP/1.1\r\nX: y").unwrap());
        until("those beyond are refused", || {
            (heads.iter().filter(|stream| has_ended(stream)).count() == 100 - 32).then_some(())
        });
        let request = [&get("/b128")[..get("/b128").len() - 2], b"Connection: close\r\n\r\n"].concat();
        assert_eq!(exchange(node.address(), &request).status, 200, "a whole head needs no block");
        heads.clear();
    });
}

//! Values that change while a pair serves: taken over by the workers, shown with who changed them, refused whole.

use crate::process::{Folder, Node, Pair, ask, connect, each_driver, read_one, until};
use crate::{ctl, get, origin, status};
use serde_json::Value;
use std::io::Write;

fn tunnel(node: &Node, pointer: &str) -> Value {
    status(node)["tunnels"][0].pointer(pointer).cloned().unwrap_or_default()
}

#[test]
fn the_blender_is_set_at_both_ends_while_a_pair_serves() {
    each_driver(|io| {
        let (origin, folder) = (origin(), Folder::new());
        let (front, back) = (folder.path("front"), folder.path("back"));
        let pair = Pair::start_with(io, origin.address(), &["--control", &front], &["--control", &back]);
        let mut client = connect(pair.front.address());
        assert_eq!(ask(&mut client, &get("/b16k")).status, 200);
        for (node, socket) in [(&pair.front, &front), (&pair.back, &back)] {
            let said = "weights = 32,8,4,2,1  # was 16,8,4,2,1";
            ctl(socket, &["set", "weights", "32,8,4,2,1"]).done(said);
            ctl(socket, &["set", "sub-packet", "1k"]).done("sub-packet = 1k  # was 512");
            ctl(socket, &["set", "packet-bytes", "1300"]).done("packet-bytes = 1300  # was 1452");
            ctl(socket, &["set", "compress", "zstd"]).done("compress = zstd  # was off");
            ctl(socket, &["show"]).done("weights = 32,8,4,2,1  # set by uid ");
            until("the workers have taken it over", || {
                let is_taken = tunnel(node, "/rings/0/weight") == 32
                    && tunnel(node, "/sub_packet_bytes") == 1_024
                    && tunnel(node, "/mtu_bytes").as_u64().is_some_and(|mtu| mtu <= 1_300);
                is_taken.then_some(())
            });
            assert_eq!(status(node)["settings"]["weights"]["value"], "32,8,4,2,1");
            node.wait_for("command through the control door");
        }
        // The same connection, over the changed tunnel.
        until("an answer is compressed", || {
            assert_eq!(ask(&mut client, &get("/bytes/40k?text")).status, 200);
            let packed = tunnel(&pair.back, "/compression/sent_zstd/packed_bytes");
            packed.as_u64().is_some_and(|bytes| bytes > 0).then_some(())
        });
        assert!(ask(&mut client, &get("/b1m")).bytes.len() > 1 << 20);
        ctl(&front, &["set", "packet-bytes", "1452"]).done("packet-bytes = 1452");
        until("the larger size is found again", || {
            (tunnel(&pair.front, "/mtu_bytes") == 1_452).then_some(())
        });
    });
}

#[test]
fn a_refused_value_says_why_and_changes_nothing() {
    let (origin, folder) = (origin(), Folder::new());
    let socket = folder.path("ctl");
    let node = Node::front_alone("epoll", origin.address(), &["--control", &socket]);
    let before = ctl(&socket, &["show"]).said;
    ctl(&socket, &["set", "weights", "1,2"]).refused(2, "write five numbers, such as 16,8,4,2,1");
    ctl(&socket, &["set", "packet-bytes", "1500"]).refused(2, "give 1200 to 1452, or a larger --mtu");
    ctl(&socket, &["set", "wights", "1,2,3,4,5"]).refused(2, "give one of weights, sub-packet");
    ctl(&socket, &["override", "up", "fra1", "--reason", "x"]).refused(2, "ask a name server");
    ctl(&socket, &["reload"]).refused(2, "there is neither --config nor --rules");
    assert_eq!(ctl(&socket, &["show"]).said, before);
    ctl(&socket, &["set", "log-level", "debug"]).done("log-level = debug  # was info");
    let shown: Value = serde_json::from_str(&ctl(&socket, &["status"]).said).unwrap();
    assert_eq!((&shown["end"], &shown["settings"]["log-level"]["value"]), (&"front".into(), &"debug".into()));
    assert_eq!(node.page("/healthz").0, 200);
}

#[test]
fn who_is_shed_first_is_set_while_it_runs() {
    each_driver(|io| {
        let (origin, folder) = (origin(), Folder::new());
        let socket = folder.path("ctl");
        let flags = [
            "--exchanges-max",
            "4",
            "--shed-at",
            "100,100,100,100,100",
            "--class",
            "path=/b128:4",
            "--control",
            &socket,
        ];
        let node = Node::front_alone(io, origin.address(), &flags);
        // Two exchanges of four are under way.
        let mut held: Vec<_> = (0..2).map(|_| connect(node.address())).collect();
        held.iter_mut().for_each(|client| client.write_all(&get("/delay/3000/1")).unwrap());
        node.wait_metric("longhaul_exchanges_open{worker=\"0\"}", 2.0);
        let mut client = connect(node.address());
        assert_eq!(ask(&mut client, &get("/b128")).status, 200);
        ctl(&socket, &["set", "shed-at", "100,100,100,100,50"]).done("shed-at = 100,100,100,100,50");
        until("the lowest class is refused", || {
            let mut client = connect(node.address());
            (ask(&mut client, &get("/b128")).status == 503).then_some(())
        });
        held.iter_mut().for_each(|client| assert_eq!(read_one(client).status, 200));
    });
}

//! Rules read again through the door: the answer says how it went, and under load nobody's connection notices.

use crate::process::{Folder, Pair, ask, connect, each_driver, has_ended};
use crate::{ctl, get, origin, status};
use std::fs;
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};

fn write(file: &str, class: &str) {
    fs::write(file, format!("[[rule]]\npath = '*'\nclass = {class}\n")).unwrap();
}

#[test]
fn the_answer_says_whether_the_rules_were_taken() {
    each_driver(|io| {
        let (origin, folder) = (origin(), Folder::new());
        let (file, socket) = (folder.path("rules.toml"), folder.path("ctl"));
        write(&file, "1");
        let pair = Pair::start(io, origin.address(), &["--rules", &file, "--control", &socket]);
        write(&file, "2");
        ctl(&socket, &["reload"]).done("rules are read again: 1 about requests, 0 about answers");
        write(&file, "5");
        ctl(&socket, &["reload"])
            .refused(2, "line 3, column 9: class is 5")
            .refused(2, "what was there stays");
        let shown = status(&pair.front);
        assert_eq!((&shown["reload"]["done"], &shown["reload"]["failed"]), (&1.into(), &1.into()));
        assert!(shown["reload"]["problems"][0].as_str().unwrap().contains("line 3, column 9"), "{shown}");
        assert_eq!(pair.front.metric("longhaul_reloads_total{outcome=\"failed\"}"), Some(1.0));
    });
}

/// A thousand connections and a tunnel, over a hundred reloads of which every fourth is refused, while requests go on.
#[test]
fn a_hundred_reloads_drop_nothing() {
    const CONNECTIONS: usize = 1_000;
    const RELOADS: usize = 100;
    let (origin, folder) = (origin(), Folder::new());
    let (file, socket) = (folder.path("rules.toml"), folder.path("ctl"));
    write(&file, "1");
    let pair = Pair::start("epoll", origin.address(), &["--rules", &file, "--control", &socket]);
    let mut idle: Vec<TcpStream> = (0..CONNECTIONS).map(|_| connect(pair.front.address())).collect();
    let (stop, lost) = (AtomicBool::new(false), status(&pair.front)["tunnels"][0]["path_losses"].clone());
    std::thread::scope(|scope| {
        let asking = scope.spawn(|| {
            let (mut client, mut answered) = (connect(pair.front.address()), 0);
            while !stop.load(Ordering::Relaxed) {
                assert_eq!(ask(&mut client, &get("/b16k")).status, 200);
                answered += 1;
            }
            answered
        });
        for number in 0..RELOADS {
            let is_good = number % 4 != 3;
            write(&file, if is_good { "3" } else { "9" });
            assert_eq!(ctl(&socket, &["reload"]).status, if is_good { 0 } else { 2 });
        }
        stop.store(true, Ordering::Relaxed);
        assert!(asking.join().unwrap() > 0, "requests went on");
    });
    assert!(!idle.iter().any(has_ended), "a connection was dropped");
    for client in idle.iter_mut().step_by(100) {
        assert_eq!(ask(client, &get("/b128")).status, 200);
    }
    let shown = status(&pair.front);
    assert_eq!((&shown["tunnels"][0]["up"], &shown["tunnels"][0]["path_losses"]), (&true.into(), &lost));
    assert_eq!((&shown["reload"]["done"], &shown["reload"]["failed"]), (&75.into(), &25.into()));
}

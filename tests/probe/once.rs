//! `longhaul probe once`.

use crate::process::{Folder, Node, one_cpu, until};
use crate::{origin, run};

#[test]
fn phases_are_printed_and_the_status_tells() {
    let origin = origin();
    let url = format!("http://{}/bytes/1000", origin.address());
    let (status, said, _) = run(&["probe", "once", &url, &format!("tcp://{}", origin.address())]);
    assert_eq!(status, 0, "{said}");
    let lines: Vec<&str> = said.lines().collect();
    for word in ["target", "result", "name", "connect", "tls", "first byte", "total", "status", "bytes"] {
        assert!(lines[0].contains(word), "{said}");
    }
    let row: Vec<&str> = lines[1].split_whitespace().collect();
    assert_eq!((row[0], row[1], *row.last().unwrap()), (url.as_str(), "good", "1000"), "{said}");
    assert!(row.contains(&"200") && said.contains("sha256 "), "{said}");

    let load = run(&["probe", "once", "--load", "json", &format!("http://{}/load", origin.address())]);
    assert!(load.0 == 0 && load.1.contains("load 0."), "{load:?}");

    let bad = run(&["probe", "once", "--body", "no such text", &url, "tcp://127.0.0.1:1"]);
    assert_eq!(bad.0, 1, "{bad:?}");
    assert!(bad.1.contains("body: \"no such text\" is not in the answer"), "{bad:?}");
    assert!(bad.1.contains("refused: connection refused"), "{bad:?}");
}

#[test]
fn all_that_is_wrong_is_said_at_once() {
    let flags = ["--status", "ok", "--sha256", "abc", "--load", "a b", "--redirects", "99", "--timeout", "3"];
    let (status, _, said) = run(&[&["probe", "once", "a.test", "gopher://a.test/"][..], &flags].concat());
    assert_eq!(status, 2, "{said}");
    for word in [
        "a.test: has no scheme",
        "no kind of probe",
        "--status: \"ok\" is no list of statuses",
        "--sha256: \"abc\" is no SHA-256",
        "--load: \"a b\" says nothing about load",
        "--redirects 99: are too many",
        "--timeout 3",
    ] {
        assert!(said.contains(word), "{word}: {said}");
    }
    assert_eq!(run(&["probe", "once"]).0, 2);
    let (status, _, said) = run(&["probe"]);
    assert!(status == 2 && said.contains("longhaul probe once URL"), "{said}");
    let (status, said, _) = run(&["probe", "once", "tmp://aaaa@127.0.0.1:7000"]);
    assert!(status == 1 && said.contains("give --key FILE"), "{said}");
}

/// A back-end answers whom it knows, and is silent for all others.
#[test]
fn back_ends_are_knocked_at() {
    let folder = Folder::new();
    let ((back_key, back_public), (own_key, own_public)) = (folder.key("back.key"), folder.key("own.key"));
    let (stranger_key, _) = folder.key("stranger.key");
    let back = Node::start(&[
        "back",
        "--listen",
        "127.0.0.1:0",
        "--key",
        &back_key,
        "--peer",
        &format!("{own_public}=none"),
        "--origin",
        "*=http://127.0.0.1:1",
        "--cpus",
        &one_cpu(),
    ]);
    let url = format!("tmp://{back_public}@{}", back.tunnel());
    let knock = |key: &str, timeout: &str| run(&["probe", "once", "--key", key, "--timeout", timeout, &url]);
    let (status, said, _) = knock(&own_key, "20s");
    assert!(status == 0 && said.contains("answered"), "{said}");
    let (status, said, _) = knock(&stranger_key, "300ms");
    assert!(status == 1 && said.contains("timeout:"), "{said}");
    drop(back);
    until("nobody is there", || {
        let (status, said, _) = knock(&own_key, "300ms");
        (status == 1 && (said.contains("refused") || said.contains("timeout"))).then_some(())
    });
}

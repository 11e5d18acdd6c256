//! The socket: whose it is, whom it lets in, what is said on it, and that it goes with its process.

use crate::process::{Folder, Node, PATIENCE, each_driver, until};
use crate::{ctl, origin};
use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::{Command, Stdio};

#[test]
fn the_socket_is_its_owner_s_and_goes_with_the_process() {
    each_driver(|io| {
        let (origin, folder) = (origin(), Folder::new());
        let socket = folder.path("ctl");
        // What a dead process left.
        drop(UnixListener::bind(&socket).unwrap());
        let mut node = Node::front_alone(io, origin.address(), &["--control", &socket]);
        assert_eq!(fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o600);
        ctl(&socket, &["show"]).done("log-level = info  # as started");
        ctl(&socket, &["drain"]).done("draining; what is left is cut after 30 s");
        assert!(node.ended().success());
        assert!(!Path::new(&socket).exists(), "the socket goes with the process");
        ctl(&socket, &["show"]).refused(75, "nobody answers there");
    });
}

#[test]
fn a_living_process_s_socket_is_not_taken_and_nothing_but_sockets_are() {
    let (origin, folder) = (origin(), Folder::new());
    let socket = folder.path("ctl");
    let _node = Node::front_alone("epoll", origin.address(), &["--control", &socket]);
    let site = format!("*=http://{}", origin.address());
    let start = |socket: &str| {
        let flags =
            ["front", "--io", "epoll", "--listen", "127.0.0.1:0", "--site", &site, "--control", socket];
        let mut node = Node::launch(&flags);
        (node.ended().code(), node)
    };
    let (status, node) = start(&socket);
    assert_eq!(status, Some(75));
    node.wait_for("another process answers there");
    ctl(&socket, &["show"]).done("weights");
    let file = folder.path("file");
    fs::write(&file, "mine").unwrap();
    let (status, node) = start(&file);
    assert_eq!((status, fs::read_to_string(&file).unwrap().as_str()), (Some(2), "mine"));
    node.wait_for("is no socket; give another path");
}

/// The mode keeps others out; where somebody changed the mode, the kernel's word on who calls does.
#[test]
fn strangers_are_not_heard() {
    let (origin, folder) = (origin(), Folder::new());
    let socket = folder.path("ctl");
    let node = Node::front_alone("epoll", origin.address(), &["--control", &socket]);
    // Perl, which every Debian has, because a stranger may not be able to reach our own program's folder.
    // The answer comes, and the door closes, before a stranger has said anything: saying it then must not end him.
    let ask = "use IO::Socket::UNIX; $SIG{PIPE} = 'IGNORE'; $s = IO::Socket::UNIX->new(Peer => $ARGV[0]) or die $!; \
               print $s qq([\"drain\"]\\n); $s->flush; print scalar <$s>;";
    let as_stranger = || {
        let mut command = Command::new("setpriv");
        command.args(["--reuid", "65534", "--clear-groups", "perl", "-e", ask, &socket]);
        command.stdin(Stdio::null()).output()
    };
    let is_root = fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0);
    if !is_root || !as_stranger().is_ok_and(|output| output.status.code().is_some_and(|code| code < 126)) {
        println!("SKIPPED: only root can become a stranger, and perl and setpriv have to be there");
        assert!(std::env::var_os("LONGHAUL_REQUIRE_ALL").is_none_or(|all| all != "1"), "they are required");
        return;
    }
    let output = as_stranger().unwrap();
    assert!(String::from_utf8_lossy(&output.stderr).contains("Permission denied"), "{output:?}");
    fs::set_permissions(&socket, Permissions::from_mode(0o666)).unwrap();
    let parent = Path::new(&socket).parent().unwrap();
    fs::set_permissions(parent, Permissions::from_mode(0o755)).unwrap();
    let output = as_stranger().unwrap();
    let answer = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(answer.contains("uid 65534 may not change this process"), "{output:?}");
    node.wait_for("the control door was closed to a stranger");
    assert_eq!(node.page("/healthz").0, 200, "it was not drained");
}

#[test]
fn whoever_says_nothing_holds_up_nobody_and_nonsense_is_told_so() {
    let (origin, folder) = (origin(), Folder::new());
    let socket = folder.path("ctl");
    let node = Node::front_alone("epoll", origin.address(), &["--control", &socket]);
    let mut silent: Vec<UnixStream> = (0..3).map(|_| UnixStream::connect(&socket).unwrap()).collect();
    silent[1].write_all(b"[\"show\"").unwrap();
    ctl(&socket, &["show"]).done("weights");
    let say = |line: &[u8]| {
        let mut stream = UnixStream::connect(&socket).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(line).unwrap();
        let mut answer = String::new();
        BufReader::new(stream).read_line(&mut answer).unwrap();
        answer
    };
    assert!(say(b"show\n").contains("this is no command"));
    assert!(say(b"[\"shwo\"]\n").contains("unrecognized subcommand 'shwo'"));
    assert!(say(b"[\"show\"]\n[\"show\"]\n").starts_with("{\"lines\":[\"weights = "));
    // All places taken: told so, and let in when one goes.
    let crowd: Vec<UnixStream> = (0..13).map(|_| UnixStream::connect(&socket).unwrap()).collect();
    ctl(&socket, &["show"]).refused(75, "too many callers");
    drop((crowd, silent));
    until("there is room again", || (ctl(&socket, &["show"]).status == 0).then_some(()));
    assert_eq!(node.page("/healthz").0, 200);
}

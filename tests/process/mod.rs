//! The real binary under test: started on free ports, its addresses read from what it says, ended by its process id
//! when dropped. Beside it a client that writes exactly the bytes it is given. Waits are bounded.

#![allow(dead_code, reason = "every test file uses its own part of this")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop where it is")]

use std::fs;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long anything may take that should happen at once. Long, because the machine may be busy.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
/// Between two looks at something that can only be asked for.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Runs a test once on every driver that works here.
pub(crate) fn each_driver(test: impl Fn(&'static str)) {
    match dataplane::reactor::feature::usable() {
        Ok(()) => test("uring"),
        Err(reason) => {
            println!("SKIPPED: io_uring does not work here: {reason}");
            assert!(
                std::env::var_os("LONGHAUL_REQUIRE_ALL").is_none_or(|all| all != "1"),
                "io_uring is required"
            );
        }
    }
    test("epoll");
}

/// Looks again and again until `look` has something; panics with `what` when patience ends.
pub(crate) fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(begun.elapsed() < PATIENCE, "not in time: {what}");
        std::thread::sleep(LOOK_EVERY);
    }
}

/// A CPU that this process may run on: one worker makes bounds per worker bounds of the process.
pub(crate) fn one_cpu() -> String {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let list =
        status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:")).unwrap().trim().to_owned();
    list.split(['-', ',']).next().unwrap().to_owned()
}

/// A folder of one test's own, removed at its end.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("longhaul-process-{}-{count}", std::process::id()));
        fs::create_dir(&folder).unwrap();
        Self(folder)
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }

    /// A new private key: its file and its public key.
    pub(crate) fn key(&self, name: &str) -> (String, String) {
        let file = self.path(name);
        let made = Command::new(env!("CARGO_BIN_EXE_longhaul"))
            .args(["key", "new", "--out", &file])
            .output()
            .unwrap();
        assert!(made.status.success(), "{made:?}");
        (file, String::from_utf8(made.stdout).unwrap().trim().to_owned())
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _gone = fs::remove_dir_all(&self.0);
    }
}

#[derive(Default)]
struct Said {
    lines: Mutex<(Vec<String>, bool)>,
    more: Condvar,
}

/// A node that runs.
pub(crate) struct Node {
    child: Child,
    said: Arc<Said>,
}

impl Node {
    /// Starts `longhaul` and waits until it serves.
    pub(crate) fn start(flags: &[&str]) -> Self {
        let node = Self::launch(flags);
        node.wait_for(" started ");
        node
    }

    /// Starts `longhaul`, whatever becomes of it.
    pub(crate) fn launch(flags: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_longhaul"));
        command.args(flags).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.env_remove("JOURNAL_STREAM").env_remove("NOTIFY_SOCKET").spawn().unwrap();
        let (said, stderr) = (Arc::new(Said::default()), child.stderr.take().unwrap());
        let keeper = said.clone();
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                keeper.lines.lock().unwrap().0.push(line);
                keeper.more.notify_all();
            }
            keeper.lines.lock().unwrap().1 = true;
            keeper.more.notify_all();
        });
        Self { child, said }
    }

    /// A front-end alone with one worker, its sites all at `origin`.
    pub(crate) fn front_alone(io: &str, origin: SocketAddr, flags: &[&str]) -> Self {
        let (cpu, site) = (one_cpu(), format!("*=http://{origin}"));
        let fixed =
            ["front", "--io", io, "--cpus", &cpu, "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"];
        let node = Self::start(&[&fixed[..], &["--site", &site], flags].concat());
        // The origin's address is published by another thread.
        until("the origin's address is known", || {
            let (status, body) = node.page("/status");
            assert_eq!(status, 200, "{body}");
            (exchange(node.address(), b"GET /b128 HTTP/1.1\r\nHost: ready\r\nConnection: close\r\n\r\n")
                .status
                == 200)
                .then_some(())
        });
        node
    }

    /// The first line with `text`.
    pub(crate) fn wait_for(&self, text: &str) -> String {
        let begun = Instant::now();
        let mut held = self.said.lines.lock().unwrap();
        loop {
            if let Some(line) = held.0.iter().find(|line| line.contains(text)) {
                return line.clone();
            }
            let left = PATIENCE.saturating_sub(begun.elapsed());
            assert!(!held.1 && !left.is_zero(), "{text:?} was not said, but:\n{}", held.0.join("\n"));
            held = self.said.more.wait_timeout(held, left).unwrap().0;
        }
    }

    fn field(&self, line: &str, name: &str) -> String {
        let line = self.wait_for(line);
        let value = line.split(' ').find_map(|word| word.strip_prefix(name)).unwrap();
        value.split(',').next().unwrap().to_owned()
    }

    /// The addresses of a list in what it has said.
    pub(crate) fn fields(&self, line: &str, name: &str) -> Vec<SocketAddr> {
        let line = self.wait_for(line);
        let value = line.split(' ').find_map(|word| word.strip_prefix(name)).unwrap();
        value.split(',').map(|address| address.parse().unwrap()).collect()
    }

    /// The word behind a text that it has said.
    pub(crate) fn word_after(&self, text: &str) -> String {
        let line = self.wait_for(text);
        line.split_once(text).unwrap().1.split(' ').next().unwrap().to_owned()
    }

    /// Where it listens for clients.
    pub(crate) fn address(&self) -> SocketAddr {
        self.field(" started ", "listening=").parse().unwrap()
    }

    /// Where its tunnels' socket is.
    pub(crate) fn tunnel(&self) -> SocketAddr {
        self.field(" started ", "tunnel_udp=").parse().unwrap()
    }

    /// Where its admin page is.
    pub(crate) fn admin(&self) -> SocketAddr {
        self.field(" admin page ", "address=").parse().unwrap()
    }

    /// A page of the admin server: status and body.
    pub(crate) fn page(&self, path: &str) -> (u16, String) {
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        let answer = exchange(self.admin(), request.as_bytes());
        (answer.status, answer.body())
    }

    /// The value of a sample of the metrics page, by its whole name with labels.
    pub(crate) fn metric(&self, sample: &str) -> Option<f64> {
        let (_, text) = self.page("/metrics");
        text.lines().find_map(|line| line.strip_prefix(sample)?.strip_prefix(' ')?.parse().ok())
    }

    /// Waits until a sample of the metrics page has this value: records reach the page a little after the client.
    pub(crate) fn wait_metric(&self, sample: &str, value: f64) {
        let begun = Instant::now();
        let mut found = self.metric(sample);
        while found != Some(value) {
            assert!(begun.elapsed() < PATIENCE, "{sample} is {found:?} and not {value}");
            std::thread::sleep(LOOK_EVERY);
            found = self.metric(sample);
        }
    }

    /// Resident bytes.
    pub(crate) fn resident_bytes(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
    }

    /// Resident bytes at their highest.
    pub(crate) fn peak_bytes(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
    }

    /// Sends a signal by its short name.
    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status();
        assert!(sent.unwrap().success());
    }

    /// Waits for its end.
    pub(crate) fn ended(&mut self) -> ExitStatus {
        until("the process ends", || self.child.try_wait().unwrap())
    }

    /// All that it has said.
    pub(crate) fn said(&self) -> String {
        // The lock is poisoned where a test panicked while it waited; the lines are good all the same.
        self.said.lines.lock().unwrap_or_else(PoisonError::into_inner).0.join("\n")
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _status = self.child.wait();
        if std::thread::panicking() {
            eprintln!("{}", self.said());
        }
    }
}

/// A back-end and a front-end whose tunnel is up.
pub(crate) struct Pair {
    pub(crate) front: Node,
    pub(crate) back: Node,
    _folder: Folder,
}

impl Pair {
    /// Starts both; `flags` are the front-end's own.
    pub(crate) fn start(io: &str, origin: SocketAddr, flags: &[&str]) -> Self {
        Self::start_with(io, origin, flags, &[])
    }

    /// Starts both, each with flags of its own.
    pub(crate) fn start_with(io: &str, origin: SocketAddr, flags: &[&str], back_flags: &[&str]) -> Self {
        let folder = Folder::new();
        let (front_key, front_public) = folder.key("front.key");
        let (back_key, back_public) = folder.key("back.key");
        let (cpu, any) = (one_cpu(), "127.0.0.1:0");
        let fixed = ["--io", io, "--cpus", &cpu, "--listen", any, "--admin", any];
        let (peer, site) = (format!("{front_public}=*"), format!("*=http://{origin}"));
        let ways = ["back", "--key", &back_key, "--peer", &peer, "--origin", &site];
        let back = Node::start(&[&ways[..], &fixed, back_flags].concat());
        let route = format!("east={back_public}@{}", back.tunnel());
        let ways = ["front", "--key", &front_key, "--route", &route, "--site", "*=east"];
        let front = Node::start(&[&ways[..], &fixed, flags].concat());
        until("the tunnel is up", || (front.page("/healthz").0 == 200).then_some(()));
        until("the pair answers", || {
            let request = b"GET /b128 HTTP/1.1\r\nHost: ready\r\nConnection: close\r\n\r\n";
            (exchange(front.address(), request).status == 200).then_some(())
        });
        Self { front, back, _folder: folder }
    }
}

/// A connection that is never waited for without end.
pub(crate) fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// In order.
    Closed,
    /// With a reset.
    Reset,
    /// It is still open: a whole answer was read from it.
    Open,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) bytes: Vec<u8>,
    pub(crate) end: End,
}

impl Answer {
    fn of(bytes: Vec<u8>, end: End) -> Self {
        let status =
            bytes.get(9..12).and_then(|text| core::str::from_utf8(text).ok()?.parse().ok()).unwrap_or(0);
        Self { status, bytes, end }
    }

    /// All of it as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }

    /// What stands behind the head.
    pub(crate) fn body(&self) -> String {
        self.text().split_once("\r\n\r\n").unwrap_or_default().1.to_owned()
    }

    /// Whether the head has such a line.
    pub(crate) fn has_field(&self, line: &str) -> bool {
        self.text().to_ascii_lowercase().contains(&format!("\r\n{}", line.to_ascii_lowercase()))
    }
}

/// Sends a request on a new connection, and reads to the connection's end.
pub(crate) fn exchange(address: SocketAddr, request: &[u8]) -> Answer {
    let mut stream = connect(address);
    // A server may refuse before it has read all.
    let _written = stream.write_all(request);
    read_to_end(&mut stream)
}

/// Reads to the connection's end.
pub(crate) fn read_to_end(stream: &mut TcpStream) -> Answer {
    let (mut bytes, mut piece) = (Vec::new(), vec![0; 64 << 10]);
    loop {
        match stream.read(&mut piece) {
            Ok(0) => return Answer::of(bytes, End::Closed),
            Ok(count) => bytes.extend_from_slice(&piece[..count]),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::ConnectionReset => return Answer::of(bytes, End::Reset),
            Err(error) => panic!("{error} after {:?}", String::from_utf8_lossy(&bytes)),
        }
    }
}

/// Asks on a connection that goes on, and reads the one answer; it must have a Content-Length.
pub(crate) fn ask(stream: &mut TcpStream, request: &[u8]) -> Answer {
    stream.write_all(request).unwrap();
    read_one(stream)
}

/// Reads one answer with a Content-Length, or to the connection's end.
pub(crate) fn read_one(stream: &mut TcpStream) -> Answer {
    let (mut bytes, mut piece) = (Vec::new(), [0; 4_096]);
    loop {
        match stream.read(&mut piece) {
            Ok(0) => return Answer::of(bytes, End::Closed),
            Ok(count) => bytes.extend_from_slice(&piece[..count]),
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) if error.kind() == ErrorKind::ConnectionReset => return Answer::of(bytes, End::Reset),
            Err(error) => panic!("{error} after {:?}", String::from_utf8_lossy(&bytes)),
        }
        if is_whole(&bytes) {
            return Answer::of(bytes, End::Open);
        }
    }
}

fn is_whole(bytes: &[u8]) -> bool {
    let Some(head) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else { return false };
    let text = String::from_utf8_lossy(&bytes[..head]).to_ascii_lowercase();
    let length =
        text.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse::<usize>().ok());
    length.is_some_and(|length| bytes.len() >= head + 4 + length)
}

/// Whether a connection has ended, without waiting.
pub(crate) fn has_ended(stream: &TcpStream) -> bool {
    stream.set_nonblocking(true).unwrap();
    let (mut reader, mut piece) = (stream, [0; 4_096]);
    let ended = loop {
        match reader.read(&mut piece) {
            Ok(0) => break true,
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => break false,
            Err(_) => break true,
        }
    };
    stream.set_nonblocking(false).unwrap();
    ended
}

/// Says that nothing more will be sent.
pub(crate) fn finish(stream: &TcpStream) {
    let _ended = stream.shutdown(Shutdown::Write);
}

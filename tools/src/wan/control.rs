//! Steering a path while it runs, over a Unix socket (mode 0600): one command per line, one answer per line.
//!
//! ```text
//! counters               {"up":{...},"down":{...},...}
//! set loss=3%            ok
//! set down rate=10mbit   ok          (or up)
//! nonsense               error: ...
//! ```

use crate::wan::run::Steering;
use crate::wan::way::Way;
use core::sync::atomic::{AtomicBool, Ordering};
use core::time::Duration;
use rustix::fs::Mode;
use rustix::process::umask;
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;

/// A longer line is no command, bytes.
const LINE_BYTES_MAX: u64 = 4_096;
/// Whoever says nothing for so long is not waited for: commands are taken one after the other.
const PATIENCE: Duration = Duration::from_secs(2);

/// The socket; dropping it removes it.
#[derive(Debug)]
pub struct Control {
    path: PathBuf,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Control {
    /// Listens. A socket that nobody listens on any more is taken over.
    pub fn listen(path: &Path, steering: Steering) -> io::Result<Self> {
        let listener = bind(path)?;
        let stop = Arc::new(AtomicBool::new(false));
        let stopping = Arc::clone(&stop);
        let serve = move || {
            for stream in listener.incoming() {
                if stopping.load(Ordering::Relaxed) {
                    return;
                }
                // One broken connection is its own problem.
                let _ = stream.and_then(|stream| converse(stream, &steering));
            }
        };
        let thread = std::thread::Builder::new().name("wan-control".into()).spawn(serve)?;
        Ok(Self { path: path.to_owned(), stop, thread: Some(thread) })
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        // The connection wakes the thread. If it cannot be made, the thread is not waited for.
        if UnixStream::connect(&self.path).is_ok()
            && let Some(thread) = self.thread.take()
        {
            let _ = thread.join();
        }
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Binds so that no other user can connect at any time, not even between bind(2) and chmod(2).
fn bind(path: &Path) -> io::Result<UnixListener> {
    let mask = umask(Mode::from_raw_mode(0o177));
    let bound = UnixListener::bind(path).or_else(|error| {
        let is_left_over = error.kind() == ErrorKind::AddrInUse && UnixStream::connect(path).is_err();
        if !is_left_over {
            return Err(error);
        }
        std::fs::remove_file(path)?;
        UnixListener::bind(path)
    });
    umask(mask);
    bound
}

fn converse(stream: UnixStream, steering: &Steering) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut answers = stream.try_clone()?;
    let mut lines = BufReader::new(stream);
    loop {
        let mut line = String::new();
        if lines.by_ref().take(LINE_BYTES_MAX).read_line(&mut line)? == 0 {
            return Ok(());
        }
        writeln!(answers, "{}", answer(&line, steering))?;
    }
}

fn answer(line: &str, steering: &Steering) -> String {
    let words: Vec<_> = line.split_whitespace().collect();
    let outcome = match words[..] {
        ["counters"] => serde_json::to_string(&steering.report()).map_err(|error| error.to_string()),
        ["set", spec] => set(steering, &Way::BOTH, spec),
        ["set", "up", spec] => set(steering, &[Way::Up], spec),
        ["set", "down", spec] => set(steering, &[Way::Down], spec),
        _ => Err("there are: counters, set SPEC, set up SPEC, set down SPEC".to_owned()),
    };
    outcome.unwrap_or_else(|why| format!("error: {why}"))
}

fn set(steering: &Steering, ways: &[Way], spec: &str) -> Result<String, String> {
    steering.set(ways, spec).map(|()| "ok".to_owned()).map_err(|error| error.to_string())
}

/// Sends one command to a running path; its answer without the line end.
pub fn ask(path: &Path, command: &str) -> io::Result<String> {
    let mut stream = UnixStream::connect(path)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    writeln!(stream, "{command}")?;
    let mut answer = String::new();
    BufReader::new(stream).read_line(&mut answer)?;
    if answer.is_empty() { Err(ErrorKind::UnexpectedEof.into()) } else { Ok(answer.trim_end().to_owned()) }
}

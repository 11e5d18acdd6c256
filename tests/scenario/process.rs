//! The binary as a process: what it says on standard error is kept line by line, it is ended by its id, and it never
//! outlives the test.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use crate::scenario::patience::until;

/// One run of the binary.
pub(crate) struct Process {
    child: Child,
    said: Arc<Mutex<Vec<String>>>,
    listener: Option<JoinHandle<()>>,
}

impl Process {
    pub(crate) fn start(flags: &[String]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_longhaul"));
        command.args(flags).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        command.env_remove("JOURNAL_STREAM").env_remove("NOTIFY_SOCKET");
        let mut child = command.spawn().unwrap();
        let said = Arc::new(Mutex::new(Vec::new()));
        let (lines, kept) = (BufReader::new(child.stderr.take().unwrap()).lines(), said.clone());
        let listener = thread::spawn(move || {
            lines.map_while(Result::ok).for_each(|line| kept.lock().unwrap().push(line));
        });
        Self { child, said, listener: Some(listener) }
    }

    /// The first line with `part` in it.
    pub(crate) fn line(&mut self, part: &str) -> String {
        until(&format!("a line with {part:?}"), || {
            let found = self.find(part);
            let ended = found.is_none() && self.child.try_wait().unwrap().is_some();
            assert!(!ended, "ended without {part:?}:\n{}", self.everything());
            found
        })
    }

    fn find(&self, part: &str) -> Option<String> {
        self.said.lock().unwrap().iter().find(|line| line.contains(part)).cloned()
    }

    /// All that it has said.
    pub(crate) fn everything(&self) -> String {
        self.said.lock().unwrap().join("\n")
    }

    /// Sends a signal by name, such as `TERM`.
    pub(crate) fn signal(&self, name: &str) {
        let command = format!("kill -{name} {}", self.child.id());
        assert!(Command::new("sh").args(["-c", &command]).status().unwrap().success(), "{command}");
    }

    /// Waits until it ends by itself; its status and all that it said.
    pub(crate) fn ended(&mut self) -> (ExitStatus, String) {
        let status = until("the end of the process", || self.child.try_wait().unwrap());
        self.listener.take().into_iter().for_each(|listener| listener.join().unwrap());
        (status, self.everything())
    }

    /// Its number.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            let said = self.everything();
            let told: Vec<&str> = said.lines().filter(|line| !line.contains(" info ")).collect();
            eprintln!("--- a process said:\n{}", told.join("\n"));
        }
    }
}

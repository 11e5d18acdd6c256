//! Headless Chromium, spoken to by WebDriver (W3C) through chromedriver: one session, ended with its process when dropped.

use crate::process::{Folder, ask, connect, until};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// A browser that runs.
pub(crate) struct Browser {
    driver: Child,
    address: SocketAddr,
    session: String,
    /// Its profile.
    _folder: Folder,
}

/// A browser starts within this on a busy machine.
const STARTS_WITHIN: Duration = Duration::from_secs(60);

/// What every start of it has: no window, no updates, nothing but what it is told to open.
const FLAGS: [&str; 9] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
];

impl Browser {
    /// Starts it; `None`, with the reason printed, where it is not installed.
    pub(crate) fn start() -> Option<Self> {
        let mut command = Command::new("chromedriver");
        command.args(["--port=0"]).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut driver = match command.spawn() {
            Ok(driver) => driver,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                skip("chromedriver is not installed (packages chromium and chromium-driver)");
                return None;
            }
            Err(error) => panic!("chromedriver: {error}"),
        };
        let mut lines = BufReader::new(driver.stdout.take().unwrap()).lines().map_while(Result::ok);
        let port = lines.find_map(|line| {
            let (_, port) = line.split_once("started successfully on port ")?;
            port.trim_end_matches('.').parse::<u16>().ok()
        });
        // Whoever writes into a pipe that nobody reads waits one day.
        std::thread::spawn(move || lines.count());
        let mut browser = Self {
            driver,
            address: ([127, 0, 0, 1], port.expect("chromedriver says its port")).into(),
            session: String::new(),
            _folder: Folder::new(),
        };
        let profile = format!("--user-data-dir={}", browser._folder.path("profile"));
        let flags: Vec<&str> = FLAGS.iter().copied().chain([profile.as_str()]).collect();
        let wanted = json!({ "capabilities": { "alwaysMatch": {
            "browserName": "chrome",
            "goog:chromeOptions": { "args": flags },
            "goog:loggingPrefs": { "browser": "ALL" },
        } } });
        let made = browser.ask("POST", "/session", &wanted);
        browser.session = made["sessionId"].as_str().unwrap_or_else(|| panic!("{made}")).to_owned();
        Some(browser)
    }

    /// One command; its value.
    fn ask(&self, method: &str, path: &str, body: &Value) -> Value {
        let body = if method == "GET" || method == "DELETE" { String::new() } else { body.to_string() };
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
             \r\n{body}",
            self.address,
            body.len()
        );
        let mut stream = connect(self.address);
        stream.set_read_timeout(Some(STARTS_WITHIN)).unwrap();
        // The driver leaves its connections open.
        let answer = ask(&mut stream, request.as_bytes());
        let value: Value =
            serde_json::from_str(&answer.body()).unwrap_or_else(|_| panic!("{}", answer.text()));
        assert!(value["value"]["error"].is_null(), "{method} {path}: {value}");
        value["value"].clone()
    }

    fn command(&self, method: &str, path: &str, body: &Value) -> Value {
        self.ask(method, &format!("/session/{}{path}", self.session), body)
    }

    /// Opens a page and waits until it is there.
    pub(crate) fn open(&self, url: &str) {
        self.command("POST", "/url", &json!({ "url": url }));
    }

    /// The value of an expression in the page.
    pub(crate) fn value(&self, expression: &str) -> Value {
        let script = format!("return {expression}");
        self.command("POST", "/execute/sync", &json!({ "script": script, "args": [] }))
    }

    /// A command of the browser's own protocol.
    fn own(&self, command: &str, parameters: &Value) -> Value {
        self.command("POST", "/goog/cdp/execute", &json!({ "cmd": command, "params": parameters }))
    }

    /// Gives its window a size, in CSS pixels.
    pub(crate) fn resize(&self, width: u32, height: u32) {
        let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600 });
        self.own("Emulation.setDeviceMetricsOverride", &size);
        until("it has its width", || (self.value("window.innerWidth") == width).then_some(()));
    }

    /// By day or by night.
    pub(crate) fn scheme(&self, scheme: &str) {
        let features = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        self.own("Emulation.setEmulatedMedia", &features);
    }

    /// The page's own scripts do not run, if there are any.
    pub(crate) fn without_scripts(&self) {
        self.own("Emulation.setScriptExecutionDisabled", &json!({ "value": true }));
    }

    /// What the console has said since it was asked last.
    pub(crate) fn console(&self) -> Vec<Value> {
        self.command("POST", "/se/log", &json!({ "type": "browser" })).as_array().unwrap().clone()
    }

    /// What the whole page looks like, as PNG in base64.
    pub(crate) fn screenshot(&self) -> String {
        let shot = self.own("Page.captureScreenshot", &json!({ "captureBeyondViewport": true }));
        shot["data"].as_str().unwrap().to_owned()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The driver ends the browser with the session; what it answers changes nothing.
        if !self.session.is_empty()
            && let Ok(mut stream) = TcpStream::connect(self.address)
        {
            let request =
                format!("DELETE /session/{} HTTP/1.1\r\nHost: {}\r\n\r\n", self.session, self.address);
            let _set = stream.set_read_timeout(Some(STARTS_WITHIN));
            let _ended = stream.write_all(request.as_bytes()).and_then(|()| stream.read(&mut [0; 512]));
        }
        let _killed = self.driver.kill();
        let _ended = self.driver.wait();
    }
}

fn skip(why: &str) {
    let required = std::env::var_os("LONGHAUL_REQUIRE_ALL").is_some_and(|value| value == "1");
    assert!(!required, "{why}");
    let _ = writeln!(std::io::stderr(), "SKIPPED: {why}");
}

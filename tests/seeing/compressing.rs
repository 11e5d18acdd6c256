//! Compression as operators meet it: a rule forbids it, another asks for it where nobody else would, and the log says what it
//! saved.

use crate::log::line_of;
use crate::process::{Folder, Pair, ask, connect, each_driver};
use crate::{get, origin};
use std::fs;

const RULES: &str = "
[[rule]]
name = 'as-it-is'
query = 'plain'
compress = false
class = 2
";

#[test]
fn the_log_says_what_was_saved_and_a_rule_forbids_it() {
    each_driver(|io| {
        let (origin, folder) = (origin(), Folder::new());
        let (file, log) = (folder.path("rules.toml"), folder.path("access.log"));
        fs::write(&file, RULES).unwrap();
        let front = ["--compress", "zstd", "--rules", &file, "--access-log", &log];
        let pair = Pair::start_with(io, origin.address(), &front, &["--compress", "zstd"]);
        pair.front.wait_metric("longhaul_tunnel_up{worker=\"0\",to=\"east\"}", 1.0);
        let mut client = connect(pair.front.address());
        assert_eq!(ask(&mut client, &get("/bytes/40k?text")).status, 200);
        let line = line_of(&log, "/bytes/40k?text");
        let saved = line["saved_bytes"].as_u64().unwrap_or(0);
        assert!((20 << 10..40 << 10).contains(&saved), "{line}");
        assert_eq!(ask(&mut client, &get("/bytes/40k?text&plain")).status, 200);
        let line = line_of(&log, "/bytes/40k?text&plain");
        assert!(line.get("saved_bytes").is_none(), "{line}");
        assert_eq!(line["decision"]["compress"], false, "{line}");
    });
}

//! What `/load` and `--load-index` are about: how busy the origin is or says it is, told as JSON and settable by query.
//!
//! ```text
//! /load                       {"load_index":0.120,"in_flight":12,"busy":false,"requests":4711}
//! /load?index=0.7 | auto      sets the index          /load?busy=on | off   answers everything else with 503
//! ```

use crate::origin::shared::Shared;
use crate::route::parameter_text;
use std::io::Write;

/// Does what the query of `target` says, and tells the state.
pub(crate) fn load(target: &str, shared: &Shared, out: &mut Vec<u8>) {
    let query = target.split_once('?').map_or("", |(_, query)| query);
    match parameter_text(query, "busy") {
        Some("on") => shared.set_busy(true),
        Some("off") => shared.set_busy(false),
        Some(_) | None => {}
    }
    match parameter_text(query, "index").map(|text| (text, text.parse::<f64>())) {
        Some(("auto", _)) => shared.set_index(None),
        Some((_, Ok(index))) if (0.0..=1.0).contains(&index) => shared.set_index(Some(index)),
        Some(_) | None => {}
    }
    out.clear();
    let written = writeln!(
        out,
        "{{\"load_index\":{:.3},\"in_flight\":{},\"busy\":{},\"requests\":{}}}",
        shared.load_index(),
        shared.in_flight(),
        shared.is_busy(),
        shared.requests()
    );
    assert!(written.is_ok(), "memory can be written");
}

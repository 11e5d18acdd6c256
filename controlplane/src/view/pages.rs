//! The pages of the admin server: which path shows what of the source.

use crate::view::metrics::MetricsText;
use crate::view::response::{Response, Status};
use crate::view::source::{Health, Source};

const INDEX: &str = "<!doctype html><html lang=\"en\"><title>Longhaul</title><h1>Longhaul</h1><ul>\
    <li><a href=\"/metrics\">/metrics</a> counters and latencies, OpenMetrics\
    <li><a href=\"/status\">/status</a> the state of everything, JSON\
    <li><a href=\"/healthz\">/healthz</a> 200 while new traffic is welcome</ul></html>\n";

/// Makes the page at `path`.
pub(crate) fn page(path: &str, source: &mut dyn Source) -> Response {
    match path {
        "/" => {
            Response { status: Status::Ok, content_type: "text/html; charset=utf-8", body: INDEX.to_owned() }
        }
        "/metrics" => metrics(source),
        "/status" => status(source),
        "/healthz" => health(source),
        _ => Response::bare(Status::NotFound),
    }
}

fn metrics(source: &mut dyn Source) -> Response {
    let mut text = MetricsText::new();
    source.metrics(&mut text);
    Response { status: Status::Ok, content_type: MetricsText::CONTENT_TYPE, body: text.finish() }
}

fn status(source: &mut dyn Source) -> Response {
    let body = format!("{}\n", source.status());
    Response { status: Status::Ok, content_type: "application/json", body }
}

fn health(source: &mut dyn Source) -> Response {
    match source.health() {
        Health::Ok => Response::text(Status::Ok, "ok\n"),
        Health::Draining => Response::text(Status::Unavailable, "draining\n"),
        Health::Failing(reason) => Response::text(Status::Unavailable, format!("{reason}\n")),
    }
}

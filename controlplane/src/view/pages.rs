//! The pages of the admin server: which path shows what of the source.

use crate::view::html;
use crate::view::metrics::MetricsText;
use crate::view::response::{Response, Status};
use crate::view::source::{Health, Source};

/// Makes the page at `path`.
pub(crate) fn page(path: &str, source: &mut dyn Source) -> Response {
    match path {
        "/" => {
            let body = html::text(&source.page(), &source.health());
            Response { status: Status::Ok, content_type: "text/html; charset=utf-8", body }
        }
        "/page.css" => Response {
            status: Status::Ok,
            content_type: "text/css; charset=utf-8",
            body: html::STYLE.to_owned(),
        },
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

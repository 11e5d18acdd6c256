//! What an operator or a scraper may look at: the read-only admin server, the page and the metrics text.

mod admin;
mod check;
mod connection;
mod hosts;
mod html;
mod metrics;
pub mod page;
mod pages;
mod reloads;
mod request;
mod response;
mod source;

pub use admin::Admin;
pub use check::check_openmetrics;
pub use metrics::{CounterFamily, GaugeFamily, HistogramFamily, Labels, MetricsText, SummaryFamily, Unit};
pub use reloads::Reloads;
pub use source::{Health, Source};

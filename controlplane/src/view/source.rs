//! Where the admin server gets what it shows. The process that holds the workers' reports implements it.

use crate::view::metrics::MetricsText;
use crate::view::page::Page;

/// What `/healthz` answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Health {
    /// 200 `ok`: send traffic here.
    Ok,
    /// 503 `draining`: established exchanges go on, send nothing new.
    Draining,
    /// 503 with this reason, one line for a person.
    Failing(String),
}

/// The admin server's only view of the process. Called on the admin thread, once per request for the page; a slow
/// answer delays other admin clients and nobody else.
pub trait Source {
    /// Adds every metric family, each family once.
    fn metrics(&mut self, text: &mut MetricsText);

    /// The whole state as JSON, for people and scripts.
    fn status(&mut self) -> serde_json::Value;

    /// The same for people who look, as facts and tables.
    fn page(&mut self) -> Page;

    /// Whether a load balancer should send traffic here.
    fn health(&mut self) -> Health;
}

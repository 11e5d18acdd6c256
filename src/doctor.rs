//! The door of the doctor: what the data plane needs of this machine, tried one by one.

use crate::exit::Exit;
use crate::show;
use dataplane::reactor::feature::{Grade, probe};

/// Tries everything, prints a table, says by the status whether this machine will do.
pub(crate) fn run() -> Exit {
    let report = probe();
    show::text(&report.to_string());
    let (verdict, exit) = match report.worst() {
        Grade::Ok => ("this machine will do", Exit::Done),
        Grade::Warn => ("this machine will do, with the losses named above", Exit::Done),
        Grade::Fail => ("this machine will not do as it is: see `fail` above", Exit::Unable),
    };
    show::line(&verdict);
    exit
}

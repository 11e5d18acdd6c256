//! The forms that values take on the command line, one per file: how each is read, what is said when it cannot be,
//! and how it is written as a default.

pub(crate) mod address;
pub(crate) mod between;
pub(crate) mod buffers;
pub(crate) mod class;
pub(crate) mod count;
pub(crate) mod cpus;
pub(crate) mod departure;
pub(crate) mod floor;
pub(crate) mod given;
pub(crate) mod ip;
pub(crate) mod key;
pub(crate) mod limits;
pub(crate) mod listen;
pub(crate) mod network;
pub(crate) mod networks;
pub(crate) mod origin;
pub(crate) mod otherwise;
pub(crate) mod peer;
pub(crate) mod percents;
pub(crate) mod report_to;
pub(crate) mod route;
pub(crate) mod seeds;
pub(crate) mod site;
pub(crate) mod site_alias;
pub(crate) mod site_class;
pub(crate) mod size;
pub(crate) mod span;
pub(crate) mod tcp;
pub(crate) mod user;
pub(crate) mod weights;
pub(crate) mod word;
pub(crate) mod zone;

//! The flags, one file per group of the help; each group also says what it becomes in a node's configuration.

pub(crate) mod back;
pub(crate) mod blender;
pub(crate) mod bounds;
pub(crate) mod config;
pub(crate) mod cores;
pub(crate) mod ctl;
pub(crate) mod demo;
pub(crate) mod dns;
pub(crate) mod door;
pub(crate) mod explain;
pub(crate) mod front;
pub(crate) mod key;
pub(crate) mod keys;
pub(crate) mod load;
pub(crate) mod node;
pub(crate) mod origin;
pub(crate) mod plot;
pub(crate) mod process;
pub(crate) mod rule_door;
pub(crate) mod rules;
pub(crate) mod seeing;
pub(crate) mod sim;
pub(crate) mod stopping;
pub(crate) mod timeouts;
pub(crate) mod tunnel;
pub(crate) mod wan;

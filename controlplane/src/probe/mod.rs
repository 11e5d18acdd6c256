//! The prober: is a server up, how fast, how busy, and is its content right?
//!
//! Lowest first: `limits`, `url`, `outcome` · `expect`, `target`, `step`, `content` · the dialogues without I/O, `http`, `ftp`,
//! `dns_question` · `schedule`, `state`, `board` · `tls`, `names`, `talk`, `wire` · `flight`, one probe under way · `prober` ·
//! `manners`, `resolvers`, `resolver_thread`: how far users' resolvers are, for name servers that ask · `tables`, `watch`, the page.

pub mod board;
pub mod content;
pub mod dns_question;
pub mod expect;
pub mod flight;
pub mod ftp;
pub mod http;
pub mod limits;
pub mod manners;
pub mod names;
pub mod outcome;
pub mod prober;
pub mod resolver_thread;
pub mod resolvers;
pub mod schedule;
pub mod state;
pub mod step;
pub mod tables;
pub mod talk;
pub mod target;
pub mod tls;
pub mod url;
pub mod watch;
pub mod wire;

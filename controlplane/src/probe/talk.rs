//! What is said to a target once its socket is ready, whatever the kind: one of the dialogues behind one face.

use crate::probe::dns_question::DnsQuestion;
use crate::probe::ftp::FtpDialogue;
use crate::probe::http::{HttpExchange, request};
use crate::probe::outcome::{Cause, Failure, Seen};
use crate::probe::step::Step;
use crate::probe::target::Target;
use crate::probe::url::{Kind, Url};
use core::net::IpAddr;
use dataplane::stdx::prng::Prng;
use dataplane::tmp::key::{PresharedKey, PrivateKey, PublicKey};
use dataplane::tmp::knock::{Knock, Opened};
use dataplane::tmp::random::SystemRandom;

/// The keys with which back-ends are knocked at.
#[derive(Clone, Debug)]
pub struct KnockKeys {
    /// This machine's own.
    pub own: PrivateKey,
    /// The secret that all pairs share, if they do.
    pub psk: PresharedKey,
}

/// A dialogue.
#[derive(Debug)]
pub enum Talk {
    /// A request and its answer.
    Http(Box<HttpExchange>),
    /// Nothing: the connection is the answer.
    Tcp,
    /// A retrieval.
    Ftp(Box<FtpDialogue>),
    /// A question.
    Dns(DnsQuestion),
    /// An INIT.
    Tmp(Box<Knock>),
}

impl Talk {
    /// Begins to talk to `url`, which is at `peer`, after so many redirects. What is to be sent first goes into `out`.
    pub fn begin(
        target: &Target,
        (url, peer, redirects): (&Url, IpAddr, u8),
        keys: Option<&KnockKeys>,
        random: &mut Prng,
        out: &mut Vec<u8>,
    ) -> Result<Self, Failure> {
        let wrong = |what: String| Failure::new(Cause::Local, what);
        Ok(match url.kind {
            Kind::Http | Kind::Https => {
                // Elsewhere the redirect's own name counts, not that of the target.
                let host = target.host.as_deref().filter(|_| url.host == target.url.host);
                out.extend_from_slice(&request(url, host));
                Self::Http(Box::new(HttpExchange::new(target, redirects)))
            }
            Kind::Tcp => Self::Tcp,
            Kind::Ftp => Self::Ftp(Box::new(FtpDialogue::new(target, peer))),
            Kind::Dns => {
                let question = DnsQuestion::read(&url.path, random.next_u64() as u16).map_err(wrong)?;
                out.extend_from_slice(question.bytes());
                Self::Dns(question)
            }
            Kind::Tmp => {
                let keys =
                    keys.ok_or_else(|| wrong("a tmp target is asked with a key; give --key FILE".into()))?;
                let responder = PublicKey::from_text(url.user.as_deref().unwrap_or_default());
                let responder = responder.map_err(|error| wrong(error.to_string()))?;
                let knock = Knock::new(keys.own.clone(), &responder, &keys.psk, &mut SystemRandom::new());
                out.extend_from_slice(knock.datagram());
                Self::Tmp(Box::new(knock))
            }
        })
    }

    /// Whether a ready socket is already the answer.
    pub const fn is_over_at_once(&self) -> bool {
        matches!(self, Self::Tcp)
    }

    /// Takes what came; what is to be sent goes into `out`.
    pub fn take(&mut self, target: &Target, url: &Url, bytes: &[u8], out: &mut Vec<u8>) -> Step {
        match self {
            Self::Http(exchange) => exchange.take(target, url, bytes),
            Self::Ftp(dialogue) => dialogue.take(target, bytes, out),
            Self::Dns(question) => question.take(target, bytes),
            Self::Tmp(knock) => match knock.take(bytes) {
                None => Step::More,
                Some(opened) => {
                    let said = if opened == Opened::Answered { "answered" } else { "busy, but there" };
                    let seen = Seen { bytes: bytes.len() as u64, said: said.to_owned(), ..Seen::default() };
                    Step::Done(seen, Ok(()))
                }
            },
            Self::Tcp => Step::Done(Seen::default(), Ok(())),
        }
    }

    /// Takes what came over the second connection; empty at its end.
    pub fn take_content(&mut self, target: &Target, bytes: &[u8]) -> Step {
        match self {
            Self::Ftp(dialogue) if bytes.is_empty() => dialogue.content_ended(target),
            Self::Ftp(dialogue) => dialogue.take_content(bytes),
            _ => Step::More,
        }
    }

    /// The peer has closed.
    pub fn end(&mut self, target: &Target) -> Step {
        match self {
            Self::Http(exchange) => exchange.end(target),
            Self::Ftp(dialogue) => dialogue.end(),
            Self::Tcp | Self::Dns(_) | Self::Tmp(_) => {
                Step::Done(Seen::default(), Err(Failure::new(Cause::Closed, "closed")))
            }
        }
    }
}

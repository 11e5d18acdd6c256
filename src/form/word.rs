//! Choices among a few words.

use crate::config::{BlenderMode, CarrierKind, HugePages, Io};
use crate::form::given::{Form, Written};
use crate::problem::Wrong;
use controlplane::logs::daemon::Level;
use core::marker::PhantomData;
use dataplane::compression::Codec;
use dataplane::tmp::profile::Profile;
use dataplane::tmp::spread::Spread;
use tools::drive::IoChoice;
use tools::load::Arrivals;

/// What has a word for each of its values.
pub(crate) trait Words: Copy + PartialEq + Send + Sync + 'static {
    /// All of them.
    const WORDS: &[(&str, Self)];
}

/// One of the words of `W`.
pub(crate) struct Word<W>(PhantomData<W>);

impl<W: Words> Form for Word<W> {
    type Value = W;

    fn read(text: &str) -> Result<W, Wrong> {
        let found = W::WORDS.iter().find(|(word, _)| *word == text);
        found.map(|(_, value)| *value).ok_or_else(|| {
            let words: Vec<&str> = W::WORDS.iter().map(|(word, _)| *word).collect();
            Wrong::new("is not among the choices", format!("give one of {}", words.join(", ")))
        })
    }
}

impl<W: Words> Written for Word<W> {
    fn write(value: &W) -> String {
        let found = W::WORDS.iter().find(|(_, known)| known == value);
        let Some((word, _)) = found else { panic!("every value has a word") };
        (*word).to_owned()
    }
}

impl Words for bool {
    const WORDS: &[(&str, Self)] = &[("on", true), ("off", false)];
}

impl Words for Option<Codec> {
    const WORDS: &[(&str, Self)] = &[("off", None), ("lz4", Some(Codec::Lz4)), ("zstd", Some(Codec::Zstd))];
}

impl Words for Io {
    const WORDS: &[(&str, Self)] = &[("auto", Self::Auto), ("uring", Self::Uring), ("epoll", Self::Epoll)];
}

impl Words for IoChoice {
    const WORDS: &[(&str, Self)] = &[("auto", Self::Auto), ("uring", Self::Uring), ("epoll", Self::Epoll)];
}

impl Words for Arrivals {
    const WORDS: &[(&str, Self)] = &[("constant", Self::Constant), ("poisson", Self::Poisson)];
}

impl Words for HugePages {
    const WORDS: &[(&str, Self)] = &[("off", Self::Off), ("try", Self::Try)];
}

impl Words for BlenderMode {
    const WORDS: &[(&str, Self)] = &[("bounded", Self::Bounded), ("literal", Self::Literal)];
}

impl Words for Profile {
    const WORDS: &[(&str, Self)] =
        &[("balanced", Self::Balanced), ("throughput", Self::Throughput), ("literal", Self::Literal)];
}

impl Words for Spread {
    const WORDS: &[(&str, Self)] = &[
        ("failover", Self::Failover),
        ("best", Self::Best),
        ("bond", Self::Bond),
        ("duplicate", Self::Duplicate),
    ];
}

impl Words for CarrierKind {
    const WORDS: &[(&str, Self)] = &[("auto", Self::Auto), ("udp", Self::Udp)];
}

impl Words for Level {
    const WORDS: &[(&str, Self)] = &[
        ("error", Self::Error),
        ("warning", Self::Warning),
        ("notice", Self::Notice),
        ("info", Self::Info),
        ("debug", Self::Debug),
    ];
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_and_written_the_same() {
        for (word, io) in Io::WORDS {
            assert!(Word::<Io>::read(word) == Ok(*io) && Word::<Io>::write(io) == *word);
        }
        let wrong = Word::<bool>::read("yes").unwrap_err();
        assert_eq!(wrong.to_string(), "is not among the choices; give one of on, off");
    }
}

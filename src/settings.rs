//! What can be set while a process runs: the values in force, and who set them. Written by the main thread, read by the
//! page.

use crate::args::blender;
use crate::args::tunnel;
use crate::config::NodeConfig;
use crate::form::count::Count;
use crate::form::given::{Form, Written};
use crate::form::percents::Percents;
use crate::form::size::Size;
use crate::form::weights::Weights;
use crate::form::word::{Word, Words};
use crate::problem::Wrong;
use controlplane::dns::policy::explain::moment;
use controlplane::logs::daemon::{self, Level};
use dataplane::compression::Codec;
use dataplane::reactor::clock;
use dataplane::role::settings::Settings;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Setting {
    Weights,
    SubPacket,
    PacketBytes,
    Compress,
    ShedAt,
    LogLevel,
}

impl Words for Setting {
    const WORDS: &[(&str, Self)] = &[
        ("weights", Self::Weights),
        ("sub-packet", Self::SubPacket),
        ("packet-bytes", Self::PacketBytes),
        ("compress", Self::Compress),
        ("shed-at", Self::ShedAt),
        ("log-level", Self::LogLevel),
    ];
}

/// A node's own.
#[derive(Clone, Copy, Debug)]
struct OfNode {
    settings: Settings,
    /// The largest datagram that `--mtu` lets fit.
    datagram_bytes_largest: u16,
}

#[derive(Debug)]
struct Values {
    of_node: Option<OfNode>,
    log_level: Level,
    /// Who changed what, and when (Unix seconds).
    changes: BTreeMap<Setting, (u32, u64)>,
}

/// All of them.
#[derive(Debug)]
pub(crate) struct Board(Mutex<Values>);

/// What was changed.
#[derive(Debug)]
pub(crate) struct Changed {
    /// The setting's name.
    pub(crate) name: String,
    /// Before and now, as the flag takes it.
    pub(crate) from: String,
    pub(crate) to: String,
    /// The values of a node, to be published.
    pub(crate) settings: Option<Settings>,
}

impl Board {
    /// A name server's.
    pub(crate) fn of_log_level(log_level: Level) -> Self {
        Self(Mutex::new(Values { of_node: None, log_level, changes: BTreeMap::new() }))
    }

    /// A node's, as it starts.
    pub(crate) fn of_node(config: &NodeConfig) -> Self {
        let settings = settings_of(config);
        let of_node = Some(OfNode { settings, datagram_bytes_largest: config.tunnel.datagram_bytes_largest });
        Self(Mutex::new(Values { of_node, log_level: config.seeing.log_level, changes: BTreeMap::new() }))
    }

    /// Sets one; a refused value changes nothing.
    pub(crate) fn set(&self, name: &str, text: &str, uid: u32) -> Result<Changed, Wrong> {
        let mut values = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let setting = Word::<Setting>::read(name)?;
        let from = values.write(setting).ok_or_else(|| {
            Wrong::new("is nothing that this process has", "give log-level, or ask a front-end or back-end")
        })?;
        values.read(setting, text)?;
        values.changes.insert(setting, (uid, clock::unix_us() / 1_000_000));
        let to = values.write(setting).unwrap_or_default();
        let settings = values.of_node.map(|of_node| of_node.settings);
        Ok(Changed { name: name.to_owned(), from, to, settings })
    }

    /// Takes over what the files say otherwise than before; what they say as before stays as it was set. The error names
    /// what cannot be, and nothing has changed.
    pub(crate) fn follow(&self, before: &NodeConfig, now: &NodeConfig) -> Result<Option<Settings>, Wrong> {
        let mut values = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(of_node) = values.of_node else { return Ok(None) };
        let (old, new) = (settings_of(before), settings_of(now));
        tunnel::check_packet(new.datagram_bytes_max.into(), of_node.datagram_bytes_largest)?;
        let mut settings = of_node.settings;
        let mut changed = Vec::new();
        let mut take = |setting, differs: bool| {
            if differs {
                changed.push(setting);
            }
            differs
        };
        if take(Setting::Weights, old.weights != new.weights) {
            settings.weights = new.weights;
        }
        if take(Setting::SubPacket, old.sub_packet_bytes != new.sub_packet_bytes) {
            settings.sub_packet_bytes = new.sub_packet_bytes;
        }
        if take(Setting::PacketBytes, old.datagram_bytes_max != new.datagram_bytes_max) {
            settings.datagram_bytes_max = new.datagram_bytes_max;
        }
        if take(Setting::Compress, old.codec != new.codec) {
            settings.codec = new.codec;
        }
        if take(Setting::ShedAt, old.shed_at_percent != new.shed_at_percent) {
            settings.shed_at_percent = new.shed_at_percent;
        }
        if take(Setting::LogLevel, before.seeing.log_level != now.seeing.log_level) {
            values.log_level = now.seeing.log_level;
            daemon::set_level_max(values.log_level);
        }
        changed.iter().for_each(|setting| {
            values.changes.remove(setting);
        });
        values.of_node = Some(OfNode { settings, ..of_node });
        Ok((!changed.is_empty()).then_some(settings))
    }

    /// `name = value  # who`, each.
    pub(crate) fn lines(&self) -> Vec<String> {
        let values = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let line = |(name, setting): &(&str, Setting)| {
            let value = values.write(*setting)?;
            let by = values.changes.get(setting).map_or_else(
                || "as started".to_owned(),
                |(uid, at_s)| {
                    let at = moment(*at_s).map(|at| at.to_string()).unwrap_or_default();
                    format!("set by uid {uid} at {at}")
                },
            );
            Some(format!("{name} = {value}  # {by}"))
        };
        Setting::WORDS.iter().filter_map(line).collect()
    }

    /// For `/status`.
    pub(crate) fn status(&self) -> Value {
        let values = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let one = |(name, setting): &(&str, Setting)| {
            let value = values.write(*setting)?;
            let change = values.changes.get(setting);
            let by = json!({
                "value": value, "set_by_uid": change.map(|(uid, _)| uid), "set_at_s": change.map(|(_, at_s)| at_s),
            });
            Some(((*name).to_owned(), by))
        };
        Value::Object(Setting::WORDS.iter().filter_map(one).collect::<Map<_, _>>())
    }
}

fn settings_of(config: &NodeConfig) -> Settings {
    Settings {
        weights: config.blender.weights,
        sub_packet_bytes: config.blender.sub_packet_bytes,
        datagram_bytes_max: config.tunnel.datagram_bytes_max,
        shed_at_percent: config.limits.shed_at_percent,
        codec: config.tunnel.codec,
    }
}

impl Values {
    fn read(&mut self, setting: Setting, text: &str) -> Result<(), Wrong> {
        if setting == Setting::LogLevel {
            self.log_level = Word::<Level>::read(text)?;
            daemon::set_level_max(self.log_level);
        }
        let Some(of_node) = &mut self.of_node else { return Ok(()) };
        let settings = &mut of_node.settings;
        match setting {
            Setting::Weights => settings.weights = Weights::read(text)?,
            Setting::SubPacket => {
                settings.sub_packet_bytes = blender::check_sub_packet(Size::<u32>::read(text)?)?;
            }
            Setting::PacketBytes => {
                let bytes = Count::<u32>::read(text)?;
                settings.datagram_bytes_max = tunnel::check_packet(bytes, of_node.datagram_bytes_largest)?;
            }
            Setting::Compress => settings.codec = Word::<Option<Codec>>::read(text)?,
            Setting::ShedAt => settings.shed_at_percent = Percents::read(text)?,
            Setting::LogLevel => {}
        }
        Ok(())
    }

    /// As the flag takes it; `None` if this process has no such value.
    fn write(&self, setting: Setting) -> Option<String> {
        let settings = self.of_node.map(|of_node| of_node.settings);
        Some(match setting {
            Setting::Weights => Weights::write(&settings?.weights),
            Setting::SubPacket => Size::<u32>::write(&settings?.sub_packet_bytes),
            Setting::PacketBytes => settings?.datagram_bytes_max.to_string(),
            Setting::Compress => Word::<Option<Codec>>::write(&settings?.codec),
            Setting::ShedAt => Percents::write(&settings?.shed_at_percent),
            Setting::LogLevel => Word::<Level>::write(&self.log_level),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::front::FrontArgs;
    use crate::front;

    fn board() -> Board {
        let flags = ["--listen", "127.0.0.1:0", "--site", "*=http://h", "--cpus", "0"];
        Board::of_node(&front::configure(&FrontArgs::from_flags(flags).unwrap()).unwrap())
    }

    #[test]
    fn values_change_and_it_is_known_who_did_it() {
        let board = board();
        let changed = board.set("weights", "9,8,4,2,1", 7).unwrap();
        assert_eq!((changed.from.as_str(), changed.to.as_str()), ("16,8,4,2,1", "9,8,4,2,1"));
        assert_eq!(changed.settings.unwrap().weights, [9, 8, 4, 2, 1]);
        let lines = board.lines();
        assert!(lines[0].starts_with("weights = 9,8,4,2,1  # set by uid 7 at 20"), "{lines:?}");
        assert_eq!(lines[1], "sub-packet = 512  # as started");
        assert_eq!(board.status()["weights"]["set_by_uid"], 7);
        let values = [
            ("sub-packet", "1k"),
            ("packet-bytes", "1300"),
            ("shed-at", "100,90,80,70,60"),
            ("compress", "zstd"),
        ];
        for (name, value) in values {
            assert!(board.set(name, value, 0).is_ok(), "{name}");
        }
    }

    #[test]
    fn a_refused_value_changes_nothing() {
        let board = board();
        let before = board.lines();
        for (name, value, why) in [
            ("weight", "1,1,1,1,1", "give one of weights, sub-packet"),
            ("weights", "1,1", "write five numbers"),
            ("sub-packet", "100", "give 128 to 65535"),
            ("packet-bytes", "1500", "give 1200 to 1452"),
            ("packet-bytes", "9", "give 1200 to 1452"),
            ("shed-at", "1,2,3,4,5", "above the one before it"),
            ("log-level", "loud", "give one of error"),
            ("compress", "gzip", "give one of off, lz4, zstd"),
        ] {
            let wrong = board.set(name, value, 0).unwrap_err().to_string();
            assert!(wrong.contains(why), "{name} {value}: {wrong}");
        }
        assert_eq!(board.lines(), before);
        let dns = Board::of_log_level(Level::Info);
        assert!(dns.set("weights", "1,1,1,1,1", 0).is_err() && dns.lines().len() == 1);
    }
}

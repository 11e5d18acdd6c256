//! The door of the WAN emulator.

use crate::args::wan::{TopoDoor, WanArgs, WanDoor};
use crate::exit::Exit;
use crate::problem::{Problems, Wrong};
use crate::show;
use controlplane::signal::{Signal, Signals};
use core::net::SocketAddr;
use core::time::Duration;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Instant;
use tools::wan::control::{Control, ask};
use tools::wan::topology::{self, TopologyError, TopologyOptions};
use tools::wan::{PathRules, Running, SpecError, TunEnds, UdpEnds, WanError, WanOptions, spawn};

/// How often a path that runs is looked after.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// What the flags say.
#[derive(Clone, Debug)]
pub(crate) struct WanConfig {
    options: WanOptions,
    ends: EndsConfig,
    control: Option<PathBuf>,
    duration: Option<Duration>,
}

#[derive(Clone, Debug)]
enum EndsConfig {
    Udp { listen: SocketAddr, target: SocketAddr },
    Tun(String),
}

/// Reads and checks the flags of a path.
pub(crate) fn configure(args: &WanArgs) -> Result<WanConfig, Problems> {
    let mut problems = Problems::default();
    let rules = rules(args, &mut problems);
    let seed = args.seed.take_or("seed", &mut problems, 0);
    let duration = args.duration.take_or("duration", &mut problems, Duration::ZERO);
    let udp = args.udp.take_or("udp", &mut problems, None);
    let ends = match (udp, &args.tun) {
        (Some((listen, target)), _) => EndsConfig::Udp { listen, target },
        (None, name) => EndsConfig::Tun(name.clone().unwrap_or_default()),
    };
    problems.into_result(WanConfig {
        options: WanOptions { rules, seed },
        ends,
        control: args.control.clone(),
        duration: (!duration.is_zero()).then_some(duration),
    })
}

fn rules(args: &WanArgs, problems: &mut Problems) -> PathRules {
    let mut rules = PathRules::default();
    let specs = [
        ("--path", &args.path, tools::wan::read(&args.path, "", "")),
        ("--up", &args.up, tools::wan::read("", &args.up, "")),
        ("--down", &args.down, tools::wan::read("", "", &args.down)),
    ];
    for (flag, _, read) in &specs {
        if let Err(SpecError { part, what, instead }) = read {
            problems.add(format_args!("{flag} {part}"), &Wrong::new(what, instead));
        }
    }
    if let Ok(read) = tools::wan::read(&args.path, &args.up, &args.down) {
        rules = read;
    }
    rules
}

/// Runs a path until it is ended, and prints its counters.
pub(crate) fn run(config: &WanConfig) -> Exit {
    let signals = match Signals::block() {
        Ok(signals) => signals,
        Err(error) => return fail(&format!("cannot listen to signals: {error}")),
    };
    let (running, what) = match start(config) {
        Ok(started) => started,
        Err(error) => return refused(&error),
    };
    let steering = running.steering().clone();
    let control = config.control.as_ref().map(|path| Control::listen(path, steering)).transpose();
    let control = match control {
        Ok(control) => control,
        Err(error) => {
            eprintln!(
                "longhaul wan: --control: cannot listen: {error}; nothing else listens on a path of its own"
            );
            return Exit::Usage;
        }
    };
    eprintln!("longhaul wan: {what}");
    wait(&signals, &running, config.duration);
    drop(control);
    match running.stop() {
        Ok(report) => {
            show::line(&serde_json::to_string(&report).unwrap_or_else(|error| error.to_string()));
            Exit::Done
        }
        Err(error) => refused(&error),
    }
}

fn start(config: &WanConfig) -> Result<(Running, String), WanError> {
    let options = config.options.clone();
    match &config.ends {
        EndsConfig::Udp { listen, target } => {
            let ends = UdpEnds::bind(*listen, *target)?;
            let what = format!("relaying {} to {target}", ends.address());
            Ok((spawn(options, ends)?, what))
        }
        EndsConfig::Tun(name) => {
            let what = format!("joining {name}-a and {name}-b");
            Ok((spawn(options, TunEnds::open(name)?)?, what))
        }
    }
}

fn wait(signals: &Signals, running: &Running, duration: Option<Duration>) {
    let begun = Instant::now();
    while !running.has_ended() && duration.is_none_or(|duration| begun.elapsed() < duration) {
        let left = duration.map_or(LOOK_EVERY, |duration| duration.saturating_sub(begun.elapsed()));
        if matches!(signals.wait(left.min(LOOK_EVERY)), Some(Signal::Terminate)) {
            return;
        }
    }
}

fn refused(error: &WanError) -> Exit {
    eprintln!("longhaul wan: {error}");
    match error {
        WanError::Unable(_) => Exit::Usage,
        WanError::Listen(_, error) if error.kind() == ErrorKind::AddrInUse => Exit::TryAgain,
        WanError::Listen(..) => Exit::Usage,
        WanError::Broken(_) => Exit::Failed,
    }
}

fn fail(why: &str) -> Exit {
    eprintln!("longhaul wan: {why}");
    Exit::Failed
}

/// What is not running a path.
pub(crate) fn enter(door: &WanDoor) -> Exit {
    match door {
        WanDoor::Topo { door } => topo(door),
        WanDoor::Ctl { socket, words } => ctl(socket, &words.join(" ")),
    }
}

fn topo(door: &TopoDoor) -> Exit {
    let done = match door {
        TopoDoor::Up { name, congestion, mtu } => {
            let options = TopologyOptions { congestion: congestion.clone(), mtu_bytes: (*mtu).into() };
            topology::up(name, &options)
        }
        TopoDoor::Down { name } => topology::down(name),
        TopoDoor::Congestion { name, controller } => topology::set_congestion(name, controller),
        TopoDoor::List => {
            topology::list().iter().for_each(|name| show::line(name));
            Ok(())
        }
    };
    done.map_or_else(|error: TopologyError| say(&error.to_string()), |()| Exit::Done)
}

fn say(why: &str) -> Exit {
    eprintln!("longhaul wan: {why}");
    Exit::Usage
}

fn ctl(socket: &Path, command: &str) -> Exit {
    match ask(socket, command) {
        Ok(answer) if answer.starts_with("error: ") => say(&answer),
        Ok(answer) => {
            show::line(&answer);
            Exit::Done
        }
        Err(error) => say(&format!("no path answers on {}: {error}", socket.display())),
    }
}

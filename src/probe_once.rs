//! `longhaul probe once`: each URL probed by hand, the phases as a table.

use crate::args::probe::OnceArgs;
use crate::exit::Exit;
use crate::form::given::take_all;
use crate::key_file;
use crate::problem::{Problems, Wrong};
use crate::show;
use controlplane::dns::policy::explain::moment;
use controlplane::probe::expect::{Expect, LoadFrom, Statuses, digest};
use controlplane::probe::limits::REDIRECTS_MAX;
use controlplane::probe::outcome::{Outcome, Seen, hex};
use controlplane::probe::prober::{Prober, ProberOptions};
use controlplane::probe::talk::KnockKeys;
use controlplane::probe::target::{Pace, Target};
use controlplane::probe::url::Url;
use core::time::Duration;
use dataplane::reactor::clock;
use dataplane::tmp::key::PresharedKey;
use std::path::Path;
use std::sync::Arc;

/// Probes and prints.
pub(crate) fn run(args: &OnceArgs) -> Exit {
    let mut problems = Problems::default();
    let options = options(args, &mut problems);
    let options = match problems.into_result(options) {
        Ok(options) => options,
        Err(problems) => {
            problems.print("probe");
            return Exit::Usage;
        }
    };
    let targets = options.targets.clone();
    let outcomes = Prober::new(options).map_err(|what| (Exit::Usage, what)).and_then(|prober| {
        prober.once().map_err(|error| (Exit::Failed, format!("the poll failed: {error}")))
    });
    match outcomes {
        Ok(outcomes) => {
            show::text(&table(&targets, &outcomes));
            if outcomes.iter().all(Outcome::is_good) { Exit::Done } else { Exit::Failed }
        }
        Err((exit, what)) => {
            eprintln!("longhaul probe: {what}");
            exit
        }
    }
}

fn options(args: &OnceArgs, problems: &mut Problems) -> ProberOptions {
    let like = like(args, problems);
    let mut targets = Vec::new();
    for text in &args.url {
        match Url::read(text) {
            Ok(url) => targets.push(Arc::new(Target { url, name: text.clone(), ..like.clone() })),
            Err(what) => problems.note(format!("{text}: {what}")),
        }
    }
    let servers: Vec<_> =
        take_all(&args.name_server, "name_server", problems).into_iter().map(|(_, at)| at).collect();
    ProberOptions {
        targets,
        keys: keys(args.key.as_deref(), args.psk.as_deref(), problems),
        name_servers: (!servers.is_empty()).then_some(servers),
        flights_max: None,
        seed: clock::unix_us(),
    }
}

/// What all targets have alike.
fn like(args: &OnceArgs, problems: &mut Problems) -> Target {
    fn taken<T: Default>(flag: &str, taken: Result<T, String>, problems: &mut Problems) -> T {
        taken.unwrap_or_else(|what| {
            problems.note(format!("{flag}: {what}"));
            T::default()
        })
    }
    let redirects = args.redirects.take_or("redirects", problems, 0);
    problems.require(
        redirects <= REDIRECTS_MAX,
        format_args!("--redirects {redirects}"),
        "are too many",
        format!("give 0 to {REDIRECTS_MAX}"),
    );
    let expect = Expect {
        statuses: taken("--status", Statuses::read(&args.status), problems),
        body: args.body.clone(),
        digest: taken("--sha256", args.sha256.as_deref().map(digest).transpose(), problems),
    };
    let nowhere = Url {
        kind: controlplane::probe::url::Kind::Tcp,
        user: None,
        host: String::new(),
        port: 0,
        path: String::new(),
    };
    let timeout = args.timeout.take_or("timeout", problems, Duration::from_secs(1));
    Target {
        host: args.host.clone(),
        pace: Pace { timeout, ..Pace::default() },
        expect,
        load: taken("--load", LoadFrom::read(&args.load), problems),
        redirects,
        is_verified: !args.insecure,
        authorities: args.ca.clone(),
        is_digested: true,
        ..Target::of("", nowhere)
    }
}

/// The keys for back-ends, if there are any.
pub(crate) fn keys(key: Option<&Path>, psk: Option<&Path>, problems: &mut Problems) -> Option<KnockKeys> {
    let mut read = |flag: &str, wrong: &Wrong| problems.add(flag, wrong);
    let own = key.and_then(|file| key_file::private(file).map_err(|wrong| read("--key", &wrong)).ok());
    let psk = psk.map(|file| key_file::preshared(file).map_err(|wrong| read("--psk", &wrong)).ok());
    let psk = psk.unwrap_or_else(|| Some(PresharedKey::none()))?;
    own.map(|own| KnockKeys { own, psk })
}

/// One row per target, then a line for everything that a row has no room for.
fn table(targets: &[Arc<Target>], outcomes: &[Outcome]) -> String {
    let width = targets.iter().map(|target| target.url.to_string().len()).max().unwrap_or(0).max(6);
    let mut text = format!(
        "{:width$}  {:6}  {:>8}  {:>8}  {:>8}  {:>10}  {:>8}  {:>6}  {:>9}\n",
        "target", "result", "name", "connect", "tls", "first byte", "total", "status", "bytes"
    );
    for (target, outcome) in targets.iter().zip(outcomes) {
        let Outcome { phases, seen, .. } = outcome;
        let status = seen.status.map_or_else(|| "-".to_owned(), |status| status.to_string());
        text += &format!(
            "{:width$}  {:6}  {:>8}  {:>8}  {:>8}  {:>10}  {:>8}  {status:>6}  {:>9}\n",
            target.url.to_string(),
            if outcome.is_good() { "good" } else { "bad" },
            ms(phases.name_us),
            ms(phases.connect_us),
            ms(phases.tls_us),
            ms(phases.first_byte_us),
            ms(phases.total_us),
            seen.bytes,
        );
        for line in details(outcome) {
            text += &format!("{:width$}    {line}\n", "");
        }
    }
    text
}

fn ms(us: u32) -> String {
    if us == 0 { "-".to_owned() } else { format!("{}.{:02} ms", us / 1_000, us % 1_000 / 10) }
}

fn details(outcome: &Outcome) -> Vec<String> {
    let Seen { digest, load, modified_s, etag, certificate_until_s, redirects, said, .. } = &outcome.seen;
    let failure = outcome.failure.as_ref().map(|failure| format!("{}: {failure}", failure.cause.name()));
    let certificate = certificate_until_s.map(|until_s| {
        let days = (until_s as i64 - (clock::unix_us() / 1_000_000) as i64) / 86_400;
        let moment = moment(until_s).map_or_else(String::new, |moment| moment.to_string());
        format!("certificate until {moment}, {days} days")
    });
    let modified = modified_s.and_then(moment).map(|moment| format!("modified {moment}"));
    [
        failure,
        certificate,
        (*redirects > 0).then(|| format!("{redirects} redirects")),
        load.map(|load| format!("load {load:.3}")),
        digest.map(|digest| format!("sha256 {}", hex(&digest))),
        modified,
        etag.as_ref().map(|etag| format!("etag {}", etag.escape_default())),
        (!said.is_empty()).then(|| said.clone()),
    ]
    .into_iter()
    .flatten()
    .collect()
}

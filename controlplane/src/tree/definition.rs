//! Every leaf of the tree, once: path, form, default, a sentence. The reference page, the JSON Schema, the checks and
//! `config show` all come from here; `*` stands for a name that the operator chooses.

use crate::tree::form::Form;

/// A leaf.
#[derive(Clone, Copy, Debug)]
pub struct Leaf {
    /// Its path, parts separated by spaces (names may contain dots).
    pub path: &'static str,
    /// What it takes.
    pub form: Form,
    /// Its value where none is given, as TOML; `None`: nothing.
    pub default: Option<&'static str>,
    /// What it is for: a sentence.
    pub doc: &'static str,
}

const fn leaf(path: &'static str, form: Form, default: Option<&'static str>, doc: &'static str) -> Leaf {
    Leaf { path, form, default, doc }
}

/// What a node can be.
pub const ROLES: &[&str] = &["front", "back", "dns", "probe", "log", "config"];

/// What `longhaul ctl` can be told; whoever looks may also be somebody else than whoever changes.
pub const COMMANDS: &[&str] =
    &["show", "status", "explain", "set", "reload", "reopen", "drain", "override", "figures"];

/// The tables, with what they are for.
pub const TABLES: &[(&str, &str)] = &[
    ("network", "The network as a whole."),
    (
        "user *",
        "A user of our machines, by name or number, who may give commands to processes that run (`longhaul ctl`). Root and a \
         process's own user may give all of them and need not be named.",
    ),
    ("node *", "A machine of ours. Its name is what `--node` takes."),
    ("node * front", "How this machine serves users, if it does."),
    ("node * back", "How this machine serves front-ends, if it does."),
    (
        "node * flags",
        "Any other flag of `longhaul front` or `back`, by its name without dashes: `mem-limit = \"4g\"`.",
    ),
    ("node * dns", "How this machine serves DNS, if it does."),
    ("node * probe", "How this machine probes, if it does."),
    ("reports", "What nodes tell the name servers of what they see."),
    (
        "resolvers",
        "Probes of users' resolvers, for those of whom no front-end sees how far they are (`docs/probe.md`). Nobody is probed unless `probe = \"on\"`.",
    ),
    ("server *", "A machine of the customer's that clients can be sent to as they are to our front-ends."),
    ("zone *", "A zone that our name servers answer for; its name is the zone's."),
    ("policy *", "How one of several servers is chosen for a client."),
    ("policy * score", "What each part of a score counts under `best`, in milliseconds."),
    ("policy * geo", "Under `geo`: for a country (`DE`), a continent (`EU`) or `*`, the members in order."),
    ("site *", "A site: what users ask for by its name."),
    ("site * dns", "How clients find the site."),
    (
        "site * redirect",
        "How clients that a front-end of the site gets, and another serves better, are sent there (`docs/probe.md`).",
    ),
    ("site * dns names", "Further names of the site, each with its policy."),
    ("override *", "An order about a node or server that counts more than what was measured."),
    ("dns", "What all our name servers do alike."),
    (
        "probe *",
        "Something that nodes with the role `probe` look at; `docs/probe.md` says what each kind does.",
    ),
];

/// The leaves.
pub const LEAVES: &[Leaf] = &[
    leaf(
        "network name",
        Form::Domain,
        None,
        "Domain below which the machines find each other: `NODE.NAME`, and `ROLE.NAME` for all of a role. A zone must hold it.",
    ),
    leaf(
        "network psk",
        Form::File,
        None,
        "The file with the secret that all pairs share beside their keys (`longhaul key psk`).",
    ),
    leaf(
        "network rules",
        Form::File,
        None,
        "The file with the rules that give requests and answers their class.",
    ),
    leaf(
        "user * may",
        Form::Words(COMMANDS),
        Some("[]"),
        "The commands that it may give, by their names in `longhaul ctl --help`.",
    ),
    leaf(
        "node * pop",
        Form::Text,
        None,
        "Where it stands: what fails together with it. Its own name if not given.",
    ),
    leaf("node * roles", Form::Words(ROLES), Some("[]"), "What it does."),
    leaf("node * addresses", Form::Addresses, Some("[]"), "Its public addresses."),
    leaf(
        "node * prefix",
        Form::Prefix64,
        None,
        "A network that all leads to it: AAAA answers then carry the decision's number in their low half.",
    ),
    leaf(
        "node * weight",
        Form::Number,
        Some("1"),
        "Its share under `weighted`; under `best`, a machine of weight 2 looks half as far away.",
    ),
    leaf(
        "node * slow_start",
        Form::SpanOr(&["off"]),
        Some("\"off\""),
        "How long its weight grows after it came up, from a tenth to all of it (`docs/dns.md`).",
    ),
    leaf("node * cost", Form::Number, Some("0"), "What it costs to use it, in units of yours."),
    leaf(
        "node * key",
        Form::File,
        None,
        "The file with its private key, on the machine itself (`longhaul key new`).",
    ),
    leaf(
        "node * public_key",
        Form::Text,
        None,
        "Its public key (`longhaul key show`), by which its peers know it.",
    ),
    leaf(
        "node * report_key",
        Form::File,
        None,
        "The file with the key that it signs reports with, on the machine itself (`longhaul key report`); where `reports.key` is at hand, that makes it.",
    ),
    leaf(
        "node * front listen",
        Form::Texts,
        Some("[]"),
        "Where it takes users' HTTP: `ADDR:PORT`, with `,proxy` behind it if a PROXY protocol header comes first.",
    ),
    leaf(
        "node * front carrier",
        Form::Word(&["auto", "udp"]),
        Some("\"auto\""),
        "Whether its tunnels go over TCP where no UDP passes, to back-ends that have a `carrier_listen`.",
    ),
    leaf(
        "node * front route_mode",
        Form::Word(&["failover", "best", "bond", "duplicate"]),
        Some("\"failover\""),
        "How it uses the several paths to one back-end (`docs/routes.md`).",
    ),
    leaf(
        "node * front route_limit",
        Form::Text,
        Some("\"off\""),
        "When it leaves a path, or a back-end for the next one of a site: `rtt=150ms,loss=3%,queue=50ms,wait=200ms`, some of them, or `off` (`docs/routes.md`).",
    ),
    leaf(
        "node * front tunnel_from",
        Form::Texts,
        Some("[]"),
        "Where its tunnels' datagrams leave from, each path of a back-end from another in turn: `ADDR:PORT` (port 0: any), \
         or a network device, `%eth1`.",
    ),
    leaf(
        "node * front url",
        Form::Text,
        None,
        "The name that is this machine's own and no other's, for clients that are sent to it: `http://HOST[:PORT]`, where `{site}` stands for the site's name. It must lead here; DNS is yours to say so.",
    ),
    leaf(
        "node * front reports",
        Form::Sockets,
        Some("[\"0.0.0.0:7354\", \"[::]:7354\"]"),
        "Where it takes reports of the other machines, UDP, if it serves a site with `redirect`; others send to `addresses` with these ports.",
    ),
    leaf(
        "node * back listen",
        Form::Sockets,
        Some("[\"0.0.0.0:7000\"]"),
        "Where it takes front-ends' tunnels, UDP.",
    ),
    leaf(
        "node * back reach",
        Form::Sockets,
        Some("[]"),
        "Where front-ends reach it, a path to each; at `addresses`, with the port of the first `listen`, if not given.",
    ),
    leaf(
        "node * back carrier_listen",
        Form::Sockets,
        Some("[]"),
        "Where it takes tunnels over TCP, too, from front-ends whose way lets no UDP through.",
    ),
    leaf(
        "node * back carrier_reach",
        Form::Sockets,
        Some("[]"),
        "Where front-ends reach it over TCP; at the first of `addresses`, with the port of the first `carrier_listen`, if not \
         given.",
    ),
    leaf("node * flags *", Form::Text, None, "The flag's value."),
    leaf(
        "node * dns listen",
        Form::Sockets,
        Some("[\"0.0.0.0:53\", \"[::]:53\"]"),
        "Where it serves DNS, UDP and TCP.",
    ),
    leaf(
        "node * dns reports",
        Form::Sockets,
        Some("[\"0.0.0.0:7353\", \"[::]:7353\"]"),
        "Where it takes reports of probes and front-ends, UDP, if there is `reports.key`; others send to `addresses` with these ports.",
    ),
    leaf("node * dns nsid", Form::Text, None, "What it says who it is; its name if not given."),
    leaf(
        "node * probe requests",
        Form::Sockets,
        Some("[\"0.0.0.0:7355\", \"[::]:7355\"]"),
        "Where its prober takes name servers' requests to probe resolvers, UDP, if `resolvers.probe` is on; they send to the first of `addresses` with this port.",
    ),
    leaf("server * domain", Form::Text, None, "What fails together with it. Its own name if not given."),
    leaf("server * addresses", Form::Addresses, Some("[]"), "Its addresses."),
    leaf("server * prefix", Form::Prefix64, None, "As for a node."),
    leaf("server * weight", Form::Number, Some("1"), "As for a node."),
    leaf("server * slow_start", Form::SpanOr(&["off"]), Some("\"off\""), "As for a node."),
    leaf("server * cost", Form::Number, Some("0"), "As for a node."),
    leaf("zone * file", Form::File, None, "Its zone file (RFC 1035)."),
    leaf(
        "zone * records",
        Form::Records,
        None,
        "Its records here, in the form of a zone file, in place of a file.",
    ),
    leaf(
        "policy * kind",
        Form::Word(&["best", "weighted", "failover", "geo", "static"]),
        Some("\"best\""),
        "How it chooses: by score, by weight, the first that is up, by the client's place, or all of them.",
    ),
    leaf(
        "policy * members",
        Form::Names("node or server"),
        None,
        "Whom it chooses from, in order; all nodes with the role `front` if not given.",
    ),
    leaf(
        "policy * ttl",
        Form::Span,
        Some("\"30s\""),
        "Time to live of its answers: how late a client hears of a change.",
    ),
    leaf(
        "policy * answers",
        Form::Count(1, 16),
        Some("1"),
        "Servers in one answer, spread over what fails together.",
    ),
    leaf(
        "policy * persistence",
        Form::SpanOr(&["off", "forever"]),
        Some("\"forever\""),
        "How long a client's network stays with its server while that is up, without anybody remembering it.",
    ),
    leaf("policy * stale", Form::Span, Some("\"60s\""), "Figures older than this are not known any more."),
    leaf(
        "policy * when_all_down",
        Form::Word(&["all", "servfail", "nothing", "fallback"]),
        Some("\"all\""),
        "What is answered when no member is to be had: all as if they were up, SERVFAIL, no address, or `fallback`.",
    ),
    leaf(
        "policy * fallback",
        Form::Addresses,
        Some("[]"),
        "The addresses of `when_all_down = \"fallback\"`.",
    ),
    leaf(
        "policy * unknown",
        Form::Word(&["after-up", "up", "down"]),
        Some("\"after-up\""),
        "What a member counts as about which nothing is known: as up if none is known to be up, as up, as down.",
    ),
    leaf("policy * score load", Form::Number, Some("100"), "What full load counts, in milliseconds."),
    leaf(
        "policy * score loss",
        Form::Number,
        Some("1000"),
        "What total loss counts, in milliseconds; 1 % counts a hundredth of it.",
    ),
    leaf(
        "policy * score soured",
        Form::Number,
        Some("1000"),
        "What a way to the origins counts that has soured, in milliseconds (`docs/probe.md`).",
    ),
    leaf("policy * score cost", Form::Number, Some("0"), "What a unit of cost counts, in milliseconds."),
    leaf(
        "policy * score unknown",
        Form::Number,
        Some("150"),
        "What stands for a latency that nobody knows, in milliseconds.",
    ),
    leaf(
        "policy * score tolerance",
        Form::Number,
        Some("5"),
        "Scores no further than this from the best are as good, in milliseconds.",
    ),
    leaf("policy * geo *", Form::Names("node or server"), None, "The members for this place, in order."),
    leaf(
        "site * back",
        Form::Names("node"),
        Some("[]"),
        "The back-ends that its requests go over, the first that can be reached; without one its front-ends ask the origins \
         themselves.",
    ),
    leaf(
        "site * origins",
        Form::Texts,
        Some("[]"),
        "Where its content is, as the back-end sees it: `http://HOST[:PORT]`, `tcp://HOST:PORT`.",
    ),
    leaf(
        "site * fronts",
        Form::Names("node"),
        Some("[]"),
        "The front-ends that serve it; all nodes with the role `front` if not given.",
    ),
    leaf(
        "site * tcp",
        Form::Texts,
        Some("[]"),
        "Where its front-ends listen for plain TCP that belongs to it: `ADDR:PORT`.",
    ),
    leaf(
        "site * classes",
        Form::Texts,
        Some("[]"),
        "Which class its requests get, as `--class` takes it: `path=/checkout/*:0`, then `default:3`. Asked in order, before \
         the network's rules.",
    ),
    leaf(
        "site * dns policy",
        Form::Name("policy"),
        None,
        "The policy that answers for the site's name. A zone must hold the name.",
    ),
    leaf(
        "site * redirect status",
        Form::Word(&["off", "302", "307"]),
        Some("\"off\""),
        "How: 302 for GET and HEAD, 307 for every method; only requests without a body.",
    ),
    leaf(
        "site * redirect alt_svc",
        Form::Word(&["off", "on"]),
        Some("\"off\""),
        "Whether answers name the better machine in Alt-Svc (RFC 7838), for what comes next.",
    ),
    leaf(
        "site * redirect policy",
        Form::Name("policy"),
        None,
        "Whose scores say what is better, of kind `best`; that of `dns` if not given.",
    ),
    leaf(
        "site * redirect to",
        Form::Names("node"),
        None,
        "Where clients may be sent; all front-ends of the site that are members of the policy and have `front.url` if not given.",
    ),
    leaf(
        "site * redirect better_by",
        Form::Span,
        Some("\"50ms\""),
        "How much better its score must be; half as much keeps those who were sent there. Not less than the policy's `tolerance`.",
    ),
    leaf("site * dns names *", Form::Name("policy"), None, "The policy that answers for this further name."),
    leaf(
        "override * action",
        Form::Word(&["drain", "up", "down"]),
        None,
        "Send nobody new there; take it as up; take it as down.",
    ),
    leaf("override * reason", Form::Text, None, "Why, for the next one who looks."),
    leaf("override * until", Form::Moment, None, "When it ends by itself; never if not given."),
    leaf(
        "dns figures",
        Form::File,
        None,
        "What was measured, as JSON (`docs/dns.md`); read again when it changes.",
    ),
    leaf(
        "dns locations",
        Form::File,
        None,
        "Where clients are: an MMDB file with countries and continents, for `geo`.",
    ),
    leaf(
        "reports key",
        Form::File,
        None,
        "The file with the secret that all keys of reports are made from, on the name servers (`longhaul key report`). Without it nobody reports.",
    ),
    leaf(
        "resolvers probe",
        Form::Word(&["on", "off"]),
        Some("\"off\""),
        "Whether probers measure how far resolvers are that ask for a name of a `best` policy and are of no network that is known.",
    ),
    leaf(
        "resolvers per_second",
        Form::Count(1, 1_000),
        Some("10"),
        "Packets that one prober sends to resolvers in a second at most, and resolvers that one name server asks for.",
    ),
    leaf(
        "resolvers every",
        Form::Span,
        Some("\"1h\""),
        "How long a prober leaves a resolver's network (/24, /56) alone after one packet; a minute at least.",
    ),
    leaf(
        "resolvers opt_out",
        Form::Texts,
        Some("[]"),
        "Networks that are never probed: `192.0.2.0/24`. Add whoever asks to be left alone.",
    ),
    leaf(
        "resolvers private",
        Form::Word(&["on", "off"]),
        Some("\"off\""),
        "Whether resolvers at private addresses and loopback are probed: for a network of one's own.",
    ),
    leaf(
        "resolvers question",
        Form::Domain,
        None,
        "The name whose NS records a resolver is asked for; it says who asks. The first zone if not given.",
    ),
    leaf(
        "probe * url",
        Form::Text,
        None,
        "What is asked of whom: `http://`, `https://`, `tcp://`, `dns://`, `tmp://` or `ftp://`; `{address}` stands for each address of each of the servers.",
    ),
    leaf(
        "probe * servers",
        Form::Names("node or server"),
        Some("[]"),
        "Whose state it shows: a target for each. Without, it is for people only.",
    ),
    leaf(
        "probe * host",
        Form::Text,
        None,
        "The name in the Host field and in the certificate, where it is not the URL's.",
    ),
    leaf(
        "probe * nodes",
        Form::Count(1, 64),
        Some("3"),
        "How many of the nodes with the role `probe` look at each target: the same for all who ask, spread over POPs.",
    ),
    leaf(
        "probe * quorum",
        Form::Count(0, 64),
        Some("0"),
        "How many of them must say up, or down, for that to hold; 0: more than half of those that are heard.",
    ),
    leaf(
        "probe * interval",
        Form::Span,
        Some("\"10s\""),
        "From the start of a probe to the start of the next.",
    ),
    leaf(
        "probe * jitter",
        Form::Number,
        Some("0.1"),
        "What is added to an interval at most, as a share of it, drawn anew each time; 1 at most.",
    ),
    leaf(
        "probe * timeout",
        Form::Span,
        Some("\"3s\""),
        "How long a probe may take, names and redirects and all.",
    ),
    leaf("probe * rise", Form::Count(1, 100), Some("2"), "Good probes in a row until what was down is up."),
    leaf("probe * fall", Form::Count(1, 100), Some("3"), "Bad probes in a row until what was up is down."),
    leaf(
        "probe * status",
        Form::Text,
        Some("\"200-299\""),
        "The statuses of HTTP that are good: numbers and ranges, with commas.",
    ),
    leaf(
        "probe * body",
        Form::Text,
        None,
        "A text that is in the first 64 KiB of the answer; under `dns`, an address that is in it.",
    ),
    leaf("probe * sha256", Form::Text, None, "The SHA-256 of the content, in hexadecimal."),
    leaf(
        "probe * same_as",
        Form::Name("probe"),
        None,
        "The probe whose content it must have, such as that of the origin: wrong content is a bad probe.",
    ),
    leaf(
        "probe * lag",
        Form::Span,
        Some("\"5m\""),
        "How long it may have what that probe had before, until this is wrong content.",
    ),
    leaf(
        "probe * load",
        Form::Text,
        Some("\"off\""),
        "Where its load is read: `json` (the body is `{\"load_index\": 0.4}`), `status` (the body is `/status` of a node of ours), `orca`, or a field's name.",
    ),
    leaf("probe * redirects", Form::Count(0, 10), Some("0"), "Redirects that are followed."),
    leaf(
        "probe * verify",
        Form::Word(&["on", "off"]),
        Some("\"on\""),
        "Whether the certificate must be good; its end is told either way.",
    ),
    leaf(
        "probe * ca",
        Form::File,
        None,
        "A PEM file of the authorities that the certificate may come from; the system's if not given.",
    ),
];

/// The leaf at a path, and the parts that stand for its `*`.
pub fn leaf_at(parts: &[String]) -> Option<&'static Leaf> {
    LEAVES.iter().find(|leaf| fits(leaf.path, parts))
}

/// Whether a table may stand at a path.
pub fn is_table(parts: &[String]) -> bool {
    LEAVES.iter().any(|leaf| {
        let mut pattern = leaf.path.split(' ');
        begins(&mut pattern, parts) && pattern.next().is_some()
    })
}

/// What may stand below a path: names, or `*`.
pub fn below(parts: &[String]) -> Vec<&'static str> {
    let mut names: Vec<&str> = LEAVES
        .iter()
        .filter_map(|leaf| {
            let pattern: Vec<&str> = leaf.path.split(' ').collect();
            let is_above = pattern.iter().zip(parts).all(|(part, own)| *part == "*" || part == own);
            if is_above { pattern.get(parts.len()).copied() } else { None }
        })
        .collect();
    names.dedup();
    names.sort_unstable();
    names.dedup();
    names
}

fn fits(pattern: &str, parts: &[String]) -> bool {
    let mut pattern = pattern.split(' ');
    begins(&mut pattern, parts) && pattern.next().is_none()
}

/// Whether a pattern begins with these parts; leaves it behind them. Called for every leaf of a tree and every known one.
fn begins<'p>(pattern: &mut impl Iterator<Item = &'p str>, parts: &[String]) -> bool {
    parts.iter().all(|own| pattern.next().is_some_and(|part| part == "*" || part == own))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::form::Form;
    use toml_edit::Value;

    #[test]
    fn every_default_is_good_and_every_table_is_told() {
        for leaf in LEAVES {
            if let Some(default) = leaf.default {
                let value: Value = default.parse().unwrap();
                assert!(leaf.form.take(&value).is_ok(), "{}: {default}", leaf.path);
            }
            assert!(leaf.doc.ends_with('.'), "{}: a sentence", leaf.path);
            let (table, _) = leaf.path.rsplit_once(' ').unwrap();
            assert!(TABLES.iter().any(|(known, _)| *known == table), "{table} has no words");
        }
        assert_eq!(leaf_at(&["policy".into(), "web".into(), "ttl".into()]).unwrap().form, Form::Span);
        assert_eq!(below(&["network".into()]), ["name", "psk", "rules"]);
        assert!(
            is_table(&["site".into(), "a.b".into()])
                && !is_table(&["site".into(), "a".into(), "dns".into(), "policy".into()])
        );
    }
}

//! Whether a guest may join, and the tree that has it. The tree is changed leaf by leaf as `longhaul config set` does, so that
//! comments stay; whoever calls looks whether the whole is good.

use crate::join::invitation::Invitation;
use crate::join::request::Request;
use crate::tree::edit;
use crate::tree::path::Path;
use crate::tree::read::Tree;
use dataplane::tmp::key::PublicKey;

/// Bytes of a node's name at most.
const NAME_BYTES_MAX: usize = 63;

/// Why a guest may not join.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Nobody has invited it, or it cannot prove it.
    Stranger,
    /// The invitation has ended.
    Expired,
    /// The invitation was used.
    Used,
    /// The invitation is for another key, or the tree has a node of this key.
    Key,
    /// The invitation is for another name, the name is taken, or it is none.
    Name,
    /// The invitation does not name all these roles.
    Roles,
    /// The request, or the tree that would come of it, is wrong.
    Request,
}

impl Refusal {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::Stranger, Self::Expired, Self::Used, Self::Key, Self::Name, Self::Roles, Self::Request];

    /// Its word, for metrics and logs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Stranger => "stranger",
            Self::Expired => "expired",
            Self::Used => "used",
            Self::Key => "key",
            Self::Name => "name",
            Self::Roles => "roles",
            Self::Request => "request",
        }
    }
}

/// What the holder adds of its own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Additions {
    /// How long its weight grows.
    pub slow_start: Option<String>,
    /// The file with its key of reports, on itself.
    pub report_key: Option<String>,
    /// Probes that look at it.
    pub probes: Vec<String>,
}

/// Whether the holder of an invitation may join as it wants, by what the tree has now.
pub fn judge(
    invitation: &Invitation,
    request: &Request,
    key: &PublicKey,
    tree: &Tree,
    now_s: u64,
) -> Result<(), (Refusal, String)> {
    let Request { name, roles, .. } = request;
    let refuse = |refusal, why: String| Err((refusal, why));
    if invitation.until_s <= now_s {
        return refuse(Refusal::Expired, "the invitation has expired; ask for another".into());
    }
    if invitation.key.is_some_and(|due| due != *key) {
        return refuse(Refusal::Key, format!("the invitation is for another key than {key}"));
    }
    if invitation.name.as_ref().is_some_and(|due| due != name) {
        return refuse(Refusal::Name, format!("the invitation is for another name than {name}"));
    }
    let is_label = |name: &str| {
        let is_inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        (1..=NAME_BYTES_MAX).contains(&name.len()) && name.bytes().all(is_inner) && !name.starts_with('-')
    };
    if !is_label(name) {
        return refuse(
            Refusal::Name,
            format!("{name:?} is no name; use small letters, digits and -, 63 at most"),
        );
    }
    if tree.names(&["node"]).contains(&name.as_str()) || tree.names(&["server"]).contains(&name.as_str()) {
        return refuse(Refusal::Name, format!("the name {name} is taken; give another"));
    }
    let key = key.to_text();
    let same = tree.names(&["node"]).into_iter().find(|node| {
        tree.value(&["node", node, "public_key"]).is_some_and(|known| known.to_string().contains(&key))
    });
    if let Some(node) = same {
        return refuse(
            Refusal::Key,
            format!("{node} has this key already; make another (`longhaul key new`)"),
        );
    }
    let other = roles.iter().find(|role| !invitation.roles.contains(role));
    match other {
        Some(role) => {
            let may = invitation.roles.join(", ");
            refuse(Refusal::Roles, format!("the invitation is not for the role {role}, but for {may}"))
        }
        None if roles.is_empty() => refuse(Refusal::Roles, "no role is asked for".into()),
        None => Ok(()),
    }
}

/// The tree's text with the new node, or what is wrong.
pub fn register(text: &str, request: &Request, key: &PublicKey, more: &Additions) -> Result<String, String> {
    let list = |all: &[String]| serde_json::Value::from(all.to_vec()).to_string();
    let texts = |all: &mut dyn Iterator<Item = String>| all.collect::<Vec<_>>();
    let is = |role: &str| request.roles.iter().any(|own| own == role);
    let quoted = |text: &String| serde_json::Value::from(text.as_str()).to_string();
    let mut leaves: Vec<(&[&str], String)> = vec![
        (&["roles"], list(&request.roles)),
        (&["public_key"], quoted(&key.to_text())),
        (&["key"], quoted(&request.key)),
    ];
    let mut add = |path: &'static [&'static str], value: Option<String>| {
        leaves.extend(value.map(|value| (path, value)));
    };
    add(&["pop"], request.pop.as_ref().map(quoted));
    let addresses = texts(&mut request.addresses.iter().map(ToString::to_string));
    add(&["addresses"], (!addresses.is_empty()).then(|| list(&addresses)));
    add(&["slow_start"], more.slow_start.as_ref().map(quoted));
    add(&["report_key"], more.report_key.as_ref().map(quoted));
    if is("front") {
        add(&["front", "listen"], (!request.listen.is_empty()).then(|| list(&request.listen)));
        add(&["front", "url"], request.url.as_ref().map(quoted));
    }
    if is("back") {
        let listen = texts(&mut request.listen_tunnels.iter().map(ToString::to_string));
        add(&["back", "listen"], (!listen.is_empty()).then(|| list(&listen)));
    }
    let mut text = text.to_owned();
    for (leaf, value) in leaves {
        let path = ["node", request.name.as_str()].into_iter().chain(leaf.iter().copied());
        text = edit::set(&text, &Path::of(path), &value)?;
    }
    for probe in &more.probes {
        text = looked_at(&text, probe, &request.name)?;
    }
    Ok(text)
}

/// The tree's text with a server more that a probe looks at.
fn looked_at(text: &str, probe: &str, name: &str) -> Result<String, String> {
    let tree = Tree::read(text).map_err(|_| "the tree cannot be read".to_owned())?;
    if !tree.names(&["probe"]).contains(&probe) {
        return Err(format!("there is no probe {probe}, which the invitation names"));
    }
    let path = ["probe", probe, "servers"];
    let mut servers = tree.list(&path);
    servers.push(name.to_owned());
    edit::set(text, &Path::of(path), &serde_json::Value::from(servers).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use dataplane::tmp::key::PrivateKey;
    use dataplane::tmp::random::PredictableRandom;

    const TREE: &str =
        "# ours\n[node.fra1]   # the first\nroles = [\"front\"]\npublic_key = \"KEY\"\n\n[server.own]\n";

    fn key(seed: u64) -> PublicKey {
        PrivateKey::generate(&mut PredictableRandom::new(seed)).public()
    }

    fn request() -> Request {
        Request {
            name: "fra2".into(),
            roles: vec!["front".into()],
            key: "fra2.key".into(),
            ..Request::default()
        }
    }

    fn invitation() -> Invitation {
        let roles = vec!["front".into(), "probe".into()];
        Invitation::new(roles, 100, &mut PredictableRandom::new(4))
    }

    #[test]
    fn who_may_join_is_judged_by_the_invitation_and_the_tree() {
        let tree = Tree::read(&TREE.replace("KEY", &key(1).to_text())).unwrap();
        let judged = |invitation: Invitation, request: Request, seed: u64, now_s: u64| {
            judge(&invitation, &request, &key(seed), &tree, now_s).map_err(|(refusal, _)| refusal)
        };
        let named = |name: &str| Request { name: name.into(), ..request() };
        let roles =
            |roles: &[&str]| Request { roles: roles.iter().map(|r| (*r).to_owned()).collect(), ..request() };
        assert_eq!(judged(invitation(), request(), 2, 99), Ok(()));
        assert_eq!(judged(invitation(), roles(&["front", "probe"]), 2, 99), Ok(()));
        assert_eq!(judged(invitation(), request(), 2, 100), Err(Refusal::Expired));
        assert_eq!(judged(invitation(), request(), 1, 99), Err(Refusal::Key), "fra1 has it");
        let for_key = Invitation { key: Some(key(3)), ..invitation() };
        assert_eq!(judged(for_key.clone(), request(), 2, 99), Err(Refusal::Key));
        assert_eq!(judged(for_key, request(), 3, 99), Ok(()));
        let for_name = Invitation { name: Some("fra3".into()), ..invitation() };
        assert_eq!(judged(for_name, request(), 2, 99), Err(Refusal::Name));
        for name in ["fra1", "own", "", "Fra", "a.b", "a b", "-a", "a\"]", &"a".repeat(64)] {
            assert_eq!(judged(invitation(), named(name), 2, 99), Err(Refusal::Name), "{name}");
        }
        for wanted in [&["back"][..], &["front", "dns"], &[]] {
            assert_eq!(judged(invitation(), roles(wanted), 2, 99), Err(Refusal::Roles), "{wanted:?}");
        }
    }

    #[test]
    fn the_tree_has_it_and_keeps_its_comments() {
        let request = Request {
            pop: Some("fra \"x\"".into()),
            addresses: vec!["192.0.2.9".parse().unwrap()],
            listen: vec!["0.0.0.0:80".into()],
            url: Some("http://fra2.{site}".into()),
            listen_tunnels: vec!["0.0.0.0:7000".parse().unwrap()],
            ..request()
        };
        let more = Additions {
            slow_start: Some("10m".into()),
            report_key: Some("fra2.report".into()),
            probes: vec!["web".into()],
        };
        let before =
            format!("{TREE}[probe.web]\nurl = \"tcp://{{address}}:80\"\nservers = [\"fra1\"]   # all\n");
        let text = register(&before, &request, &key(2), &more).unwrap();
        assert!(
            text.contains("servers = [\"fra1\",\"fra2\"]   # all")
                || text.contains("servers = [\"fra1\", \"fra2\"]   # all"),
            "{text}"
        );
        let mut left = text.lines();
        assert!(TREE.lines().all(|line| left.any(|left| left == line)), "{text}");
        let tree = Tree::read(&text).unwrap();
        let value = |path: &[&str]| tree.value(&[&["node", "fra2"][..], path].concat()).unwrap().to_string();
        assert!(value(&["public_key"]).contains(&key(2).to_text()));
        assert!(value(&["pop"]).contains("fra") && value(&["slow_start"]).contains("10m"));
        assert!(
            value(&["addresses"]).contains("192.0.2.9") && value(&["front", "listen"]).contains("0.0.0.0:80")
        );
        assert!(value(&["front", "url"]).contains("fra2.{site}"));
        assert!(!text.contains("7000"), "it is no back-end");
        let lost = Additions { probes: vec!["wbe".into()], ..more.clone() };
        assert!(register(&before, &request, &key(2), &lost).unwrap_err().contains("no probe wbe"));
        let wrong = Request { listen: vec!["0.0.0.0:80".into()], roles: vec!["nothing".into()], ..request };
        assert!(register(&before, &wrong, &key(2), &more).unwrap_err().contains("roles"));
    }
}

//! What changes from one tree to another, in words, and for whom.

use crate::tree::form::Taken;
use crate::tree::path::Path;
use crate::tree::read::Tree;
use std::collections::BTreeSet;

/// One line for each change, in the order of paths.
pub fn differences(old: &Tree, new: &Tree) -> Vec<String> {
    let paths: BTreeSet<&Path> = old.all().chain(new.all()).map(|(path, _)| path).collect();
    let mut lines = Vec::new();
    for path in paths {
        let parts: Vec<&str> = path.parts().iter().map(String::as_str).collect();
        let (before, after) = (old.value(&parts), new.value(&parts));
        if before == after {
            continue;
        }
        let value =
            |value: &Option<Taken>| value.as_ref().map_or_else(|| "nothing".to_owned(), ToString::to_string);
        let is_new = old.given(path).is_none();
        let is_gone = new.given(path).is_none();
        let how = match (is_new, is_gone) {
            (true, _) => format!("is now {}, was {}", value(&after), value(&before)),
            (_, true) => format!("is no longer given: {} instead of {}", value(&after), value(&before)),
            _ => format!("changes from {} to {}", value(&before), value(&after)),
        };
        lines.push(format!("{path} {how}{}", whom(&parts, old, new)));
    }
    lines
}

/// Whom a change concerns.
fn whom(parts: &[&str], old: &Tree, new: &Tree) -> String {
    let names = match parts {
        ["policy", policy, ..] => answered_by(policy, old, new),
        ["site", site, "dns", "policy"] => vec![(*site).to_owned()],
        ["site", _, "dns", "names", name] => vec![(*name).to_owned()],
        ["node" | "server" | "override", machine, ..] => {
            let policies = new.names(&["policy"]).into_iter().chain(old.names(&["policy"]));
            let of = policies
                .filter(|policy| has_member(policy, machine, old) || has_member(policy, machine, new));
            of.flat_map(|policy| answered_by(policy, old, new)).collect()
        }
        ["zone", zone, ..] => vec![format!("all names of {zone}")],
        _ => Vec::new(),
    };
    let names: BTreeSet<String> = names.into_iter().collect();
    if names.is_empty() {
        return String::new();
    }
    format!(" (for clients of {})", names.into_iter().collect::<Vec<_>>().join(", "))
}

fn has_member(policy: &str, machine: &str, tree: &Tree) -> bool {
    match tree.value(&["policy", policy, "members"]) {
        Some(Taken::List(members)) => members.iter().any(|member| member == machine),
        _ => {
            matches!(tree.value(&["node", machine, "roles"]), Some(Taken::List(roles)) if roles.iter().any(|role| role == "front"))
        }
    }
}

fn answered_by(policy: &str, old: &Tree, new: &Tree) -> Vec<String> {
    let is_it = |value: Option<Taken>| value == Some(Taken::Text(policy.to_owned()));
    let mut names = Vec::new();
    for tree in [old, new] {
        for site in tree.names(&["site"]) {
            if is_it(tree.value(&["site", site, "dns", "policy"])) {
                names.push(site.to_owned());
            }
            let further = tree.names(&["site", site, "dns", "names"]);
            let of =
                further.into_iter().filter(|name| is_it(tree.value(&["site", site, "dns", "names", name])));
            names.extend(of.map(str::to_owned));
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_told_with_whom_they_concern() {
        let base =
            "[site.\"shop.example\".dns]\npolicy = \"web\"\n[node.fra1]\nroles = [\"front\"]\n[policy.web]\n";
        let (old, new) =
            (format!("{base}answers = 2\n"), format!("{base}ttl = \"60s\"\n[node.nyc1]\ncost = 2\n"));
        let lines = differences(&Tree::read(&old).unwrap(), &Tree::read(&new).unwrap());
        assert_eq!(
            lines,
            [
                "node.nyc1.cost is now 2, was 0",
                "policy.web.answers is no longer given: 1 instead of 2 (for clients of shop.example)",
                "policy.web.ttl is now \"60s\", was \"30s\" (for clients of shop.example)",
            ]
        );
        let same = Tree::read(&format!("{base}ttl = \"30s\"\n")).unwrap();
        assert!(differences(&Tree::read(base).unwrap(), &same).is_empty(), "the default, written down");
    }
}

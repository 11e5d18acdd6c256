//! What a tree says about probes of users' resolvers: whether, how politely, and under which name of ours.

use crate::probe::manners::Manners;
use crate::tree::form::{Taken, span};
use crate::tree::read::{Problem, Tree};
use core::time::Duration;

/// A network is left alone at least so long: who wants it more often wants a benchmark.
const EVERY_MIN: Duration = Duration::from_secs(60);

/// The manners of a tree. On errors, all of them.
pub fn of(tree: &Tree) -> Result<Manners, Vec<Problem>> {
    let mut problems = Vec::new();
    let mut problem = |path: &[&str], what: String| {
        let (line, column) = tree.place(path);
        problems.push(Problem { line, column, what });
    };
    let text = |key: &str| match tree.value(&["resolvers", key]) {
        Some(Taken::Text(text)) => Some(text),
        _ => None,
    };
    let is_on = |key: &str| text(key).as_deref() == Some("on");
    let per_second = match tree.value(&["resolvers", "per_second"]) {
        Some(Taken::Count(count)) => u32::try_from(count).unwrap_or(u32::MAX),
        _ => Manners::default().per_second,
    };
    let every = text("every").and_then(|text| span(&text)).unwrap_or(Duration::from_secs(3_600));
    if every < EVERY_MIN {
        problem(&["resolvers", "every"], "resolvers.every is too short; give 60s at least".to_owned());
    }
    let mut opt_out = Vec::new();
    if let Some(Taken::List(networks)) = tree.value(&["resolvers", "opt_out"]) {
        for network in networks {
            match network.parse() {
                Ok(network) => opt_out.push(network),
                Err(_) => problem(
                    &["resolvers", "opt_out"],
                    format!(
                        "resolvers.opt_out has {network:?}, which is no network; write it as 192.0.2.0/24"
                    ),
                ),
            }
        }
    }
    // Resolvers ask us for what is in our zones: that name they know.
    let question = text("question").or_else(|| tree.names(&["zone"]).first().map(|name| (*name).to_owned()));
    if is_on("probe") && question.is_none() {
        problem(
            &["resolvers", "probe"],
            "resolvers are probed under no name; give resolvers.question, or a zone".to_owned(),
        );
    }
    let manners = Manners {
        is_on: is_on("probe"),
        per_second,
        every,
        opt_out,
        is_private_probed: is_on("private"),
        question: question.unwrap_or_default(),
    };
    if problems.is_empty() { Ok(manners) } else { Err(problems) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Manners, String> {
        let manners = of(&Tree::read(text).unwrap());
        manners.map_err(|problems| problems.into_iter().map(|problem| problem.what + "\n").collect())
    }

    #[test]
    fn it_is_off_unless_somebody_wants_it() {
        assert_eq!(read("[node.a]\n"), Ok(Manners::default()));
        let text = "[resolvers]\nprobe = \"on\"\nper_second = 5\nevery = \"10m\"\nopt_out = [\"192.0.2.0/24\", \"2001:db8::/32\"]\n\
                    private = \"on\"\n[zone.\"shop.test\"]\nrecords = \"\"\"\n\"\"\"\n";
        let manners = read(text).unwrap();
        assert!(manners.is_on && manners.is_private_probed);
        assert_eq!(
            (manners.per_second, manners.opt_out.len(), manners.question.as_str()),
            (5, 2, "shop.test")
        );
        assert_eq!(manners.every.as_micros(), 600_000_000);
    }

    #[test]
    fn all_that_is_wrong_is_said() {
        let wrong =
            read("[resolvers]\nprobe = \"on\"\nevery = \"1s\"\nopt_out = [\"192.0.2.1/24\", \"x\"]\n")
                .unwrap_err();
        for part in ["every is too short", "\"192.0.2.1/24\", which is no network", "\"x\"", "under no name"]
        {
            assert!(wrong.contains(part), "{part}: {wrong}");
        }
    }
}

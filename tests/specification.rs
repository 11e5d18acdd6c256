//! The specifications: every requirement is answered for by code or tests, and a client that was written from them
//! alone shakes hands with a real back-end and gets its page.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop where it is")]

mod process;
#[allow(dead_code, reason = "the other tests about the code read it as tokens")]
mod source;

mod specification {
    pub(crate) mod interop;
    pub(crate) mod requirement;
}

use specification::requirement::{ALL, Specification};
use std::collections::BTreeSet;

fn expect_none<T: std::fmt::Debug>(what: &str, found: &[T]) {
    assert!(found.is_empty(), "{what}: {found:?}");
}

fn each(check: impl Fn(&Specification, &BTreeSet<String>)) {
    for specification in ALL {
        let defined = specification.defined();
        let set: BTreeSet<_> = defined.iter().cloned().collect();
        assert!(set.len() >= 10, "{} has lost its requirements", specification.file);
        assert_eq!(set.len(), defined.len(), "{} defines an id twice", specification.file);
        check(specification, &set);
    }
}

#[test]
fn every_requirement_is_cited() {
    each(|specification, defined| {
        let cited = specification.cited();
        let orphans: Vec<_> = defined.iter().filter(|id| !cited.contains_key(*id)).collect();
        expect_none(
            &format!("requirements of {} that no code and no test cites", specification.file),
            &orphans,
        );
    });
}

#[test]
fn every_citation_is_of_a_requirement() {
    each(|specification, defined| {
        let cited = specification.cited();
        let strays: Vec<_> = cited.iter().filter(|(id, _)| !defined.contains(*id)).collect();
        expect_none(&format!("citations of what {} does not say", specification.file), &strays);
        let mentioned = specification.mentioned();
        let dangling: Vec<_> = mentioned.difference(defined).collect();
        expect_none(&format!("references inside {} that lead nowhere", specification.file), &dangling);
    });
}

//! Tests of the choice of bugs.

use std::collections::BTreeSet;

use super::{Catalogue, Mutant, Patch};

fn of(count: usize) -> Catalogue {
    let mutant = |number: usize| Mutant {
        scenario: "toy".to_owned(),
        name: format!("bug_{number}"),
        patch: Patch {
            about: String::new(),
            harmless: false,
            cases_max: 1,
            crashes_min: 1,
            because: String::new(),
            edits: Vec::new(),
        },
    };
    Catalogue {
        path: "".into(),
        mutants: (0..count).map(mutant).collect(),
    }
}

fn names(catalogue: &Catalogue, part: Option<&str>, key: Option<&str>) -> Vec<String> {
    let wanted = catalogue.wanted(part, key).into_iter();
    wanted.map(|mutant| mutant.name.clone()).collect()
}

#[test]
fn a_tenth_is_a_tenth_and_its_key_decides_which() {
    let catalogue = of(47);
    assert_eq!(names(&catalogue, None, None).len(), 47);
    let first = names(&catalogue, None, Some("6f1a"));
    assert_eq!(first.len(), 5);
    assert_eq!(names(&catalogue, None, Some("6f1a")), first);
    assert_ne!(names(&catalogue, None, Some("6f1b")), first);
    assert_eq!(names(&of(3), None, Some("6f1a")).len(), 1);
    assert_eq!(names(&catalogue, Some("bug_46"), Some("6f1a")), ["bug_46"]);
}

#[test]
fn every_bug_has_its_turn() {
    let catalogue = of(47);
    let keys = (0..100).map(|commit| format!("commit {commit}"));
    let seen: BTreeSet<String> = keys
        .flat_map(|key| names(&catalogue, None, Some(&key)))
        .collect();
    assert_eq!(seen.len(), 47);
}

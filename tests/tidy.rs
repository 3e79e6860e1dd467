//! The house style, as far as a program can check it.
//!
//! Each rule is a pure function from a source file (or a manifest) to what violates it, with a
//! test beside it that plants a violation. The exceptions are the lists below. They may only
//! shrink: an entry that is no longer needed fails too.
//!
//! | rules                                                         | in            |
//! |---------------------------------------------------------------|---------------|
//! | which crate may depend on which; where versions are named     | `manifests`   |
//! | which module of the engine may use which                      | `layers`      |
//! | which file of the commit log may use which                    | `order`       |
//! | invariants are cited by what holds them                       | `invariants`  |
//! | who may touch files, time and threads; banned types; `unsafe` | `seam`        |
//! | conditional compilation, ignored tests, tests beside code     | `attributes`  |
//! | lengths of files, functions and lines; names; module docs     | `shape`       |
//! | words that no file may hold; links of documents               | `documents`   |
//!
//! Not here: what rustfmt and clippy check.
#![expect(
    clippy::disallowed_methods,
    reason = "this test reads the source tree itself"
)]

#[path = "tidy/attributes.rs"]
mod attributes;
#[path = "tidy/documents.rs"]
mod documents;
#[path = "tidy/invariants.rs"]
mod invariants;
#[path = "tidy/layers.rs"]
mod layers;
#[path = "tidy/manifests.rs"]
mod manifests;
#[path = "tidy/order.rs"]
mod order;
#[path = "tidy/seam.rs"]
mod seam;
#[path = "tidy/shape.rs"]
mod shape;
#[path = "tidy/source.rs"]
mod source;
#[path = "tidy/tree.rs"]
mod tree;

use std::fmt;

use source::Source;
use tree::Exception;

/// Functions longer than [`shape::FUNCTION_LINES_MAX`]: path and name.
const LONG_FUNCTIONS: &[Exception] = &[];

/// Who besides `vfs/src/os` touches files, time or threads directly, and why.
const BESIDE_THE_SEAM: &[Exception] = &[
    Exception::new("bench/", "compares with programs that do not know the seam"),
    Exception::new("cli/", "the program that people start"),
    Exception::new(
        "sim/src/cli/",
        "the same as a library: files of cases, processors",
    ),
    Exception::new("sim/examples/", "programs that people start"),
    Exception::new(
        "sim/src/campaign.rs",
        "workers: one simulation never spans threads",
    ),
    Exception::new(
        "sim/src/campaign/in_test.rs",
        "a person names a case file; a test is named after its thread",
    ),
    Exception::new(
        "sim/src/explorer/rounds.rs",
        "workers: one simulation never spans threads",
    ),
    Exception::new(
        "sim/src/sched/watchdog.rs",
        "catches what blocks outside the seam",
    ),
    Exception::new(
        "sim/src/corpus.rs",
        "cases are kept on the real file system",
    ),
    Exception::new(
        "sim/src/stopwatch.rs",
        "tells people how fast a campaign is",
    ),
    Exception::new(
        "src/store/memtable/tests/stress.rs",
        "threads that really run at once are the point",
    ),
    Exception::new(
        "src/store/tree/tests/stress.rs",
        "threads that really run at once are the point",
    ),
    Exception::new(
        "tests/",
        "compares the seam with the system; reads the source tree",
    ),
];

/// Files that hold the word `unsafe`, and why.
const UNSAFE: &[Exception] = &[
    Exception::new(
        "bench/src/store/lmdb.rs",
        "LMDB maps a file into memory that others could change",
    ),
    Exception::new(
        "sim/src/sched/coroutine.rs",
        "a fiber finds itself by a pointer to its own stack",
    ),
    Exception::new(
        "sim/examples/sqlite/src/door.rs",
        "a function of C that resets random numbers",
    ),
    Exception::new(
        "src/store/memtable/arena.rs",
        "rows of any length, one behind the other",
    ),
    Exception::new(
        "src/store/memtable/tree.rs",
        "nodes and rows lead to each other within one arena",
    ),
];

/// Crates that cannot forbid it for that.
const UNSAFE_CRATES: &[Exception] = &[
    Exception::new("bench/src/main.rs", "it opens LMDB"),
    Exception::new("sim/src/lib.rs", "it holds the fibers"),
    Exception::new("src/lib.rs", "it holds the memtable"),
    Exception::new(
        "sim/examples/sqlite/src/main.rs",
        "it calls SQLite, which is C",
    ),
];

/// What differs when tests run under loom.
const UNDER_LOOM: &[Exception] = &[
    Exception::new(
        "src/store/sync.rs",
        "the model checker has atomics of its own",
    ),
    Exception::new("src/store/memtable/tests.rs", "those tests themselves"),
];

/// A rule, and a place that breaks it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Violation {
    path: String,
    line: usize,
    what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.what)
    }
}

/// Fails with every violation that no exception covers, and every exception that covers none.
#[track_caller]
fn settle(violations: Vec<Violation>, exceptions: &[Exception]) {
    let mut complaints = tree::unexcused(&violations, exceptions);
    complaints.extend(tree::stale(&violations, exceptions));
    assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
}

/// Runs a rule over every Rust file of the tree.
fn over_sources(rule: impl Fn(&Source) -> Vec<Violation>) -> Vec<Violation> {
    let sources = tree::sources();
    assert!(sources.len() > 20, "the tree was not found");
    sources.iter().flat_map(rule).collect()
}

#[test]
fn files_begin_with_what_they_are() {
    settle(over_sources(shape::module_docs), &[]);
}

#[test]
fn files_functions_and_lines_are_short() {
    settle(over_sources(shape::file_length), &[]);
    settle(over_sources(shape::line_width), &[]);
    settle(over_sources(shape::function_length), LONG_FUNCTIONS);
}

#[test]
fn files_are_named_for_what_they_hold() {
    settle(over_sources(shape::file_name), &[]);
}

/// The seam's lib [I1].
#[test]
fn the_world_is_behind_the_seam() {
    settle(over_sources(seam::world), BESIDE_THE_SEAM);
}

#[test]
fn containers_have_a_fixed_order() {
    settle(over_sources(seam::random_order), &[]);
}

#[test]
fn code_is_safe() {
    settle(over_sources(seam::unsafe_code), UNSAFE);
    settle(over_sources(seam::forbids_unsafe), UNSAFE_CRATES);
    settle(over_sources(seam::denies_unsafe), &[]);
}

#[test]
fn the_simulated_program_is_the_shipped_one() {
    settle(over_sources(attributes::conditions), UNDER_LOOM);
}

#[test]
fn no_test_is_ignored_and_tests_have_their_own_files() {
    settle(over_sources(attributes::ignored_tests), &[]);
    settle(over_sources(attributes::inline_tests), &[]);
}

#[test]
fn modules_of_the_engine_depend_downwards() {
    settle(over_sources(layers::directions), &[]);
}

#[test]
fn files_of_the_commit_log_have_an_order() {
    settle(over_sources(order::no_circles), &[]);
}

#[test]
fn invariants_are_held_by_something() {
    settle(invariants::uncited(&tree::sources()), &[]);
}

#[test]
fn crates_depend_downwards() {
    settle(manifests::check_all(&tree::manifests()), &[]);
}

#[test]
fn every_crate_comes_from_the_public_registry() {
    let locks = tree::texts()
        .into_iter()
        .filter(|(path, _)| path.ends_with("Cargo.lock"));
    settle(
        locks
            .flat_map(|(path, text)| manifests::lock_sources(&path, &text))
            .collect(),
        &[],
    );
}

#[test]
fn documents_hold_no_local_words_and_no_dead_links() {
    let texts = tree::texts();
    let words = texts
        .iter()
        .flat_map(|(path, text)| documents::words(path, text));
    settle(words.collect(), &[]);
    let exists = |path: &str| tree::root().join(path).exists();
    let links = texts
        .iter()
        .flat_map(|(path, text)| documents::links(path, text, exists));
    settle(links.collect(), &[]);
}

//! The examples run, and docs/STORE.md shows the code of each.
#![expect(
    clippy::disallowed_methods,
    reason = "the document and the examples are files of the source tree"
)]

use std::error::Error;
use std::path::Path;

#[path = "../examples/store_backup.rs"]
#[expect(dead_code, reason = "`main` is for people")]
mod store_backup;
#[path = "../examples/store_batch.rs"]
#[expect(dead_code, reason = "`main` is for people")]
mod store_batch;
#[path = "../examples/store_open.rs"]
#[expect(dead_code, reason = "`main` is for people")]
mod store_open;
#[path = "../examples/store_scan.rs"]
#[expect(dead_code, reason = "`main` is for people")]
mod store_scan;
#[path = "../examples/store_snapshot.rs"]
#[expect(dead_code, reason = "`main` is for people")]
mod store_snapshot;
#[path = "../examples/store_transaction.rs"]
#[expect(dead_code, reason = "`main` is for people")]
mod store_transaction;

type Example = fn(&Path) -> Result<(), Box<dyn Error>>;

const EXAMPLES: [(&str, Example); 6] = [
    ("store_open", store_open::run),
    ("store_batch", store_batch::run),
    ("store_scan", store_scan::run),
    ("store_snapshot", store_snapshot::run),
    ("store_transaction", store_transaction::run),
    ("store_backup", store_backup::run),
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn each_example_runs() {
    let dir = tempfile::tempdir().expect("a directory");
    for (name, run) in EXAMPLES {
        let dir = dir.path().join(name);
        run(&dir).unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}

/// Every example is run here, and its lines are in the document.
#[test]
fn the_document_shows_what_runs() {
    let document = std::fs::read_to_string(root().join("docs/STORE.md")).expect("reads");
    let entries = std::fs::read_dir(root().join("examples")).expect("lists");
    for entry in entries {
        let path = entry.expect("an entry").path();
        let name = path.file_stem().expect("a name").to_string_lossy();
        assert!(EXAMPLES.iter().any(|(own, _)| *own == name), "{name}");
        let text = std::fs::read_to_string(&path).expect("reads");
        let body = text.split("-> Result<(), Box<dyn Error>> {\n").nth(1);
        let body = body.expect("a function").split("\n}\n").next();
        for line in body.expect("it ends").lines().map(str::trim) {
            let is_frame = line.is_empty() || line == "Ok(())" || line == "}";
            assert!(
                is_frame || document.contains(line),
                "{name}: not shown: {line}"
            );
        }
    }
}

//! Tests of patched copies.

use std::path::Path;

use super::{patched_files, switch};
use crate::mutants::catalogue::Catalogue;

fn source() -> &'static Path {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.parent().expect("the tree is above its packages")
}

#[test]
fn every_patch_fits_the_source_and_has_its_switch() {
    let catalogue = Catalogue::load(source(), None).expect("a catalogue");
    let files = patched_files(source(), &catalogue).expect("every patch fits");
    for mutant in &catalogue.mutants {
        let is_switched = |file: &str| {
            let text = files.get(Path::new(file)).expect("a patched file");
            text.contains(&switch(file, &mutant.name))
        };
        let mut edits = mutant.patch.edits.iter();
        assert!(
            edits.all(|edit| is_switched(&edit.file)),
            "{} changes a file without its switch",
            mutant.name
        );
    }
}

#[test]
fn the_seam_names_the_switch_as_its_own() {
    assert_eq!(switch("vfs/src/file.rs", "a"), "crate::planted(\"a\")");
    let outside = switch("src/commitlog/frame.rs", "a");
    assert_eq!(outside, "blackstart_vfs::planted(\"a\")");
}

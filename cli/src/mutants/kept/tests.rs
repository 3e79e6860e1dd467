//! Tests of the names in the heads of cases.

use blackstart_sim::corpus::planted_bug;

#[test]
fn the_head_of_a_case_names_its_bug() {
    let named =
        "// A sync is left out.\n// With this mistake planted (no_sync) the oracle fails.\nCase(";
    assert_eq!(planted_bug(named).as_deref(), Some("no_sync"));
    // A line may end anywhere in the sentence.
    let wrapped = "// A sync is left out. With this mistake\n// planted (no_sync) it fails.\nCase(";
    assert_eq!(planted_bug(wrapped).as_deref(), Some("no_sync"));
    assert_eq!(planted_bug("// Found by seed 7.\nCase("), None);
    let below = "// Found by seed 7.\nCase(\n// With this mistake planted (no_sync)\n";
    assert_eq!(planted_bug(below), None, "only the head counts");
}

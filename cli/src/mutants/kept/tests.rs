//! Tests of the names in the heads of cases.

use super::bug_of;

#[test]
fn the_head_of_a_case_names_its_bug() {
    let named =
        "// A sync is left out.\n// With this mistake planted (no_sync) the oracle fails.\nCase(";
    assert_eq!(bug_of(named).as_deref(), Some("no_sync"));
    // A line may end anywhere in the sentence.
    let wrapped = "// A sync is left out. With this mistake\n// planted (no_sync) it fails.\nCase(";
    assert_eq!(bug_of(wrapped).as_deref(), Some("no_sync"));
    assert_eq!(bug_of("// Found by seed 7.\nCase("), None);
    let below = "// Found by seed 7.\nCase(\n// With this mistake planted (no_sync)\n";
    assert_eq!(bug_of(below), None, "only the head counts");
}

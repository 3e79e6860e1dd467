//! Tests of the heads of cases.

use super::wrapped;

#[test]
fn a_comment_is_broken_between_words() {
    let words = ["word"; 40].join(" ");
    let lines = wrapped(&words);
    assert!(lines.iter().all(|line| line.len() <= 94));
    assert_eq!(lines.join(" "), words);
    assert_eq!(lines.len(), 3);
}

//! Tests of marks.

use super::*;

const MARKS: &[&str] = &["!one", "two", "!", ""];

#[test]
fn a_catalogue_lists_whole_names_with_and_without_the_sign() {
    for name in ["one", "two", ""] {
        assert!(lists(MARKS, name), "{name}");
    }
    for name in ["on", "ones", "!one", "!two", "tw", "three"] {
        assert!(!lists(MARKS, name), "{name}");
    }
    assert!(!lists(&[], ""));
}

#[test]
fn hits_are_gathered_once_and_repetitions_do_not_count() {
    let _ = take();
    crate::reached!(MARKS, "one");
    crate::sometimes!(MARKS, true, "two");
    crate::sometimes!(MARKS, false, "two");
    let answer = unheard(|| {
        crate::reached!(MARKS, "one");
        7
    });
    assert_eq!(answer, 7);
    let hits: Vec<(String, u64)> = take().0.into_iter().collect();
    assert_eq!(hits, [("one".to_owned(), 1), ("two".to_owned(), 1)]);
    assert_eq!(take(), Marks::default());
}

//! Names that are made of others.

use super::*;

#[test]
fn a_new_name_is_made_of_the_old_one() {
    let of = |name: NewName, old| name.of(old);
    let suffix = NewName::Suffix(".bak".to_owned());
    assert_eq!(of(suffix, "7.log").as_deref(), Some("7.log.bak"));
    let next = NewName::Neighbour(1);
    assert_eq!(of(next, "00019.log").as_deref(), Some("00020.log"));
    let far = NewName::Neighbour(-19);
    assert_eq!(of(far.clone(), "é019.log").as_deref(), Some("é000.log"));
    assert_eq!(of(far.clone(), "018"), None, "no number is negative");
    assert_eq!(of(far, "lock"), None, "there is no number");
    let same = NewName::Exact("lock".to_owned());
    assert_eq!(of(same.clone(), "lock"), None);
    assert_eq!(of(same, "1").as_deref(), Some("lock"));
    assert_eq!(of(NewName::Exact("a/b".to_owned()), "1"), None);
}

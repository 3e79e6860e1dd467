//! Which places a scan remembers.

use super::*;

fn link(at: u64) -> Link {
    Link {
        at: ByteOffset::new(at),
        prev: 0,
        next: TxOffset::new(at),
    }
}

/// Pushes places 1, 2, 3 …; `durable` says how much is durable when each is pushed.
fn pushed(count: u64, durable: impl Fn(u64) -> u64) -> Links {
    let mut links = Links::new(link(0));
    for at in 1..=count {
        links.push(link(at), ByteOffset::new(durable(at)));
        assert!(links.links.len() <= LINKS_MAX, "memory is bounded");
    }
    links
}

#[test]
fn the_last_durable_place_is_remembered_exactly_while_few_might_be_it() {
    for lag in [0, 1, 7, 500] {
        let links = pushed(10_000, |at| at.saturating_sub(lag));
        let durable = 10_000 - lag;
        let found = links.before(ByteOffset::new(durable)).unwrap();
        // It may be found by a short walk from an earlier place.
        assert!(
            found.at.get() <= durable && durable - found.at.get() <= 2 * lag,
            "{lag}"
        );
    }
}

#[test]
fn a_place_before_is_remembered_even_if_nothing_is_durable() {
    let links = pushed(1_000_000, |_| 0);
    assert_eq!(links.before(ByteOffset::new(0)), Some(link(0)));
    let found = links.before(ByteOffset::new(999_999)).unwrap();
    assert!(999_999 - found.at.get() <= 4096, "{found:?}");
}

//! Histories that have an order, and histories that have none.

use proptest::prelude::*;

use super::*;

type Tx = Transaction<char, u64>;

fn tx(id: u64, begun: u64, ended: u64) -> Tx {
    Tx {
        id,
        begun,
        outcome: Outcome::Committed(ended),
        reads: Vec::new(),
        writes: Vec::new(),
    }
}

impl Tx {
    fn read(mut self, key: char, value: Option<u64>) -> Self {
        self.reads.push((key, value));
        self
    }

    fn write(mut self, key: char, value: u64) -> Self {
        self.writes.push((key, Some(value)));
        self
    }

    fn unknown(mut self) -> Self {
        self.outcome = Outcome::Unknown;
        self
    }
}

fn order(history: &[Tx]) -> Result<Vec<u64>, NotSerializable> {
    check(history, &BTreeMap::new(), 100_000)
}

#[test]
fn concurrent_transactions_are_ordered_by_what_they_read() {
    let history = [
        tx(1, 0, 10).read('x', Some(2)).write('x', 1),
        tx(2, 0, 10).read('x', None).write('x', 2),
        tx(3, 11, 12).read('x', Some(1)),
    ];
    assert_eq!(order(&history), Ok(vec![2, 1, 3]));
}

#[test]
fn a_read_from_the_past_is_found() {
    // Serializable, and not strictly: 2 ended before 3 began, which does not see it.
    let history = [
        tx(1, 0, 1).write('x', 1),
        tx(2, 2, 3).write('x', 2),
        tx(3, 4, 5).read('x', Some(1)),
    ];
    let Err(NotSerializable::Violation {
        placed,
        stuck,
        mismatch,
    }) = order(&history)
    else {
        panic!("it has no order");
    };
    assert_eq!((placed, stuck), (vec![1, 2], vec![3]));
    assert_eq!(mismatch, "3 read Some(1) under 'x', where Some(2) would be");
}

#[test]
fn write_skew_is_found() {
    let history = [
        tx(1, 0, 10).read('x', None).read('y', None).write('x', 1),
        tx(2, 0, 10).read('x', None).read('y', None).write('y', 2),
    ];
    assert!(matches!(
        order(&history),
        Err(NotSerializable::Violation { .. })
    ));
}

#[test]
fn lost_update_is_found() {
    let history = [
        tx(1, 0, 10).read('x', None).write('x', 1),
        tx(2, 0, 10).read('x', None).write('x', 2),
    ];
    assert!(order(&history).is_err());
}

#[test]
fn an_unknown_outcome_may_show_late_or_never_but_not_both() {
    let unknown = || tx(1, 0, 0).unknown().write('x', 1);
    let sees = |id, begun, value| tx(id, begun, begun + 1).read('x', value);
    assert_eq!(order(&[unknown(), sees(2, 5, None)]), Ok(vec![2]));
    assert!(order(&[unknown(), sees(2, 5, None), sees(3, 7, Some(1))]).is_ok());
    assert!(order(&[unknown(), sees(2, 5, Some(1)), sees(3, 7, None)]).is_err());
}

#[test]
fn too_much_concurrency_is_given_up_and_said() {
    let writers = (0..30).map(|id| tx(id, 0, 100).write('x', id));
    let history: Vec<Tx> = writers
        .chain([tx(99, 101, 102).read('x', Some(77))])
        .collect();
    assert!(matches!(
        check(&history, &BTreeMap::new(), 1_000),
        Err(NotSerializable::GivenUp { .. })
    ));
}

/// Every order that respects time and explains all reads, by trying all permutations.
fn has_order_by_force(history: &[Tx]) -> bool {
    fn go(history: &[Tx], left: &[usize], state: &BTreeMap<char, u64>) -> bool {
        let unknown = |at: &usize| history[*at].outcome == Outcome::Unknown;
        if left.iter().all(unknown) {
            return true;
        }
        left.iter().any(|at| {
            let tx = &history[*at];
            let is_late = left.iter().any(|other| {
                matches!(history[*other].outcome, Outcome::Committed(end) if end < tx.begun)
            });
            let reads = tx
                .reads
                .iter()
                .all(|(key, value)| state.get(key).copied() == *value);
            if is_late || !reads {
                return false;
            }
            let mut next = state.clone();
            for (key, value) in &tx.writes {
                next.insert(*key, value.expect("no deletes here"));
            }
            let rest: Vec<usize> = left.iter().copied().filter(|other| other != at).collect();
            go(history, &rest, &next)
        })
    }
    let all: Vec<usize> = (0..history.len()).collect();
    go(history, &all, &BTreeMap::new())
}

fn histories() -> impl Strategy<Value = Vec<Tx>> {
    let key = prop_oneof![Just('x'), Just('y')];
    let reads = prop::collection::vec((key.clone(), prop::option::of(0..4u64)), 0..2);
    let writes = prop::collection::vec(key, 0..2);
    let one = (0..12u64, 0..8u64, any::<bool>(), reads, writes);
    prop::collection::vec(one, 0..5).prop_map(|all| {
        let mut history = Vec::new();
        for (id, (begun, lasts, is_known, reads, writes)) in (0..).zip(all) {
            let mut tx = tx(id, begun, begun + lasts);
            if !is_known {
                tx = tx.unknown();
            }
            tx.reads = reads;
            for key in writes {
                tx = tx.write(key, id);
            }
            history.push(tx);
        }
        history
    })
}

proptest! {
    #[test]
    fn the_search_agrees_with_brute_force(history in histories()) {
        prop_assert_eq!(order(&history).is_ok(), has_order_by_force(&history));
    }
}

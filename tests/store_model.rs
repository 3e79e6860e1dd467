//! Operations on a store, beside an ordered map that does the same: a property test that shrinks.
//!
//! What the operations are, and what is compared, stands in `fuzz/src/store_ops.rs`: a fuzzer runs
//! the same.

#[path = "../fuzz/src/disk.rs"]
mod disk;
#[path = "../fuzz/src/store_ops.rs"]
#[expect(dead_code, reason = "bytes as operations are for a fuzzer")]
mod store_ops;

use proptest::collection::vec;
use proptest::prelude::{Just, ProptestConfig, Strategy, any, proptest};
use proptest::prop_oneof;

use store_ops::{Key, Op, Write, run};

fn key() -> impl Strategy<Value = Key> {
    any::<u8>().prop_map(Key)
}

fn write() -> impl Strategy<Value = Write> {
    prop_oneof![
        8 => (key(), 0_u8..120).prop_map(|(key, len)| Write::Put(key, len)),
        3 => key().prop_map(Write::Delete),
        1 => (key(), key()).prop_map(|(from, end)| Write::DeleteRange(from, end)),
    ]
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        16 => (vec(write(), 0..6), any::<u8>()).prop_map(|(all, level)| Op::Write(all, level)),
        4 => key().prop_map(Op::Get),
        2 => Just(Op::ReadAll),
        2 => Just(Op::Flush),
        1 => Just(Op::Compact),
        2 => Just(Op::Snapshot),
        2 => any::<bool>().prop_map(Op::Reopen),
        1 => Just(Op::Restore),
        1 => Just(Op::Verify),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    /// The store's [I1], [I2] and [I3], as far as an honest disk shows them.
    #[test]
    fn a_store_is_an_ordered_map(ops in vec(op(), 0..60)) {
        run(&ops);
    }
}

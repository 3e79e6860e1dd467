//! Tests of blocks.

use super::*;

type Rows = Vec<(Vec<u8>, u64, Option<Vec<u8>>)>;

fn build(rows: &Rows) -> Vec<u8> {
    let mut builder = BlockBuilder::default();
    for (key, sequence, value) in rows {
        builder.push(key, *sequence, value.as_deref());
    }
    builder.finish(7, 3)
}

fn decode(bytes: Vec<u8>) -> Result<Block, Defect> {
    Block::decode(bytes.into(), 7, 3, ByteOffset::new(0))
}

/// Rows of several shapes: one key often, long prefixes, keys that are prefixes of others.
fn shapes() -> Vec<Rows> {
    let row = |key: &str, sequence, value: Option<&str>| {
        let value = value.map(|value| value.as_bytes().to_vec());
        (key.as_bytes().to_vec(), sequence, value)
    };
    let many = (0..200).map(|at| row(&format!("same prefix {at:06}"), 5, Some("v")));
    let tied = (0..60).map(|at| row(&format!("{}{at:02}", "tie".repeat(9)), at, None));
    let first = std::iter::once(row("t", 1 << 40, Some("v")));
    let long = "x".repeat(70_000);
    vec![
        vec![row("", 1, Some(""))],
        vec![row("a", 9, None), row("a", 4, Some("x")), row("a", 1, None)],
        vec![
            row("", 3, Some("1")),
            row("a", 2, None),
            row("aaaaaaaaaaaa", 8, Some("2")),
        ],
        vec![
            row("prefix", 1, None),
            row("prefix1", 2, None),
            row("prefix11", 2, Some("")),
        ],
        many.collect(),
        first.chain(tied).collect(),
        vec![
            row("a", 300, Some(&long)),
            row(&long, 70_000, Some("")),
            row(&long, 0, None),
        ],
    ]
}

/// [I1] A block gives its rows back, in order, and finds the first at or behind each place.
#[test]
fn a_block_gives_back_its_rows() {
    for rows in shapes() {
        let block = decode(build(&rows)).unwrap();
        let block = block.rows();
        assert_eq!(block.len(), rows.len());
        for (at, (key, sequence, value)) in rows.iter().enumerate() {
            let shown = [block.prefix(), block.rest(at)].concat();
            assert_eq!((&shown, block.sequence(at)), (key, *sequence), "[I1]");
            assert_eq!(block.value(at), value.as_deref());
            assert!(block.has_key(at, key));
            let first = |key: &[u8], sequence: u64| {
                let is_before = |row: &(Vec<u8>, u64, _)| {
                    row.0.as_slice().cmp(key).then(sequence.cmp(&row.1)).is_lt()
                };
                rows.iter().take_while(|row| is_before(row)).count()
            };
            let longer = [key.as_slice(), b"\0"].concat();
            let shorter = &key[..key.len().saturating_sub(1)];
            for key in [key.as_slice(), &longer, shorter, b"", b"z"] {
                for sequence in [0, 1, *sequence, sequence + 1, u64::MAX] {
                    assert_eq!(block.seek(key, sequence), first(key, sequence), "{key:?}");
                }
            }
        }
    }
}

/// What blocks are counted by is never below what they take, nor far above.
#[test]
fn the_size_of_a_block_is_known_beforehand() {
    for rows in shapes() {
        let mut builder = BlockBuilder::default();
        for (key, sequence, value) in &rows {
            builder.push(key, *sequence, value.as_deref());
        }
        let (counted, row_bytes) = (builder.bytes(), 12 * rows.len());
        let bytes = builder.finish(7, 3).len();
        assert!(
            counted.abs_diff(bytes) <= row_bytes + 4,
            "{counted}, {bytes}"
        );
    }
}

/// [I2] Whatever the bytes, a block is refused or safe to read; one that was changed is refused.
#[test]
fn a_block_that_was_changed_is_refused() {
    for rows in shapes() {
        let whole = build(&rows);
        for (creation, number) in [(8, 3), (7, 4)] {
            let other = whole.clone().into();
            assert!(Block::decode(other, creation, number, ByteOffset::new(0)).is_err());
        }
        // Of long keys and values only the fields before them differ in kind.
        for at in 0..whole.len().min(1_500) {
            assert!(decode(whole[..at].to_vec()).is_err());
            let mut changed = whole.clone();
            changed[at] ^= 0x10;
            assert_eq!(
                decode(changed.clone()).unwrap_err().field,
                "checksum",
                "[I2]"
            );
            // With a checksum that fits nothing else holds a wrong length back.
            let end = changed.len() - CHECKSUM_BYTES;
            let sum = checksum(7, 3, &changed[..end]).to_le_bytes();
            changed[end..].copy_from_slice(&sum);
            let Ok(block) = decode(changed) else { continue };
            let block = block.rows();
            for row in 0..block.len() {
                let _ = (block.rest(row), block.value(row), block.sequence(row));
            }
            let _ = block.seek(b"a", 1);
        }
    }
}

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
    Block::decode(bytes, 7, 3, ByteOffset::new(0))
}

/// Rows of several shapes: one key often, long prefixes, keys that are prefixes of others.
fn shapes() -> Vec<Rows> {
    let row = |key: &str, sequence, value: Option<&str>| {
        let value = value.map(|value| value.as_bytes().to_vec());
        (key.as_bytes().to_vec(), sequence, value)
    };
    let many = (0..200).map(|at| row(&format!("same prefix {at:06}"), 5, Some("v")));
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
    ]
}

/// [I1] A block gives its rows back, in order, and finds the first at or behind each place.
#[test]
fn a_block_gives_back_its_rows() {
    for rows in shapes() {
        let block = decode(build(&rows)).unwrap();
        assert_eq!(block.rows(), rows.len());
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

/// [I2] Whatever the bytes, a block is refused or safe to read; one that was changed is refused.
#[test]
fn a_block_that_was_changed_is_refused() {
    for rows in shapes() {
        let whole = build(&rows);
        assert!(Block::decode(whole.clone(), 8, 3, ByteOffset::new(0)).is_err());
        assert!(Block::decode(whole.clone(), 7, 4, ByteOffset::new(0)).is_err());
        for at in 0..whole.len() {
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
            for row in 0..block.rows() {
                let _ = (block.rest(row), block.value(row), block.sequence(row));
            }
            let _ = block.seek(b"a", 1);
        }
    }
}

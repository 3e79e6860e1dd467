//! Tests of tables.

use super::*;
use crate::commitlog::testing::Scratch;

fn directory(scratch: &Scratch) -> Directory {
    Directory::open(&scratch.env, std::path::Path::new("")).unwrap()
}

fn write(directory: &Directory, rows: u64) -> TableInfo {
    let mut writer = TableWriter::create(directory, 5, 64).unwrap();
    for row in 0..rows {
        let key = format!("key {row:03}");
        for sequence in [row + 9, row + 1] {
            let value = sequence.to_string();
            let value = (row % 3 != 0).then_some(value.as_bytes());
            writer.push(key.as_bytes(), sequence, value).unwrap();
        }
    }
    writer.finish().unwrap()
}

/// [I1] A table is found whole under its name.
#[test]
fn a_table_gives_back_its_rows_as_of_a_sequence() {
    let scratch = Scratch::new();
    let directory = directory(&scratch);
    let info = write(&directory, 40);
    assert_eq!(scratch.names(), [name(5)], "[I1]");
    assert_eq!(
        (parse(&name(5)), parse("5.tbl"), info.rows),
        (Some(5), None, 80)
    );
    let cache = Cache::new(1 << 20);
    let table = Table::open(&directory, &info, "the test", &cache).unwrap();
    assert!(table.blocks() > 10);
    for row in 0..40 {
        let key = format!("key {row:03}");
        let value = |sequence: u64| (row % 3 != 0).then(|| sequence.to_string().into_bytes());
        let show = |value: Option<&[u8]>| value.map(<[u8]>::to_vec);
        let get_key = |key: &[u8], sequence| {
            let got = table.get_with(key, KeyHash::of(key), sequence, show);
            got.unwrap()
        };
        let get = |sequence| get_key(key.as_bytes(), sequence);
        assert_eq!(get(u64::MAX), Some(value(row + 9)));
        assert_eq!(get(row + 8), Some(value(row + 1)));
        assert_eq!(get(row), None);
        assert_eq!(get_key(format!("{key}x").as_bytes(), 99), None);
    }
}

/// [I2] Each byte of a table that was changed is noticed when the part is read, and the error names
/// the file; what was read before is not asked for again.
#[test]
fn damage_is_told_by_file_and_place() {
    let scratch = Scratch::new();
    let directory = directory(&scratch);
    let info = write(&directory, 4);
    let whole = scratch.read(&name(5));
    let cache = Cache::new(1 << 20);
    let read_all = || {
        let table = Table::open(&directory, &info, "the test", &cache)?;
        for number in 0..table.blocks() {
            table.block(number, Caching::Keep)?;
        }
        scratch.write(&name(5), &[]);
        table.block(0, Caching::Keep).map(|_| ())
    };
    assert!(read_all().is_ok(), "[I2] a block that was read stays");
    for at in 0..whole.len() {
        let mut changed = whole.clone();
        changed[at] ^= 4;
        scratch.write(&name(5), &changed);
        match read_all() {
            Err(StoreError::Corrupt { corrupt }) => assert_eq!(corrupt.file, name(5)),
            other => panic!("byte {at}: {other:?}"),
        }
        scratch.write(&name(5), &whole[..at]);
        assert!(read_all().is_err(), "cut at {at}");
    }
    scratch.remove(&name(5));
    let missing = Table::open(&directory, &info, "the test", &cache).unwrap_err();
    assert!(
        matches!(missing, StoreError::TableMissing { .. }),
        "{missing}"
    );
}

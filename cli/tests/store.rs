//! The commands on a store as a person uses them: what they print, their exit codes, and that those
//! which only look write nothing.
#![expect(
    clippy::disallowed_methods,
    reason = "tests of the command work on real files"
)]

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::SystemTime;

use blackstart::commitlog::Durability;
use blackstart::store::{Keyspace, Store, StoreOptions};

/// Runs the command in a directory; its exit code, standard output and standard error.
fn run(dir: &Path, arguments: &[&str], input: &str) -> (Option<i32>, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_blackstart"));
    let command = command.current_dir(dir).args(arguments);
    let pipes = command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = pipes.stderr(Stdio::piped()).spawn().expect("it runs");
    let mut stdin = child.stdin.take().expect("a pipe");
    // It may end without reading it.
    drop(stdin.write_all(input.as_bytes()));
    drop(stdin);
    let output = child.wait_with_output().expect("it ends");
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("text");
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert!(!err.contains("panicked"), "{err}");
    (output.status.code(), out, err)
}

#[track_caller]
fn check(dir: &Path, arguments: &[&str], code: i32, out: &[&str], err: &[&str]) -> String {
    let (found, stdout, stderr) = run(dir, arguments, "");
    assert_eq!(found, Some(code), "{arguments:?}\n{stdout}\n{stderr}");
    for part in out {
        assert!(stdout.contains(part), "{part:?} is not in:\n{stdout}");
    }
    for part in err {
        assert!(stderr.contains(part), "{part:?} is not in:\n{stderr}");
    }
    assert_eq!(err.is_empty(), stderr.is_empty(), "{stderr}");
    stdout
}

fn options() -> StoreOptions {
    StoreOptions::new(Durability::Synced)
        .create(true)
        .block_bytes(128)
}

/// A store in the directory `data` of a scratch directory: one table, and batches behind it.
fn scratch() -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a directory");
    let (store, _) = Store::open_path(dir.path().join("data"), &options()).expect("opens");
    let put = |key: &[u8], value: &[u8]| {
        store.put(Keyspace::DEFAULT, key, value).expect("writes");
    };
    for number in 0..20 {
        put(
            format!("key {number:02}").as_bytes(),
            format!("value {number}").as_bytes(),
        );
    }
    store.delete(Keyspace::DEFAULT, b"key 03").expect("deletes");
    store.flush().expect("flushes");
    put(b"key \xff", b"a\tb");
    let other = store.keyspace("other").expect("creates");
    store.put(other, b"elsewhere", b"").expect("writes");
    store.close().expect("closes");
    dir
}

/// All files of a directory with their bytes and the times of their last change.
fn contents(dir: &Path) -> Vec<(PathBuf, Vec<u8>, SystemTime)> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(dir).expect("lists") {
        let path = entry.expect("an entry").path();
        let changed = std::fs::metadata(&path).and_then(|own| own.modified());
        let changed = changed.expect("a time");
        match path.is_dir() {
            true => {
                files.extend(contents(&path));
                files.push((path, Vec::new(), changed));
            }
            false => files.push((path.clone(), std::fs::read(&path).expect("reads"), changed)),
        }
    }
    files.sort();
    files
}

const TABLE: &str = "data/tables/00000000000000000001.tbl";

/// Changes one byte of a file.
fn flip(file: &Path, at: usize) {
    let mut bytes = std::fs::read(file).expect("reads");
    bytes[at] ^= 1;
    std::fs::write(file, bytes).expect("writes");
}

#[test]
fn what_looks_writes_nothing() {
    let scratch = scratch();
    let dir = scratch.path();
    let before = contents(dir);
    let commands: [&[&str]; 9] = [
        &["inspect", "data"],
        &["inspect", "data", "--brief"],
        &["verify", "data"],
        &["get", "data", "key 01"],
        &["scan", "data"],
        &["stats", "data"],
        &["dump", "data"],
        &["dump", "data", "--skip-damaged"],
        &["verify", "data", "--json"],
    ];
    for command in commands {
        let arguments = [&["store"], command].concat();
        let out = check(dir, &arguments, 0, &[], &[]);
        assert!(!out.is_empty(), "{command:?}");
        assert!(contents(dir) == before, "{command:?} has written");
    }
}

#[test]
fn values_are_shown_as_asked() {
    let scratch = scratch();
    let dir = scratch.path();
    let get = |key: &str, more: &[&str]| {
        let arguments = [&["store", "get", "data", key], more].concat();
        check(dir, &arguments, 0, &[], &[])
    };
    assert_eq!(get("key 07", &[]), "value 7\n");
    assert_eq!(get(r"key \xff", &[]), "a\\tb\n");
    assert_eq!(get("6b657920ff", &["--encoding", "hex"]), "610962\n");
    assert_eq!(get("a2V5IP8=", &["--encoding", "base64"]), "YQli\n");
    assert_eq!(get("elsewhere", &["--keyspace", "2"]), "\n");
    assert_eq!(
        get("key 07", &["--json"]),
        "{\"encoding\":\"text\",\"key\":\"key 07\",\"keyspace\":1,\"value\":\"value 7\"}\n"
    );
    let missing = ["error: there is no value for key 03"];
    check(dir, &["store", "get", "data", "key 03"], 1, &[], &missing);
    let malformed = ["`6b6` is not hexadecimal: two digits a byte"];
    let arguments = ["store", "get", "data", "6b6", "--encoding", "hex"];
    check(dir, &arguments, 1, &[], &malformed);
    let no_keyspace = ["keyspace 0: "];
    let arguments = ["store", "get", "data", "a", "--keyspace", "0"];
    check(dir, &arguments, 1, &[], &no_keyspace);
}

#[test]
fn a_scan_shows_a_part() {
    let scratch = scratch();
    let scan = |more: &[&str]| {
        let arguments = [&["store", "scan", "data"], more].concat();
        let out = check(scratch.path(), &arguments, 0, &[], &[]);
        out.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(scan(&[]).len(), 20);
    assert_eq!(scan(&["--limit", "1"]), ["key 00\tvalue 0"]);
    assert_eq!(
        scan(&["--from", "key 02", "--to", "key 05", "--keys"]),
        ["key 02", "key 04"]
    );
    assert_eq!(scan(&["--prefix", "key 1"]).len(), 10);
    assert_eq!(scan(&["--prefix", "none"]), [""; 0]);
}

#[test]
fn a_damaged_store_is_judged_and_what_is_left_is_saved() {
    let scratch = scratch();
    let dir = scratch.path();
    check(
        dir,
        &["store", "verify", "data"],
        0,
        &["21 rows", ": good", "good: 1 table, 3 batches"],
        &[],
    );
    flip(&dir.join(TABLE), 300);
    let wrong = [
        "wrong: data/tables/00000000000000000001.tbl",
        "1 block cannot be read",
        "1 thing is wrong",
    ];
    check(dir, &["store", "verify", "data"], 2, &wrong, &[]);
    let damaged = [TABLE, "checksum", "dump --skip-damaged DIR"];
    check(dir, &["store", "scan", "data"], 2, &[], &damaged);
    let lost = ["lost: keys from 1/key ", " through 1/key ", TABLE];
    let rows = check(
        dir,
        &["store", "dump", "data", "--skip-damaged"],
        2,
        &[],
        &lost,
    );
    assert!((12..23).contains(&rows.lines().count()), "{rows}");
    // What was saved makes another store.
    let (code, out, err) = run(dir, &["store", "load", "saved", "--create"], &rows);
    assert_eq!((code, err), (Some(0), String::new()), "{out}");
    let again = check(dir, &["store", "dump", "saved"], 0, &[], &[]);
    assert_eq!(again, rows);
}

#[test]
fn a_backup_is_a_store() {
    let scratch = scratch();
    let dir = scratch.path();
    let parts = [
        "copy: 1 table of ",
        " linked and 0 copied",
        "before sequence 25",
    ];
    check(dir, &["store", "backup", "data", "copy"], 0, &parts, &[]);
    let dump = |name: &str| check(dir, &["store", "dump", name], 0, &[], &[]);
    assert_eq!(dump("copy"), dump("data"));
    check(dir, &["store", "verify", "copy"], 0, &["good: "], &[]);
    let there = ["copy: it exists already; give a directory that does not exist"];
    check(dir, &["store", "backup", "data", "copy"], 1, &[], &there);
}

#[test]
fn rows_go_in_and_come_out() {
    let scratch = tempfile::tempdir().expect("a directory");
    let dir = scratch.path();
    let rows = "{\"keyspace\":1,\"encoding\":\"hex\",\"key\":\"00ff\",\"value\":\"\"}\n\
                \n\
                {\"keyspace\":3,\"name\":\"third\"}\n\
                {\"keyspace\":3,\"encoding\":\"text\",\"key\":\"b\",\"value\":\"\\\\x00\"}\n";
    let (code, out, err) = run(dir, &["store", "load", "data"], rows);
    assert_eq!((code, out), (Some(1), String::new()));
    assert!(err.contains("there is no store"), "{err}");
    let (code, out, _) = run(dir, &["store", "load", "data", "--create"], rows);
    assert_eq!(
        (code, out.as_str()),
        (Some(0), "2 rows are in data, durably\n")
    );
    let dumped = check(
        dir,
        &["store", "dump", "data", "--encoding", "hex"],
        0,
        &[],
        &[],
    );
    assert_eq!(dumped.lines().count(), 4);
    assert!(
        dumped.contains("{\"keyspace\":2,\"name\":\"third\"}\n"),
        "{dumped}"
    );
    // Three of them are the store's own: two names, and the next keyspace's number.
    let compacted = ["now: 1 table, 5 rows"];
    check(dir, &["store", "compact", "data"], 0, &compacted, &[]);
    check(
        dir,
        &["store", "stats", "data"],
        0,
        &["tables   1 table, ", "closed"],
        &[],
    );
    for bad in [
        "{}",
        "{\"keyspace\":0,\"encoding\":\"text\",\"key\":\"\",\"value\":\"\"}",
    ] {
        let (code, _, err) = run(dir, &["store", "load", "data"], bad);
        assert_eq!(code, Some(1), "{err}");
        assert!(err.starts_with("error: -, line 1: "), "{err}");
    }
}

#[test]
fn what_is_no_store_is_told_in_a_line() {
    let scratch = scratch();
    let dir = scratch.path();
    for command in ["verify", "scan", "stats", "inspect", "dump", "compact"] {
        let missing = ["error: none: there is no store; "];
        check(dir, &["store", command, "none"], 1, &[], &missing);
    }
    let _held = Store::open_path(dir.join("data"), &options()).expect("opens");
    let held = ["error: data: the store is in use; end the program that has it open"];
    check(dir, &["store", "compact", "data"], 1, &[], &held);
    check(dir, &["store", "scan", "data"], 0, &["key 00"], &[]);
}

/// A writer in another process makes tables, merges them and retires its log all the while.
#[test]
fn readers_go_on_beside_a_writer_in_another_process() {
    let scratch = tempfile::tempdir().expect("a directory");
    let dir = scratch.path();
    let (code, _, err) = run(dir, &["store", "load", "data", "--create"], "");
    assert_eq!(code, Some(0), "{err}");
    let mut writer = Command::new(env!("CARGO_BIN_EXE_blackstart"))
        .current_dir(dir)
        .args(["store", "load", "data", "--batch", "7"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .expect("it runs");
    let mut rows = writer.stdin.take().expect("a pipe");
    let mut seen = 0;
    for round in 0..8 {
        for number in 0..500 {
            let key = format!("key {round}/{number:03}");
            writeln!(
                rows,
                "{{\"keyspace\":1,\"encoding\":\"text\",\"key\":\"{key}\",\"value\":\"{number}\"}}"
            )
            .expect("it reads");
        }
        let shown = check(dir, &["store", "dump", "data"], 0, &[], &[]);
        let shown = shown.lines().count();
        assert!(shown >= seen, "{shown} rows after {seen}");
        seen = shown;
        check(dir, &["store", "verify", "data"], 0, &["good: "], &[]);
        let copy = format!("copy {round}");
        check(dir, &["store", "backup", "data", &copy], 0, &[], &[]);
        check(dir, &["store", "verify", &copy], 0, &["good: "], &[]);
    }
    drop(rows);
    assert!(writer.wait().expect("it ends").success());
    let shown = check(dir, &["store", "dump", "data"], 0, &[], &[]);
    assert_eq!(
        shown.lines().count(),
        1 + 4000,
        "the keyspace, and its rows"
    );
}

/// With few handles a store works, and with too few it says so.
#[test]
fn too_few_handles_are_told() {
    let scratch = scratch();
    let limited = |limit: u32, command: &str| {
        let program = env!("CARGO_BIN_EXE_blackstart");
        let shell = format!("ulimit -n {limit}; exec '{program}' store {command}");
        let output = Command::new("sh")
            .current_dir(scratch.path())
            .args(["-c", &shell])
            .output()
            .expect("a shell");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (
            output.status.code(),
            text(&output.stdout),
            text(&output.stderr),
        )
    };
    for command in [
        "verify data",
        "scan data",
        "compact data",
        "backup data copy",
    ] {
        let (code, out, err) = limited(64, command);
        assert_eq!(code, Some(0), "{command}: {out}{err}");
    }
    let mut told = 0;
    for limit in 4..12 {
        let (code, out, err) = limited(limit, "scan data");
        assert!(!err.contains("panicked"), "{err}");
        match code {
            Some(0) => assert_eq!(out.lines().count(), 20),
            // The loader of the program itself may fail before.
            _ => told += u32::from(err.contains("ulimit -n")),
        }
    }
    assert!(told > 0);
}

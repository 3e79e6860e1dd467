//! Random sequences of calls over few names and handles, the same in both worlds.
//!
//! The generator's seed is fixed, so a failure repeats; it is shrunk before it is shown.

use blackstart_vfs::{Lock, LockKind, OpenOptions};
use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, any};
use proptest::prop_oneof;
use proptest::sample::select;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner};

use super::transcript::{Handle, Session};
use super::{first_difference, transcripts};

const PATHS: [&str; 9] = ["a", "b", "d", "d/a", "d/b", "d/e", "d/e/a", "f", "f/a"];
const HANDLES_MAX: usize = 4;
const LOCKS_MAX: usize = 3;
const SEQUENCES: u32 = 400;
const CALLS_MAX: usize = 120;

#[derive(Clone, Debug)]
enum Call {
    Open {
        path: &'static str,
        options: OpenOptions,
        handle: usize,
    },
    Close {
        handle: usize,
    },
    Read {
        handle: usize,
        len: usize,
        offset: u64,
    },
    Write {
        handle: usize,
        byte: u8,
        len: usize,
        offset: u64,
    },
    SetLen {
        handle: usize,
        len: u64,
    },
    Allocate {
        handle: usize,
        offset: u64,
        len: u64,
    },
    Punch {
        handle: usize,
        offset: u64,
        len: u64,
    },
    Sync {
        handle: usize,
    },
    Contents {
        handle: usize,
    },
    /// Makes the calls that follow below a directory, held by its inode.
    Enter {
        path: &'static str,
    },
    /// Makes them below the root again.
    Leave,
    CreateDir {
        path: &'static str,
    },
    ReadDir {
        path: &'static str,
    },
    Rename {
        from: &'static str,
        to: &'static str,
    },
    HardLink {
        existing: &'static str,
        new: &'static str,
    },
    RemoveFile {
        path: &'static str,
    },
    RemoveDir {
        path: &'static str,
    },
    Metadata {
        path: &'static str,
    },
    SyncDir {
        path: &'static str,
    },
    Lock {
        path: &'static str,
        kind: LockKind,
        lock: usize,
    },
    Unlock {
        lock: usize,
    },
}

fn path() -> impl Strategy<Value = &'static str> {
    select(&PATHS[..])
}

fn handle() -> std::ops::Range<usize> {
    0..HANDLES_MAX
}

/// Positions cluster around the ends of sectors and pages.
fn position() -> impl Strategy<Value = u64> {
    prop_oneof![
        0..20_u64,
        500..530_u64,
        4_080..4_110_u64,
        8_190..8_200_u64,
        0..20_000_u64
    ]
}

fn options() -> impl Strategy<Value = OpenOptions> {
    let new = OpenOptions::new;
    prop_oneof![
        3 => Just(new().read().write().create()),
        2 => Just(new().read().write()),
        1 => Just(new().read().write().create_new()),
        1 => Just(new().read().write().truncate()),
        1 => Just(new().write().create().truncate()),
        1 => Just(new().read()),
        1 => Just(new().write()),
    ]
}

fn call_on_file() -> impl Strategy<Value = Call> {
    let span = || (handle(), position(), position());
    let len = 0..9_000_usize;
    prop_oneof![
        3 => (path(), options(), handle())
            .prop_map(|(path, options, handle)| Call::Open { path, options, handle }),
        1 => handle().prop_map(|handle| Call::Close { handle }),
        2 => (handle(), len.clone(), position())
            .prop_map(|(handle, len, offset)| Call::Read { handle, len, offset }),
        4 => (handle(), any::<u8>(), len, position())
            .prop_map(|(handle, byte, len, offset)| Call::Write { handle, byte, len, offset }),
        2 => (handle(), position()).prop_map(|(handle, len)| Call::SetLen { handle, len }),
        1 => span().prop_map(|(handle, offset, len)| Call::Allocate { handle, offset, len }),
        1 => span().prop_map(|(handle, offset, len)| Call::Punch { handle, offset, len }),
        1 => handle().prop_map(|handle| Call::Sync { handle }),
        2 => handle().prop_map(|handle| Call::Contents { handle }),
    ]
}

fn call_on_names() -> impl Strategy<Value = Call> {
    let kind = select(&[LockKind::Shared, LockKind::Exclusive][..]);
    prop_oneof![
        1 => path().prop_map(|path| Call::Enter { path }),
        1 => Just(Call::Leave),
        3 => path().prop_map(|path| Call::CreateDir { path }),
        1 => path().prop_map(|path| Call::ReadDir { path }),
        4 => (path(), path()).prop_map(|(from, to)| Call::Rename { from, to }),
        3 => (path(), path()).prop_map(|(existing, new)| Call::HardLink { existing, new }),
        2 => path().prop_map(|path| Call::RemoveFile { path }),
        2 => path().prop_map(|path| Call::RemoveDir { path }),
        1 => path().prop_map(|path| Call::Metadata { path }),
        1 => path().prop_map(|path| Call::SyncDir { path }),
        1 => (path(), kind, 0..LOCKS_MAX)
            .prop_map(|(path, kind, lock)| Call::Lock { path, kind, lock }),
        1 => (0..LOCKS_MAX).prop_map(|lock| Call::Unlock { lock }),
    ]
}

/// The handles and locks that a sequence holds.
#[derive(Default)]
struct Held {
    handles: [Option<Handle>; HANDLES_MAX],
    locks: [Option<Box<dyn Lock>>; LOCKS_MAX],
}

fn run(s: &mut Session<'_>, calls: &[Call]) {
    let mut held = Held::default();
    for call in calls {
        if !run_on_file(s, &mut held.handles, call) {
            run_on_names(s, &mut held.locks, call);
        }
    }
    s.tree();
    s.go(None);
    s.tree();
}

/// Makes a call that concerns an open file; false if this is none.
fn run_on_file(s: &mut Session<'_>, handles: &mut [Option<Handle>], call: &Call) -> bool {
    let Some(slot) = slot_of(call) else {
        return false;
    };
    match *call {
        Call::Open { path, options, .. } => handles[slot] = s.open(path, options),
        Call::Close { .. } => handles[slot] = None,
        _ => {
            if let Some(handle) = &handles[slot] {
                run_on_handle(s, handle, call);
            }
        }
    }
    true
}

fn slot_of(call: &Call) -> Option<usize> {
    match *call {
        Call::Open { handle, .. }
        | Call::Close { handle }
        | Call::Read { handle, .. }
        | Call::Write { handle, .. }
        | Call::SetLen { handle, .. }
        | Call::Allocate { handle, .. }
        | Call::Punch { handle, .. }
        | Call::Sync { handle }
        | Call::Contents { handle } => Some(handle),
        _ => None,
    }
}

fn run_on_handle(s: &mut Session<'_>, handle: &Handle, call: &Call) {
    match *call {
        Call::Read { len, offset, .. } => s.read(handle, len, offset),
        Call::Write {
            byte, len, offset, ..
        } => s.write(handle, &vec![byte; len], offset),
        Call::SetLen { len, .. } => s.set_len(handle, len),
        Call::Allocate { offset, len, .. } => s.allocate(handle, offset, len),
        Call::Punch { offset, len, .. } => s.punch(handle, offset, len),
        Call::Sync { .. } => s.sync_data(handle),
        Call::Contents { .. } => {
            s.contents(handle);
            s.link_count(handle);
        }
        _ => unreachable!("not a call on a handle: {call:?}"),
    }
}

fn run_on_names(s: &mut Session<'_>, locks: &mut [Option<Box<dyn Lock>>], call: &Call) {
    match *call {
        Call::Enter { path } => {
            let held = s.subdir(path);
            if held.is_some() {
                s.go(held.as_ref());
            }
        }
        Call::Leave => s.go(None),
        Call::CreateDir { path } => drop(s.create_dir(path)),
        Call::ReadDir { path } => s.read_dir(path),
        Call::Rename { from, to } => drop(s.rename(from, to)),
        Call::HardLink { existing, new } => drop(s.hard_link(existing, new)),
        Call::RemoveFile { path } => drop(s.remove_file(path)),
        Call::RemoveDir { path } => drop(s.remove_dir(path)),
        Call::Metadata { path } => s.metadata(path),
        Call::SyncDir { path } => s.sync_dir(path),
        Call::Lock { path, kind, lock } => {
            // The slot is freed first, so that its old lock is not in the way of the new one.
            locks[lock] = None;
            locks[lock] = s.lock(path, kind);
        }
        Call::Unlock { lock } => locks[lock] = None,
        _ => unreachable!("not a call on names: {call:?}"),
    }
}

#[test]
fn random_sequences_agree() {
    let config = Config {
        cases: SEQUENCES,
        failure_persistence: None,
        ..Config::default()
    };
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut runner = TestRunner::new_with_rng(config, rng);
    let calls = vec(prop_oneof![call_on_file(), call_on_names()], 1..CALLS_MAX);
    let result = runner.run(&calls, |calls| {
        let (real, simulated) = transcripts(|s| run(s, &calls));
        match first_difference(&real, &simulated) {
            None => Ok(()),
            Some(difference) => Err(TestCaseError::fail(difference)),
        }
    });
    if let Err(failure) = result {
        panic!("{failure}");
    }
}

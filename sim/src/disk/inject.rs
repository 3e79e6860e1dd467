//! Which fault strikes a call, and the ledger of what became of it.

use crate::call::{CallId, CallKind};

use super::damage::{Damage, Harm, OF_EARLIER, garbage};
use super::fault::{Errno, Fault, FaultRule, LedgerEntry, Promise, SyncFailure, Trigger, matches};
use super::ledger::{Fate, Ledger, Shown, Sighting};
use super::simfs::SimFs;
use super::tree::{Ino, Tree};

/// Limits of the disk itself, as reports name them.
const CAPACITY: &str = "capacity of the disk";
const HANDLES: &str = "out of handles";

/// Bytes of a damaged sector.
const SECTOR: u64 = 512;

struct State {
    rule: FaultRule,
    /// Calls that matched so far.
    seen: u32,
    injected: u64,
    /// Bytes that were damaged at rest are all written anew, or gone.
    is_repaired: bool,
}

/// The faults of one run.
#[derive(Default)]
pub(super) struct Injector {
    states: Vec<State>,
    is_healed: bool,
    /// Every call fails from now on.
    pub is_shut_down: bool,
    /// Whose doing that is.
    pub shut_down_by: usize,
    /// Inodes whose next sync reports an error that belongs to an earlier one, and whose it is.
    pub delayed: Vec<(Ino, usize)>,
    pub ledger: Ledger,
    /// Names under which a file was known before: the earlier one and the later.
    aliases: Vec<(String, String)>,
    /// Whether the disk itself has limits that a call may meet.
    pub has_limits: bool,
    /// How often a limit of the disk itself was met: of its space, of open files.
    limits_met: [u64; 2],
}

impl Injector {
    pub fn new(rules: &[FaultRule]) -> Self {
        let state = |rule: &FaultRule| State {
            rule: rule.clone(),
            seen: 0,
            injected: 0,
            is_repaired: false,
        };
        Self {
            states: rules.iter().map(state).collect(),
            ..Self::default()
        }
    }

    pub fn add(&mut self, rule: FaultRule) {
        self.states.push(State {
            rule,
            seen: 0,
            injected: 0,
            is_repaired: false,
        });
        self.is_healed = false;
    }

    /// Whether no rule can strike a call: the usual case, kept cheap.
    pub fn is_idle(&self) -> bool {
        self.states.is_empty() && !self.is_shut_down
    }

    /// The first rule that strikes this call, which makes a file longer if it `grows`.
    pub fn strike(&mut self, call: CallId, path: &str, grows: bool) -> Option<(usize, Fault)> {
        if self.is_healed {
            return None;
        }
        let mut struck = None;
        for (index, state) in self.states.iter_mut().enumerate() {
            let matches_call = match &state.rule.when {
                Trigger::Call(at) => *at == call,
                Trigger::Nth { kind, files, .. } => *kind == call.kind && matches(files, path),
                Trigger::Growth { files, .. } => grows && matches(files, path),
                Trigger::Boot { .. } => false,
            };
            if !matches_call {
                continue;
            }
            let hits = match state.rule.when.counted() {
                Some((nth, times)) => {
                    state.seen += 1;
                    let first = nth.max(1);
                    (first..first.saturating_add(times)).contains(&state.seen)
                }
                None => true,
            };
            if hits && struck.is_none() && fits(&state.rule.what, call.kind) {
                state.injected += 1;
                struck = Some((index, state.rule.what.clone()));
            }
        }
        struck
    }

    /// What is wrong with the disk from the beginning: the bytes that may be added, if limited.
    pub fn at_boot(&mut self) -> Option<u64> {
        let mut spare = None;
        for state in &mut self.states {
            if let (Trigger::Boot { .. }, Fault::SpareBytes(bytes)) =
                (&state.rule.when, &state.rule.what)
            {
                spare = Some(*bytes);
            }
        }
        spare
    }

    /// A rule that was to strike found nothing to strike at.
    pub fn missed(&mut self, rule: usize) {
        if let Some(state) = self.states.get_mut(rule) {
            state.injected = state.injected.saturating_sub(1);
        }
    }

    /// The rules of faults at rest that found a file have struck.
    pub fn struck_at_rest(&mut self, rules: &[usize]) {
        for &rule in rules {
            if let Some(state) = self.states.get_mut(rule) {
                state.injected += 1;
            }
        }
    }

    /// A fault shows itself to a call on `path`.
    pub fn observed(&mut self, call: CallId, path: &str, rule: usize, shown: Shown) {
        let files = self.names(path);
        self.observed_in(call, files, rule, shown);
    }

    /// A fault shows itself to a call that concerns these files.
    pub fn observed_in(&mut self, call: CallId, files: Vec<String>, rule: usize, shown: Shown) {
        let state = self.states.get(rule).filter(|_| rule != OF_EARLIER);
        let kind = state.map_or("damage of an earlier era", |state| state.rule.what.kind());
        self.ledger.see(Sighting {
            kind,
            rule: state.map(|_| rule),
            call,
            files,
            shown,
            fate: Fate::Open,
        });
    }

    /// `from` is about to be called `to` as well.
    pub fn renames(&mut self, from: &str, to: &str) {
        if self.has_limits || !self.states.is_empty() {
            self.aliases.push((from.to_owned(), to.to_owned()));
        }
    }

    /// A name and those that the file got since.
    fn names(&self, path: &str) -> Vec<String> {
        let mut names = vec![path.to_owned()];
        for (from, to) in &self.aliases {
            if names.contains(from) && !names.contains(to) {
                names.push(to.clone());
            }
        }
        names
    }

    /// A limit of the disk's space was met.
    pub fn space_ran_out(&mut self, call: CallId, path: &str, shown: &Shown) {
        let mut limits = Vec::new();
        for (rule, state) in self.states.iter_mut().enumerate() {
            if matches!(state.rule.what, Fault::SpareBytes(_)) {
                state.injected += 1;
                limits.push(rule);
            }
        }
        if limits.is_empty() {
            self.limits_met[0] += 1;
            self.limit_met(CAPACITY, call, path, shown.clone());
        }
        for rule in limits {
            self.observed(call, path, rule, shown.clone());
        }
    }

    /// The limit of open files was met.
    pub fn handles_ran_out(&mut self, call: CallId, path: &str) {
        self.limits_met[1] += 1;
        self.limit_met(HANDLES, call, path, Shown::Failed(Errno::Emfile));
    }

    fn limit_met(&mut self, kind: &'static str, call: CallId, path: &str, shown: Shown) {
        self.ledger.see(Sighting {
            kind,
            rule: None,
            call,
            files: self.names(path),
            shown,
            fate: Fate::Open,
        });
    }

    /// Takes down which damage at rest is left on the disk.
    pub fn note_repairs(&mut self, is_left: impl Fn(usize) -> bool) {
        if self.is_healed {
            return;
        }
        for (rule, state) in self.states.iter_mut().enumerate() {
            let is_struck = state.rule.what.is_at_rest() && state.injected > 0;
            state.is_repaired = is_struck && !is_left(rule);
        }
    }

    pub fn heal(&mut self) {
        self.is_healed = true;
        self.is_shut_down = false;
        self.delayed.clear();
    }

    /// How often faults have struck that may make a program report an error. A short call, a
    /// stall or a jump of the wall clock may not.
    pub fn struck(&self) -> u64 {
        let excuses = |state: &&State| {
            !matches!(
                state.rule.what,
                Fault::Short(_) | Fault::Stall(_) | Fault::WallJump(_)
            )
        };
        let excusing = self.states.iter().filter(excuses);
        let by_rules: u64 = excusing.map(|state| state.injected).sum();
        by_rules + self.limits_met.iter().sum::<u64>()
    }

    pub fn promise(&self) -> Promise {
        let struck = self.states.iter().filter(|state| state.injected > 0);
        struck
            .map(|state| state.rule.what.promise())
            .max()
            .unwrap_or_default()
    }

    pub fn ledger(&self) -> Vec<LedgerEntry> {
        let entry = |(rule, state): (usize, &State)| LedgerEntry {
            kind: state.rule.what.kind(),
            injected: state.injected,
            observed: self.ledger.count(rule, None),
            detected: self.ledger.count(rule, Some(Fate::Detected)),
            repaired: u64::from(state.is_repaired),
            masked: self.ledger.count(rule, Some(Fate::Masked)),
            silent: self.ledger.count(rule, Some(Fate::Silent)),
        };
        let limits = self.limits_met.iter().zip([CAPACITY, HANDLES]);
        let limits = limits.filter(|(met, _)| **met > 0);
        let limits = limits.map(|(&met, kind)| LedgerEntry {
            kind,
            injected: met,
            observed: met,
            detected: self.ledger.count_limit(kind, Fate::Detected),
            repaired: 0,
            masked: self.ledger.count_limit(kind, Fate::Masked),
            silent: self.ledger.count_limit(kind, Fate::Silent),
        });
        let rules = self.states.iter().enumerate().map(entry);
        rules.chain(limits).collect()
    }
}

/// Whether a fault can strike a call of this kind.
fn fits(fault: &Fault, kind: CallKind) -> bool {
    let is_sync = matches!(
        kind,
        CallKind::SyncData | CallKind::SyncAll | CallKind::SyncDir
    );
    match fault {
        Fault::Fail(_)
        | Fault::Stall(_)
        | Fault::WallJump(_)
        | Fault::LoseLock
        | Fault::LoseName { .. }
        | Fault::RenewRoot => true,
        Fault::Short(_) => matches!(kind, CallKind::Read | CallKind::Write),
        Fault::Sync(SyncFailure::LyingSync | SyncFailure::StayDirty | SyncFailure::ShutDown) => {
            is_sync
        }
        Fault::Sync(_) => matches!(kind, CallKind::SyncData | CallKind::SyncAll),
        Fault::LostWrite | Fault::MisdirectedWrite { .. } => kind == CallKind::Write,
        Fault::MisdirectedRead { .. } | Fault::StaleRead => kind == CallKind::Read,
        Fault::SpareBytes(_)
        | Fault::Alter(_)
        | Fault::BitFlip { .. }
        | Fault::FlipAt { .. }
        | Fault::GarbageSector { .. }
        | Fault::UnreadableSector { .. } => false,
    }
}

/// Puts the damage at rest of all rules on a disk. Returns the rules that found a file.
pub(super) fn damage_at_rest(rules: &[FaultRule], tree: &Tree, damage: &mut Damage) -> Vec<usize> {
    let mut struck = Vec::new();
    for (index, rule) in rules.iter().enumerate() {
        let Trigger::Boot { files, nth } = &rule.when else {
            continue;
        };
        if !rule.what.is_at_rest() {
            continue;
        }
        let Some((ino, len)) = nth_file(tree, files, *nth) else {
            continue;
        };
        let at = |per_mille: u32| len * u64::from(per_mille.min(999)) / 1_000;
        let sector = |per_mille: u32| {
            let start = at(per_mille) / SECTOR * SECTOR;
            start..(start + SECTOR).min(len)
        };
        match rule.what {
            Fault::BitFlip { per_mille, bit } => {
                damage.harm(ino, at(per_mille), Harm::Flipped(1 << (bit % 8)), index);
            }
            Fault::FlipAt { offset, bit } if offset < len => {
                damage.harm(ino, offset, Harm::Flipped(1 << (bit % 8)), index);
            }
            Fault::GarbageSector { per_mille } => {
                for offset in sector(per_mille) {
                    let harm = Harm::Flipped(garbage(index as u64, offset));
                    damage.harm(ino, offset, harm, index);
                }
            }
            Fault::UnreadableSector { per_mille } => {
                for offset in sector(per_mille) {
                    damage.harm(ino, offset, Harm::Unreadable, index);
                }
            }
            _ => continue,
        }
        struck.push(index);
    }
    struck
}

/// The `nth` file, from 1 and counted around, that is not empty and whose path matches.
fn nth_file(tree: &Tree, files: &str, nth: u32) -> Option<(Ino, u64)> {
    let mut found = Vec::new();
    tree.walk(&mut |_, name, ino| {
        if let Some(inode) = tree.get(ino)
            && !inode.is_dir()
            && inode.len > 0
            && matches(files, name)
        {
            found.push((ino, inode.len));
        }
    });
    let count = found.len();
    if count == 0 {
        return None;
    }
    found.get((nth.max(1) as usize - 1) % count).copied()
}

/// Which calls a fault of a unit test strikes.
enum Calls {
    Of(CallKind),
    Growing,
}

/// Describes a fault in a unit test, in the words of a sentence.
#[must_use = "nothing is injected before `with`"]
pub struct FaultBuilder<'a> {
    fs: &'a SimFs,
    calls: Calls,
    files: String,
    nth: u32,
    times: u32,
}

impl<'a> FaultBuilder<'a> {
    pub(super) fn new(fs: &'a SimFs, kind: CallKind) -> Self {
        Self {
            fs,
            calls: Calls::Of(kind),
            files: "*".to_owned(),
            nth: 1,
            times: 1,
        }
    }

    pub(super) fn of_growth(fs: &'a SimFs) -> Self {
        Self {
            calls: Calls::Growing,
            ..Self::new(fs, CallKind::Write)
        }
    }

    /// Only on paths that match, with `*` for any characters.
    pub fn on(mut self, files: &str) -> Self {
        self.files = files.to_owned();
        self
    }

    /// Only at the `nth` such call, from 1 and counted from when the rule is added.
    pub fn nth(mut self, nth: u32) -> Self {
        self.nth = nth;
        self
    }

    /// So many times in a row.
    pub fn times(mut self, times: u32) -> Self {
        self.times = times;
        self
    }

    /// Injects this fault.
    pub fn with(self, what: Fault) {
        let Self {
            fs,
            calls,
            files,
            nth,
            times,
        } = self;
        let when = match calls {
            Calls::Of(kind) => Trigger::Nth {
                kind,
                files,
                nth,
                times,
            },
            Calls::Growing => Trigger::Growth { files, nth, times },
        };
        fs.inject(FaultRule::new(when, what));
    }

    /// Injects a failure with this error number.
    pub fn errno(self, errno: Errno) {
        self.with(Fault::Fail(errno));
    }
}

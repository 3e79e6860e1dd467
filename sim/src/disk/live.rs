//! What a program sees: calls on file contents, applied at once and traced.
//!
//! Names are in [`super::names`]. Everything here runs under the disk's lock; nothing here
//! switches tasks.

use std::io;

use super::alter::alter;
use super::altered::AlteredNames;
use super::asked::Asked;
use super::config::DiskConfig;
use super::crash::CrashModel;
use super::damage::Damage;
use super::fault::{Errno, Fault, FaultRule, SyncFailure};
use super::hash;
use super::image::Image;
use super::inject::{Injector, damage_at_rest};
use super::ledger::Shown;
use super::page::{Content, PAGE};
use super::record::CallLog;
use super::trace::{Effect, Synced, Trace};
use super::tree::{Ino, Tree};
use crate::call::{CallId, mix64};

/// The sector at so many thousandths of a length.
fn place(len: u64, per_mille: u32) -> u64 {
    len * u64::from(per_mille.min(999)) / 1_000 / 512 * 512
}

/// Files end here (EFBIG).
const FILE_BYTES_MAX: u64 = 1 << 36;

/// The live state of a disk.
pub(super) struct Disk {
    pub config: DiskConfig,
    pub rules: Vec<FaultRule>,
    pub base: Image,
    pub tree: Tree,
    pub damage: Damage,
    /// Names that others have altered.
    pub altered: AlteredNames,
    pub trace: Trace,
    pub injector: Injector,
    /// Open handles by inode.
    pub open: Vec<u32>,
    pub handle_count: u32,
    /// Locks by inode: −1 is exclusive, else the number of shared holders.
    pub locks: Vec<(Ino, i32)>,
    /// Handles of an older generation are dead: the machine has crashed since.
    pub generation: u64,
    pub used_pages: u64,
    /// Pages of files that are gone, whose removal is not durable yet.
    pub limbo_pages: u64,
    /// Files that lost a name since a directory was synced.
    pub unlinked: Vec<Ino>,
    pub capacity_bytes: Option<u64>,
    pub hash: u64,
    pub log: Option<CallLog>,
    /// What the run asks of the image, if that is wanted.
    pub asked: Option<Asked>,
    /// Nanoseconds that the present call stalls, and that the wall clock jumps.
    waits: Option<(u64, i64)>,
}

impl Disk {
    pub fn new(image: &Image, config: &DiskConfig, rules: &[FaultRule]) -> Self {
        let base = image.clone();
        let (altered_image, altered) = alter(image, rules).unzip();
        let image = altered_image.as_ref().unwrap_or(image);
        let altered = AlteredNames::new(altered.unwrap_or_default());
        let mut injector = Injector::new(rules);
        injector.has_limits = config.capacity_bytes.is_some() || config.handles_max.is_some();
        let mut damage = image.damage.clone();
        damage.disown();
        let struck = damage_at_rest(rules, &image.visible, &mut damage);
        injector.struck_at_rest(&struck);
        injector.struck_at_rest(&altered.rules());
        let used_pages = image.visible.allocated();
        let spare = injector
            .at_boot()
            .map(|spare| used_pages * PAGE as u64 + spare);
        let capacity_bytes = match (config.capacity_bytes, spare) {
            (Some(capacity), Some(spare)) => Some(capacity.min(spare)),
            (capacity, spare) => capacity.or(spare),
        };
        Self {
            config: config.clone(),
            rules: rules.to_vec(),
            base,
            tree: image.visible.clone(),
            damage,
            altered,
            trace: Trace::default(),
            injector,
            open: vec![0; image.visible.inodes.len()],
            handle_count: 0,
            locks: Vec::new(),
            generation: 0,
            used_pages,
            limbo_pages: 0,
            unlinked: Vec::new(),
            capacity_bytes,
            hash: 0,
            log: None,
            asked: None,
            waits: None,
        }
    }

    /// What the gate is to do about time after the present call.
    pub fn take_waits(&mut self) -> Option<(u64, i64)> {
        self.waits.take()
    }

    /// The length of a file has a part in what is answered or done.
    pub fn ask_len(&mut self, ino: Ino) {
        if let Some(asked) = &mut self.asked {
            asked.len(ino);
        }
    }

    /// The bytes of a file from here to there are the run's own from now on.
    fn own(&mut self, ino: Ino, from: u64, to: u64) {
        if let Some(asked) = &mut self.asked {
            asked.own(ino, from, to);
        }
    }

    /// Counts a new handle.
    pub fn hold(&mut self, ino: Ino) {
        if let Some(count) = self.open.get_mut(ino.index()) {
            *count += 1;
            self.handle_count += 1;
        }
    }

    /// Counts a closed handle.
    pub fn release(&mut self, ino: Ino) {
        if let Some(count) = self.open.get_mut(ino.index()) {
            *count = count.saturating_sub(1);
            self.handle_count = self.handle_count.saturating_sub(1);
            self.reclaim(ino);
        }
    }

    /// The names of the files in the root that are wanted, in order.
    pub fn file_names(&self, is_wanted: impl Fn(Ino) -> bool) -> Vec<String> {
        let mut names = Vec::new();
        self.tree.walk(&mut |dir, name, ino| {
            let is_file = self.tree.get(ino).is_some_and(|inode| !inode.is_dir());
            if is_file && dir == Ino::ROOT && is_wanted(ino) {
                names.push(name.to_string());
            }
        });
        names
    }

    /// The open files and directories by name; one without a name is said to have been removed.
    pub fn open_files(&self) -> Vec<(String, u32)> {
        let mut names: Vec<Option<String>> = vec![None; self.open.len()];
        self.tree.walk(&mut |_, name, ino| {
            if let Some(slot) = names.get_mut(ino.index()) {
                slot.get_or_insert_with(|| name.to_string());
            }
        });
        if let Some(slot) = names.get_mut(Ino::ROOT.index()) {
            *slot = Some(".".to_owned());
        }
        let open = self.open.iter().zip(names).filter(|(count, _)| **count > 0);
        let named = open.map(|(count, name)| {
            let name = name.unwrap_or_else(|| "a removed file".to_owned());
            (name, *count)
        });
        named.collect()
    }

    /// Takes down which damage at rest is left.
    pub fn note_repairs(&mut self) {
        let (damage, tree, altered) = (&self.damage, &self.tree, &self.altered);
        let is_left =
            |rule| damage.is_left(rule, |ino| tree.get(ino).is_some()) || altered.is_left(rule);
        self.injector.note_repairs(is_left);
    }

    /// Counts a call and its result into the run's hash and log.
    pub fn note<T>(
        &mut self,
        call: CallId,
        result: &io::Result<T>,
        words: [u64; 3],
        describe: impl FnOnce(&mut String),
    ) {
        let code = match result {
            Ok(_) => 0,
            Err(error) => error.raw_os_error().unwrap_or(-1) as u64,
        };
        let mut hash = hash::word(self.hash, call.mix(code));
        for word in words {
            hash = hash::word(hash, word);
        }
        self.hash = hash;
        if let Some(log) = &mut self.log {
            let mut line = String::new();
            describe(&mut line);
            let error = result.as_ref().err().map(ToString::to_string);
            log.push(
                (call, line, error),
                hash,
                self.trace.len(),
                self.injector.ledger(),
            );
        }
    }

    /// As [`Disk::fault`], for a call that makes a file end at `end` or later.
    fn sized_fault(
        &mut self,
        call: CallId,
        path: &str,
        (ino, end): (Ino, u64),
    ) -> io::Result<Option<(usize, Fault)>> {
        let grows = self.tree.get(ino).is_some_and(|inode| end > inode.len);
        self.fault_of(call, path, grows)
    }

    /// What strikes this call. Errors are returned at once; the rest is for the call to do.
    pub fn fault(&mut self, call: CallId, path: &str) -> io::Result<Option<(usize, Fault)>> {
        self.fault_of(call, path, false)
    }

    fn fault_of(
        &mut self,
        call: CallId,
        path: &str,
        grows: bool,
    ) -> io::Result<Option<(usize, Fault)>> {
        if self.injector.is_idle() {
            return Ok(None);
        }
        if self.injector.is_shut_down {
            let rule = self.injector.shut_down_by;
            self.injector
                .observed(call, path, rule, Shown::Failed(Errno::Eio));
            return Err(Errno::Eio.error());
        }
        match self.injector.strike(call, path, grows) {
            Some((rule, Fault::Fail(errno))) => {
                self.injector
                    .observed(call, path, rule, Shown::Failed(errno));
                Err(errno.error())
            }
            Some((rule, Fault::Stall(duration_ns))) => {
                self.injector.observed(call, path, rule, Shown::Late);
                self.waits = Some((duration_ns, 0));
                Ok(None)
            }
            Some((_, Fault::WallJump(delta_ns))) => {
                self.waits = Some((0, delta_ns));
                Ok(None)
            }
            Some((rule, fault)) if fault.is_meddling() => {
                self.meddle(call, rule, &fault);
                Ok(None)
            }
            struck => Ok(struck),
        }
    }

    pub fn content(&self, ino: Ino) -> io::Result<(&Content, u64)> {
        let inode = self.tree.get(ino).ok_or_else(|| Errno::Eio.error())?;
        if inode.is_dir() {
            return Err(Errno::Eisdir.error());
        }
        Ok((&inode.content, inode.len))
    }

    pub fn read(
        &mut self,
        call: CallId,
        path: &str,
        ino: Ino,
        buffer: &mut [u8],
        offset: u64,
    ) -> io::Result<usize> {
        let fault = self.fault(call, path)?;
        self.ask_len(ino);
        let (_, len) = self.content(ino)?;
        let mut count = buffer.len().min(len.saturating_sub(offset) as usize);
        if let Some((rule, Fault::Short(bytes_max))) = fault
            && count as u64 > bytes_max.max(1)
        {
            count = bytes_max.max(1) as usize;
            self.injector.observed(call, path, rule, Shown::Short);
        }
        if let Some(asked) = &mut self.asked {
            let end = offset + count as u64;
            asked.read(ino, offset, end, len);
        }
        let Some(target) = buffer.get_mut(..count) else {
            return Ok(0);
        };
        let asked = offset..offset + target.len() as u64;
        let mut offset = offset;
        match fault {
            Some((rule, Fault::MisdirectedRead { per_mille })) => {
                offset = place(len, per_mille);
                self.content(ino)?.0.read(offset, target);
                let shown = Shown::Misread(asked);
                self.injector.observed(call, path, rule, shown);
            }
            Some((rule, Fault::StaleRead)) => {
                target.fill(0);
                if let Some(inode) = self.base.visible.get(ino) {
                    inode.content.read(offset, target);
                }
                let shown = Shown::Misread(asked);
                self.injector.observed(call, path, rule, shown);
            }
            _ => self.content(ino)?.0.read(offset, target),
        }
        if !self.damage.is_empty() {
            match self.damage.show(ino, offset, target) {
                Ok(rules) => rules.into_iter().for_each(|(rule, bytes)| {
                    self.injector
                        .observed(call, path, rule, Shown::Damaged(bytes));
                }),
                Err(rule) => {
                    self.injector
                        .observed(call, path, rule, Shown::Failed(Errno::Eio));
                    return Err(Errno::Eio.error());
                }
            }
        }
        Ok(count)
    }

    pub fn write(
        &mut self,
        call: CallId,
        path: &str,
        ino: Ino,
        bytes: &[u8],
        offset: u64,
    ) -> io::Result<usize> {
        let end = match bytes.len() {
            0 => 0,
            len => offset.saturating_add(len as u64),
        };
        let fault = match self.sized_fault(call, path, (ino, end)) {
            Err(error) if error.raw_os_error() == Some(Errno::Eio as i32) => {
                self.write_before_failing(call, ino, bytes, offset);
                return Err(error);
            }
            fault => fault?,
        };
        self.content(ino)?;
        if bytes.is_empty() {
            return Ok(0);
        }
        if offset.saturating_add(bytes.len() as u64) > FILE_BYTES_MAX {
            return Err(Errno::Efbig.error());
        }
        let mut bytes = bytes;
        if let Some((rule, Fault::Short(bytes_max))) = fault
            && bytes.len() as u64 > bytes_max.max(1)
        {
            bytes = bytes.get(..bytes_max.max(1) as usize).unwrap_or(bytes);
            self.injector.observed(call, path, rule, Shown::Short);
        }
        bytes = self.fit(call, path, ino, bytes, offset)?;
        self.put(call, ino, bytes, offset, fault.map(|(_, fault)| fault))?;
        Ok(bytes.len())
    }

    /// A write that fails may have written its first bytes. How many is a hash of the call's name.
    fn write_before_failing(&mut self, call: CallId, ino: Ino, bytes: &[u8], offset: u64) {
        let hash = call.mix(0);
        let count = bytes.len() as u64 * (mix64(hash) % 1_000) / 1_000;
        let is_sane = offset.saturating_add(count) <= FILE_BYTES_MAX;
        if hash.is_multiple_of(2)
            && self.capacity_bytes.is_none()
            && is_sane
            && let Some(part) = bytes.get(..count as usize)
            && !part.is_empty()
        {
            // The call fails in any case.
            let _ = self.put(call, ino, part, offset, None);
        }
    }

    /// Puts bytes into a file.
    fn put(
        &mut self,
        call: CallId,
        ino: Ino,
        bytes: &[u8],
        offset: u64,
        fault: Option<Fault>,
    ) -> io::Result<()> {
        self.ask_len(ino);
        let (_, len) = self.content(ino)?;
        let end = offset + bytes.len() as u64;
        let misplaced = match fault {
            Some(Fault::MisdirectedWrite { per_mille }) => Some(place(len.max(end), per_mille)),
            _ => None,
        };
        let is_lost = misplaced.is_some() || fault == Some(Fault::LostWrite);
        if let Some(inode) = self.tree.make_mut(ino) {
            let before = inode.content.allocated();
            inode.content.write(offset, bytes);
            inode.len = inode.len.max(end);
            self.used_pages += inode.content.allocated() - before;
        }
        self.own(ino, offset, end);
        self.damage.heal(ino, offset, bytes.len() as u64);
        self.trace.push_write(call, ino, offset, bytes, is_lost);
        if let Some(place) = misplaced {
            // Only where the disk has blocks of the file already.
            let room = (bytes.len() as u64).min(len.saturating_sub(place));
            self.trace.push_misplaced(call, place, room as usize);
        }
        if end > len {
            self.trace.push(
                call,
                Effect::Size {
                    ino,
                    old: len,
                    new: end,
                    by_write: true,
                },
            );
        }
        Ok(())
    }

    /// As much of a write as there is space for; ENOSPC if there is none.
    fn fit<'b>(
        &mut self,
        call: CallId,
        path: &str,
        ino: Ino,
        bytes: &'b [u8],
        offset: u64,
    ) -> io::Result<&'b [u8]> {
        let Some(capacity) = self.capacity_bytes else {
            return Ok(bytes);
        };
        let free = (capacity / PAGE as u64).saturating_sub(self.used_pages);
        if self
            .content(ino)?
            .0
            .pages_needed(offset, bytes.len() as u64)
            <= free
        {
            return Ok(bytes);
        }
        // Whole pages as long as there are any, counted from the front.
        let mut fits = bytes.len();
        let (content, _) = self.content(ino)?;
        while fits > 0 && content.pages_needed(offset, fits as u64) > free {
            let last_page = (offset + fits as u64 - 1) / PAGE as u64 * PAGE as u64;
            fits = last_page.saturating_sub(offset) as usize;
        }
        match bytes.get(..fits) {
            Some(part) if fits > 0 => {
                self.injector.space_ran_out(call, path, &Shown::Short);
                Ok(part)
            }
            _ => {
                let shown = Shown::Failed(Errno::Enospc);
                self.injector.space_ran_out(call, path, &shown);
                Err(Errno::Enospc.error())
            }
        }
    }

    pub fn set_len(&mut self, call: CallId, path: &str, ino: Ino, new: u64) -> io::Result<()> {
        self.sized_fault(call, path, (ino, new))?;
        self.ask_len(ino);
        let (_, old) = self.content(ino)?;
        if new > FILE_BYTES_MAX {
            return Err(Errno::Efbig.error());
        }
        self.resize(ino, new);
        if new != old {
            self.trace.push(
                call,
                Effect::Size {
                    ino,
                    old,
                    new,
                    by_write: false,
                },
            );
        }
        Ok(())
    }

    fn resize(&mut self, ino: Ino, new: u64) {
        if let Some(inode) = self.tree.make_mut(ino) {
            let before = inode.content.allocated();
            if new < inode.len {
                inode.content.cut(new);
                if let Some(asked) = &mut self.asked {
                    asked.own(ino, new, u64::MAX);
                }
            }
            inode.len = new;
            self.used_pages -= before - inode.content.allocated();
        }
    }

    pub fn allocate(
        &mut self,
        call: CallId,
        path: &str,
        ino: Ino,
        offset: u64,
        len: u64,
    ) -> io::Result<()> {
        self.sized_fault(call, path, (ino, offset.saturating_add(len)))?;
        self.ask_len(ino);
        let (content, old) = self.content(ino)?;
        let end = offset
            .checked_add(len)
            .ok_or_else(|| Errno::Efbig.error())?;
        if end > FILE_BYTES_MAX {
            return Err(Errno::Efbig.error());
        }
        if let Some(capacity) = self.capacity_bytes {
            let needed = content.pages_needed(offset, len);
            if needed > (capacity / PAGE as u64).saturating_sub(self.used_pages) {
                let shown = Shown::Failed(Errno::Enospc);
                self.injector.space_ran_out(call, path, &shown);
                return Err(Errno::Enospc.error());
            }
        }
        if end > old {
            self.resize(ino, end);
            self.trace.push(
                call,
                Effect::Size {
                    ino,
                    old,
                    new: end,
                    by_write: false,
                },
            );
        } else {
            self.trace.push(call, Effect::Floor { ino, len: end });
        }
        Ok(())
    }

    pub fn punch(
        &mut self,
        call: CallId,
        path: &str,
        ino: Ino,
        offset: u64,
        len: u64,
    ) -> io::Result<()> {
        self.fault(call, path)?;
        self.ask_len(ino);
        let (_, size) = self.content(ino)?;
        let end = offset
            .checked_add(len)
            .ok_or_else(|| Errno::Efbig.error())?
            .min(size);
        if end <= offset {
            return Ok(());
        }
        if let Some(inode) = self.tree.make_mut(ino) {
            let before = inode.content.allocated();
            inode.content.zero(offset, end - offset);
            self.used_pages -= before - inode.content.allocated();
        }
        self.own(ino, offset, end);
        self.damage.heal(ino, offset, end - offset);
        self.trace.push(
            call,
            Effect::Zero {
                ino,
                offset,
                len: end - offset,
            },
        );
        Ok(())
    }

    pub fn sync(&mut self, call: CallId, path: &str, ino: Ino, all: bool) -> io::Result<()> {
        if let Some(at) = self
            .injector
            .delayed
            .iter()
            .position(|&(delayed, _)| delayed == ino)
        {
            let (_, rule) = self.injector.delayed.remove(at);
            self.injector
                .observed(call, path, rule, Shown::Failed(Errno::Eio));
            return Err(Errno::Eio.error());
        }
        let fault = match self.fault(call, path) {
            Ok(fault) => fault,
            // A plain EIO from a sync leaves what Linux leaves most often.
            Err(error) => {
                if !self.injector.is_shut_down {
                    self.trace.push(
                        call,
                        Effect::Sync {
                            ino,
                            all,
                            how: Synced::Cleaned,
                        },
                    );
                }
                return Err(error);
            }
        };
        let Some((rule, Fault::Sync(failure))) = fault else {
            self.trace.push(
                call,
                Effect::Sync {
                    ino,
                    all,
                    how: Synced::Done,
                },
            );
            return Ok(());
        };
        let (how, is_reported) = match failure {
            SyncFailure::CleanKeepNew => (Synced::Cleaned, true),
            SyncFailure::PartialThenEio => (Synced::Partial, true),
            SyncFailure::RevertOld => (Synced::Reverted, true),
            SyncFailure::StayDirty | SyncFailure::ShutDown => (Synced::Nothing, true),
            SyncFailure::DelayedReport | SyncFailure::ConsumedByOtherHandle => {
                (Synced::Cleaned, false)
            }
            SyncFailure::LyingSync => (Synced::Nothing, false),
        };
        self.trace.push(call, Effect::Sync { ino, all, how });
        match failure {
            SyncFailure::RevertOld => self.revert(ino),
            SyncFailure::ShutDown => {
                self.injector.is_shut_down = true;
                self.injector.shut_down_by = rule;
            }
            SyncFailure::DelayedReport => self.injector.delayed.push((ino, rule)),
            _ => {}
        }
        if is_reported {
            self.injector
                .observed(call, path, rule, Shown::Failed(Errno::Eio));
            return Err(Errno::Eio.error());
        }
        Ok(())
    }

    /// Shows the old bytes again. What they were is found by reading the trace anew: this is
    /// rare, so that nothing needs to be kept for it.
    fn revert(&mut self, ino: Ino) {
        if let Some(asked) = &mut self.asked {
            asked.void();
        }
        let mut model = CrashModel::new(&self.base, &self.config, &self.rules);
        model.advance(&self.trace, self.trace.len());
        if let (Some(old), Some(inode)) = (model.visible_inode(ino), self.tree.make_mut(ino)) {
            inode.content = old.content.clone();
            inode.len = old.len;
        }
        self.used_pages = self.tree.allocated() + self.limbo_pages;
    }
}

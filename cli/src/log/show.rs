//! What the commands on a log print.

use std::fmt::Write as _;
use std::path::Path;

use blackstart::commitlog::{
    BackupReport, FileNote, FileReason, FrameHeader, FrameKind, HeaderProblem, Inspected, LogEnd,
    LogError, RecoveryReport, SalvageReport, SegmentFlags, SegmentHeader, SegmentVerdict,
    Superblock, TxOffset,
};

use super::advice;

/// Something that `inspect` saw.
pub(crate) fn inspected(seen: &Inspected) -> String {
    match seen {
        Inspected::Segment {
            file,
            bytes,
            header,
        } => segment(file, *bytes, header),
        Inspected::Frame { at, frame, end } => {
            let what = self::frame(frame, *end);
            format!("  {at:>10}  {what}\n")
        }
        Inspected::Break {
            defect,
            bytes,
            later_frames,
        } => format!(
            "  the chain of frames ends: {defect}; {bytes} bytes follow, with {later_frames} valid \
             frames among them\n"
        ),
        Inspected::Gone { file } => format!("{file}  was removed meanwhile\n"),
        Inspected::Superblock { superblock } => format!("lock  {}\n", self::superblock(superblock)),
        Inspected::Other { file, reason } => format!("{file}  {}\n", words(*reason)),
        other => format!("{other:?}\n"),
    }
}

fn frame(frame: &FrameHeader, end: TxOffset) -> String {
    let durable = format!("bytes before {} durable", frame.durable_bytes);
    match frame.kind {
        FrameKind::Commit => format!(
            "commit   {}..{end}, {} transactions, {} bytes, {durable}",
            frame.first, frame.tx_count, frame.payload_len
        ),
        kind => format!(
            "{:8} at transaction {}, {durable}",
            kind.name(),
            frame.first
        ),
    }
}

fn segment(file: &str, bytes: u64, header: &Result<SegmentHeader, HeaderProblem>) -> String {
    let header = match header {
        Ok(header) => header,
        Err(HeaderProblem::UnknownVersion(version)) => {
            return format!("{file}  {bytes} bytes, format version {version} is not known\n");
        }
        Err(HeaderProblem::Defect(defect)) => return format!("{file}  {bytes} bytes, {defect}\n"),
        Err(_) => return format!("{file}  {bytes} bytes, the header cannot be read\n"),
    };
    let mut text = format!(
        "{file}  {bytes} bytes, log {}, epoch {}, incarnation {}, from transaction {}, oldest kept \
         {}, durable through {} ({} bytes)",
        header.log_id,
        header.epoch,
        header.incarnation,
        header.first,
        header.oldest,
        header.durable_through,
        header.durable_bytes
    );
    if let Some(before) = &header.predecessor {
        let _ = write!(
            text,
            ", follows {:020}.log at byte {} and transaction {}",
            before.first.get(),
            before.end_at,
            before.end_tx
        );
    }
    if header.flags.contains(SegmentFlags::FORK) {
        text.push_str(", a fork");
    }
    if let Some(lost) = header.loss() {
        let _ = write!(text, ", transactions {}..{} are lost", lost.start, lost.end);
    }
    text.push('\n');
    text
}

fn superblock(superblock: &Option<Superblock>) -> String {
    match superblock {
        Some(superblock) => format!(
            "log {}, epoch {}, oldest kept {}, newest segment {:020}.log, durable through {}, \
             written {} times",
            superblock.log_id,
            superblock.epoch,
            superblock.oldest,
            superblock.newest.get(),
            superblock.durable_through,
            superblock.counter + 1
        ),
        None => "no valid superblock; the next writable opening writes one".to_owned(),
    }
}

fn words(reason: FileReason) -> &'static str {
    match reason {
        FileReason::Unfinished => "is an unfinished segment; the next writable opening removes it",
        FileReason::Superseded => "was superseded by a fork of a later epoch",
        FileReason::Retired => "holds retired transactions only",
        _ => "is no file of a log",
    }
}

/// What `verify` found in a segment.
pub(crate) fn verdict(segment: &SegmentVerdict) -> String {
    let mut text = format!(
        "{}  {} commits, {} transactions, {} bytes",
        segment.file, segment.commits, segment.transactions, segment.bytes
    );
    if let Some(lost) = &segment.lost {
        let _ = write!(text, ", {}..{} before it are lost", lost.start, lost.end);
    }
    match &segment.problem {
        Some(problem) => {
            let _ = writeln!(text, ": {problem}");
        }
        None => text.push_str(": good\n"),
    }
    text
}

/// What an opening would find.
pub(crate) fn opening(opening: Result<&RecoveryReport, &LogError>) -> String {
    let report = match opening {
        Ok(report) => report,
        Err(error) => return format!("opening would refuse it: {error}{}\n", advice::on(error)),
    };
    let end = match &report.end {
        LogEnd::Tail(tail) => format!(
            "a torn tail of {} bytes in {} at byte {}, which opening drops",
            tail.bytes, tail.file, tail.at
        ),
        _ if report.closed => "closed".to_owned(),
        _ => "not closed, nothing to drop".to_owned(),
    };
    let mut text = format!(
        "transactions {}..{}, {} segments, known durable through {}; the end: {end}\n",
        report.oldest, report.next, report.segments, report.known_durable_through
    );
    left_out(&mut text, &report.files);
    if report.superblock_lost {
        text.push_str(
            "lock: the superblock, or its last state, was lost; \
             the next writable opening writes it again\n",
        );
    }
    text
}

fn left_out(text: &mut String, files: &[FileNote]) {
    for note in files {
        let _ = writeln!(text, "left out: {} {}", note.file, words(note.reason));
    }
}

/// What a salvage saved and gave up.
pub(crate) fn salvaged(report: &SalvageReport, to: &Path) -> String {
    let mut text = String::new();
    for problem in &report.problems {
        let _ = writeln!(text, "wrong: {problem}");
    }
    left_out(&mut text, &report.files);
    for lost in &report.lost {
        let _ = writeln!(text, "lost: transactions {}..{}", lost.start, lost.end);
    }
    let lost: u64 = report
        .lost
        .iter()
        .map(|lost| lost.end.since(lost.start))
        .sum();
    let _ = writeln!(
        text,
        "{}: {} commits, {} transactions of {}..{} saved, {lost} lost; epoch {}",
        to.display(),
        report.commits,
        report.transactions,
        report.oldest,
        report.next,
        report.epoch
    );
    text
}

/// What a backup copied.
pub(crate) fn copied(report: &BackupReport, to: &Path) -> String {
    let mut text = String::new();
    left_out(&mut text, &report.files);
    let _ = writeln!(
        text,
        "{}: transactions {}..{}, {} segments, {} bytes; read back and good",
        to.display(),
        report.oldest,
        report.next,
        report.segments,
        report.bytes
    );
    text
}

/// What a retention kept.
pub(crate) fn retained(report: &RecoveryReport, asked: TxOffset) -> String {
    let mut text = format!(
        "transactions {}..{} are kept, in {} segments",
        report.oldest, report.next, report.segments
    );
    if report.oldest < asked {
        // The newest segment stays, and one that holds later transactions as well.
        let _ = write!(
            text,
            "; those before {asked} share a segment with later ones"
        );
    }
    text.push('\n');
    text
}

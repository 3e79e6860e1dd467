//! Operations, events and the model in the words of a story.

use std::ops::Range;

use blackstart_sim::story::Said;

use super::history::{Event, Found, Opened, Salvaged};
use super::model::Model;
use super::op::{Kept, Op};

/// What an operation does.
pub(super) fn op(op: &Op) -> String {
    match *op {
        Op::Append {
            records,
            bytes,
            level,
        } => format!(
            "append {} of {bytes} B, {level:?}",
            count(u64::from(records), "record")
        ),
        Op::Sync => "sync".to_owned(),
        Op::Flush => "flush".to_owned(),
        Op::Rotate => "rotate".to_owned(),
        Op::Retain { back } => format!("retire what is {back} or more before the end"),
        Op::Truncate { commits } => format!("cut the last {}", count(u64::from(commits), "commit")),
        Op::Reopen => "close and reopen".to_owned(),
        Op::Abandon => "leave without closing and reopen".to_owned(),
        Op::Read { back } => format!("read from {back} before the end"),
        Op::Peek => "open read-only beside the writer".to_owned(),
        Op::Follow => "follow, and append one synced commit".to_owned(),
        Op::Watch => "open read-only, append one synced commit, and look again".to_owned(),
        Op::History { commits } => format!(
            "open read-only with an end {} back",
            count(u64::from(commits), "commit")
        ),
        Op::Hold { slot, kind, back } => format!("keep {} as {slot}, {back} back", kept(kind)),
        Op::GoOn {
            slot,
            commits,
            looks,
        } => {
            let how = if looks { "look again, and " } else { "" };
            let what = count(u64::from(commits), "commit");
            format!("{how}go on with {slot} for up to {what}")
        }
        Op::Drop { slot } => format!("let {slot} go"),
        Op::Pin { slot, back } => format!("pin history from {back} before the end on, as {slot}"),
        Op::OpenAgain => "open it once more".to_owned(),
        Op::Verify => "verify it beside the writer".to_owned(),
        Op::SyncThrough { back } => format!("sync through {back} before the end"),
        Op::Segments => "list its segments".to_owned(),
        Op::Batch {
            commits,
            bytes,
            level,
            refused,
        } => {
            let what = count(u64::from(commits), "owned commit");
            let refused = match refused < commits {
                true => format!(", number {refused} is refused"),
                false => String::new(),
            };
            format!("hand in {what} of {bytes} B, {level:?}{refused}")
        }
        Op::Many { commits, bytes } => {
            let what = count(u64::from(commits), "commit");
            format!("append {what} of one record of {bytes} B, Buffered")
        }
        Op::Close => "close, and go on".to_owned(),
        Op::Renew { back } => format!("close, and reopen keeping {back} before the end"),
    }
}

const fn kept(kind: Kept) -> &'static str {
    match kind {
        Kept::Reader => "a reader",
        Kept::SyncedReader => "a reader of what is durable",
        Kept::Follower => "a follower",
        Kept::View => "a read-only view",
        Kept::OldView => "a read-only view of old history",
        Kept::ViewFollower => "a follower of a read-only view",
    }
}

/// What happened.
pub(super) fn event(event: &Event) -> Said {
    match event {
        Event::Submitted { tokens } => Said::fact(format!("{} handed in", range("token", tokens))),
        Event::Acked {
            tokens,
            first,
            epoch,
            level,
        } => Said::promise(format!(
            "{} acknowledged {level:?} at offset {first}, epoch {epoch}",
            range("token", tokens)
        )),
        Event::Refused { tokens } => Said::fact(format!("{} refused", range("token", tokens))),
        Event::Failed { tokens } => Said::fact(format!(
            "{} failed: may be there or not",
            range("token", tokens)
        )),
        Event::Through { offset, level } => {
            Said::promise(format!("everything below offset {offset} is {level:?}"))
        }
        Event::RetainBegan { offset } => Said::fact(format!("retirement up to {offset} begins")),
        Event::Retained { oldest } => Said::promise(format!("the oldest offset is {oldest}")),
        Event::Archived { first, archived } => Said::fact(format!(
            "the archive has {first}..{}, {} B",
            archived.end, archived.bytes
        )),
        Event::ArchiveRefused { first } => {
            Said::fact(format!("the archive refuses the segment from {first} on"))
        }
        Event::Salvaged(salvaged) => Said::shown(words_of_salvage(salvaged)),
        Event::TruncateBegan { offset, .. } => Said::fact(format!("the cut at {offset} begins")),
        Event::Truncated { offset } => {
            Said::promise(format!("everything from offset {offset} on is gone"))
        }
        Event::TruncateRefused => Said::fact("the cut is refused"),
        Event::OpenBegan { .. } => Said::fact("the log is being opened"),
        Event::Dropped => {
            Said::fact("the opening failed, and may have dropped damaged bytes before")
        }
        Event::Opened(opened) => Said::shown(self::opened(opened)),
        Event::CacheLost => Said::fact("a failed sync dropped the page cache"),
        Event::Closed { .. } => Said::promise("closed: everything is durable"),
        Event::Abandoned => Said::fact("left without closing"),
        Event::Owner { tokens, told } => Said::fact(format!(
            "the owner of {} is told: {told:?}",
            range("token", tokens)
        )),
        Event::Pinned { from } => Said::promise(format!("history from {from} on is pinned")),
        Event::Unpinned { from } => Said::fact(format!("the pin of {from} is dropped")),
        Event::Glimpsed { found } => Said::shown(format!(
            "a kept reader, without looking at the log as it is now: {}",
            transactions(found)
        )),
        Event::Read {
            found,
            from,
            acked_through,
            is_synced,
            ..
        } => {
            let what = scope(*is_synced);
            Said::shown(format!(
                "read {what} from {from}: {}; everything below {acked_through} must be there",
                transactions(found)
            ))
        }
    }
}

fn scope(is_synced: bool) -> &'static str {
    match is_synced {
        true => "what is durable",
        false => "what is visible",
    }
}

fn words_of_salvage(salvaged: &Salvaged) -> String {
    let words = |ranges: Vec<&Range<u64>>| {
        let ranges: Vec<_> = ranges.into_iter().map(|of| range("offset", of)).collect();
        ranges.join(", ")
    };
    let damaged = words(salvaged.damaged.iter().map(|(of, _)| of).collect());
    let lost = words(salvaged.lost.iter().collect());
    format!(
        "salvaged: oldest {}, next {}; {}; may be lost: {damaged}; reported as lost: {lost}",
        salvaged.oldest,
        salvaged.next,
        transactions(&salvaged.found)
    )
}

fn opened(opened: &Opened) -> String {
    let mut words = format!(
        "opened: oldest {}, next {}; {}",
        opened.oldest,
        opened.next,
        transactions(&opened.found)
    );
    if opened.reports_damage {
        words.push_str("; damage reported");
    }
    words
}

/// Transactions in runs: `0..3: tokens 0..3`.
fn transactions(found: &[Found]) -> String {
    if found.is_empty() {
        return "no transaction".to_owned();
    }
    let mut runs: Vec<(Range<u64>, Option<Range<u64>>)> = Vec::new();
    for item in found {
        if let Some((offsets, tokens)) = runs.last_mut()
            && offsets.end == item.offset
            && tokens.as_ref().map(|tokens| tokens.end) == item.token
        {
            offsets.end += 1;
            if let Some(tokens) = tokens {
                tokens.end += 1;
            }
            continue;
        }
        let token = item.token.map(|token| token..token + 1);
        runs.push((item.offset..item.offset + 1, token));
    }
    let runs = runs.iter().map(|(offsets, tokens)| {
        let tokens = match tokens {
            Some(tokens) => range("token", tokens),
            None => "bytes of no record".to_owned(),
        };
        format!("{} holds {tokens}", range("offset", offsets))
    });
    runs.collect::<Vec<_>>().join(", ")
}

fn range(what: &str, range: &Range<u64>) -> String {
    match range.end.saturating_sub(range.start) {
        1 => format!("{what} {}", range.start),
        _ => format!("{what}s {}..{}", range.start, range.end),
    }
}

fn count(number: u64, what: &str) -> String {
    match number {
        1 => format!("1 {what}"),
        number => format!("{number} {what}s"),
    }
}

/// What is known of the log.
pub(super) fn model(model: &Model) -> Vec<String> {
    let mut lines = vec![format!(
        "offsets {}..{} are known: durable below {}, with the operating system below {}",
        model.oldest,
        model.end(),
        model.synced_through,
        model.os_through
    )];
    lines.push(format!(
        "the next opening must show everything below {}",
        model.required
    ));
    if !model.unsettled.is_empty() {
        let open = model.unsettled.iter();
        let open: Vec<String> = open.map(|commit| range("token", &commit.tokens)).collect();
        lines.push(format!("may be there or not: {}", open.join(", ")));
    }
    if let Some(retain) = model.retain {
        lines.push(format!("a retirement up to {retain} may have taken effect"));
    }
    if let Some(cut) = model.truncate {
        lines.push(format!("a cut at {cut} may have taken effect"));
    }
    lines
}

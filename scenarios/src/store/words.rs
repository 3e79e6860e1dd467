//! Operations and events in words.

use blackstart_sim::story::Said;

use super::model::{Event, Model, Rows, Writes};
use super::op::Op;

pub(super) fn op(op: &Op) -> String {
    match *op {
        Op::Write {
            first,
            count,
            stride,
            deletes,
            bytes,
            level,
        } => {
            let deletes = match deletes & ((1 << count.min(31)) - 1) {
                0 => String::new(),
                mask => format!(", deleting those of mask {mask:b}"),
            };
            format!(
                "write {count} keys from {first} on, every {stride}, {bytes} B, {level:?}{deletes}"
            )
        }
        Op::Get { key } => format!("get key {key}"),
        Op::Scan { from, to } => format!("scan keys {from}..{to}"),
        Op::Hold { slot } => format!("begin a scan, and keep it as {slot}"),
        Op::Snap { slot } => format!("take a snapshot, and keep it as {slot}"),
        Op::GoOn { slot, rows } => format!("go on with scan {slot} for up to {rows} rows"),
        Op::Flush => "write memtables to tables".to_owned(),
        Op::Compact => "merge tables".to_owned(),
        Op::Sync => "make everything durable".to_owned(),
        Op::Reopen => "close and reopen".to_owned(),
        Op::Abandon => "leave without closing and reopen".to_owned(),
    }
}

pub(super) fn event(event: &Event) -> Said {
    match event {
        Event::Submitted { token, writes } => {
            Said::fact(format!("token {token} handed in: {}", written(writes)))
        }
        Event::Acked {
            token,
            sequence,
            level,
        } => Said::promise(format!(
            "token {token} acknowledged {level:?} with sequence {sequence}"
        )),
        Event::Refused { token } => Said::fact(format!("token {token} refused")),
        Event::Through { end, level } => {
            Said::promise(format!("everything below sequence {end} is {level:?}"))
        }
        Event::CacheLost => Said::fact("what only the page cache had may be gone"),
        Event::OpenBegan => Said::fact("the store is being opened"),
        Event::Abandoned => Said::fact("left without closing"),
        Event::Opened(opened) => Said::shown(format!(
            "opened: next sequence {}, {}",
            opened.next,
            shown(&opened.rows)
        )),
        Event::Read { keys, rows, .. } => {
            Said::shown(format!("keys {keys:?} read: {}", shown(rows)))
        }
    }
}

fn written(writes: &Writes) -> String {
    let all = writes.iter().map(|(key, token)| match token {
        Some(_) => format!("{key}"),
        None => format!("-{key}"),
    });
    all.collect::<Vec<_>>().join(" ")
}

fn shown(rows: &Rows) -> String {
    match rows.is_empty() {
        true => "no rows".to_owned(),
        false => {
            let all = rows.iter().map(|(key, token)| format!("{key}: {token}"));
            all.collect::<Vec<_>>().join(", ")
        }
    }
}

pub(super) fn model(model: &Model) -> Vec<String> {
    model.words()
}

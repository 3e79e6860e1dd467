//! Operations and events in words.

use blackstart_sim::oracle::Write;
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
            spaces,
            clears,
        } => {
            let spaces = match spaces {
                0 | 1 => String::new(),
                spaces => format!(", of {spaces} keyspaces in turn"),
            };
            let clears = match clears {
                0 => String::new(),
                clears => format!("delete {clears} keys from {first} on, then "),
            };
            let deletes = match deletes & ((1 << count.min(31)) - 1) {
                0 => String::new(),
                mask => format!(", deleting those of mask {mask:b}"),
            };
            format!(
                "{clears}write {count} keys from {first} on, every {stride}, {bytes} B, \
                 {level:?}{deletes}{spaces}"
            )
        }
        Op::Get { key, space } => format!("get key {key} of keyspace {space}"),
        Op::Scan { from, to, space } => format!("scan keys {from}..{to} of keyspace {space}"),
        Op::Hold { slot, space } => {
            format!("begin a scan of keyspace {space}, and keep it as {slot}")
        }
        Op::Snap { slot } => format!("take a snapshot, and keep it as {slot}"),
        Op::GoOn { slot, rows } => format!("go on with scan {slot} for up to {rows} rows"),
        Op::Flush => "write memtables to tables".to_owned(),
        Op::Compact => "merge tables".to_owned(),
        Op::Sync => "make everything durable".to_owned(),
        Op::Reopen => "close and reopen".to_owned(),
        Op::Abandon => "leave without closing and reopen".to_owned(),
        Op::Look { back: 0 } => "open it for reading only".to_owned(),
        Op::Look { back } => format!("open it for reading only, as it was {back} batches ago"),
        Op::Backup => "back it up, and open the copy".to_owned(),
        Op::Transact {
            serialized,
            key,
            from,
            rows,
            space,
            bytes,
            level,
        } => {
            let turn = if serialized { "in its turn, " } else { "" };
            format!(
                "in a transaction {turn}read key {key} and {rows} rows from {from} on, and write \
                 {key} and {}, of keyspace {space}, {bytes} B, {level:?}",
                key + 2
            )
        }
        Op::Renew => "create a keyspace, drop it, and create it again".to_owned(),
        Op::Fork { back } => format!("close, and open as it was {back} batches ago"),
    }
}

pub(super) fn event(event: &Event) -> Said {
    match event {
        Event::Submitted { writes, .. } => Said::fact(format!("handed in: {}", written(writes))),
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
        Event::Closed => Said::promise("closed: everything is durable"),
        Event::Flushed { end } => {
            Said::promise(format!("everything below sequence {end} is in tables"))
        }
        Event::CacheLost => Said::fact("what only the page cache had may be gone"),
        Event::OpenBegan { fork: None, .. } => Said::fact("the store is being opened"),
        Event::OpenBegan {
            fork: Some(end), ..
        } => Said::fact(format!("the store is being opened as it was before {end}")),
        Event::Abandoned => Said::fact("left without closing"),
        Event::Opened(opened) => Said::shown(format!(
            "opened: next sequence {}, {}",
            opened.next,
            shown(&opened.rows)
        )),
        Event::Read { view } => Said::shown(format!("read: {view:?}")),
    }
}

fn written(writes: &Writes) -> String {
    let all = writes.iter().map(|write| match write {
        Write::Put(key, value) => format!("{key:?}={value:?}"),
        Write::Delete(key) => format!("-{key:?}"),
        Write::DeleteRange(range) => format!("-({range:?})"),
    });
    all.collect::<Vec<_>>().join(" ")
}

fn shown(rows: &Rows) -> String {
    match rows.is_empty() {
        true => "no rows".to_owned(),
        false => {
            let all = rows.iter().map(|(key, value)| format!("{key:?}={value:?}"));
            all.collect::<Vec<_>>().join(", ")
        }
    }
}

pub(super) fn model(model: &Model) -> Vec<String> {
    model.words()
}

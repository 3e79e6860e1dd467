//! The end of an era: faults stop, and everything has to work again.
//!
//! From here on no error is excused. Then the directory is looked at: it may hold what the
//! format knows, and nothing that an unfinished step left.

use blackstart::commitlog::{Log, LogError};
use blackstart_sim::disk::{Errno, Shown};
use blackstart_sim::failure::with_causes;
use blackstart_sim::{Failure, Promise};
use blackstart_vfs::FileKind;

use super::archive::Desk;
use super::drive::{Context, append, close};
use super::excuse::{excuse, is_usable};
use super::op::Level;
use super::opening::{dir, open};

/// Names the calls of the last operations; drawn steps have small numbers.
const AGAIN: u32 = 1_000_001;
const ONCE_MORE: u32 = 1_000_002;

/// Closes the log. If faults have struck, they stop, and it has to open, take a commit, and close.
pub(super) fn end(ctx: &Context, desk: &Desk, log: Log) -> Result<(), Failure> {
    if ran_out_of_space(ctx) && log.poison().is_none() {
        // Every second one tries to close while there is no space.
        let is_closed = ctx.steps(0).count() % 2 == 1 && closes_full(ctx, &log)?;
        if !is_closed && log.poison().is_none() {
            space_is_back(ctx, &log)?;
        }
    }
    close(ctx, &log)?;
    drop(log);
    if ctx.faults_struck() > 0 {
        ctx.heal();
        ctx.begin(ONCE_MORE);
        let Some(log) = open(ctx, desk)? else {
            return Ok(());
        };
        append(ctx, &log, 1, 16, Level::Synced)?;
        close(ctx, &log)?;
        ctx.mark("worked again when faults had stopped");
    }
    stray_files(ctx)
}

fn ran_out_of_space(ctx: &Context) -> bool {
    let sightings = ctx.fs().sightings();
    let full = [Errno::Enospc, Errno::Edquot].map(Shown::Failed);
    sightings.iter().any(|met| full.contains(&met.shown))
}

/// Closes the log on a disk that may be full; false if that fails, and the log stays open.
fn closes_full(ctx: &Context, log: &Log) -> Result<bool, Failure> {
    let error = match log.close() {
        Ok(()) => return Ok(true),
        Err(error) => error,
    };
    excuse(ctx, &error)?;
    if is_usable(ctx, &error) {
        ctx.mark("went on after a close that failed");
    }
    Ok(false)
}

/// A lack of space that is over has left nothing: the same handle takes a commit.
fn space_is_back(ctx: &Context, log: &Log) -> Result<(), Failure> {
    ctx.heal();
    ctx.begin(AGAIN);
    append(ctx, log, 1, 16, Level::Synced)?;
    ctx.mark("went on when there was space again");
    Ok(())
}

/// What the format allows in the directory of a closed log.
fn stray_files(ctx: &Context) -> Result<(), Failure> {
    if ctx.promise() == Promise::PrefixOnly || ctx.model(super::Model::is_altered) {
        return Ok(());
    }
    ctx.heal();
    let entries = ctx.env().fs().read_dir(dir(ctx));
    let entries = entries.map_err(|error| {
        Failure::new(
            "no leaks",
            format!("the directory can't be listed: {error}"),
        )
    })?;
    let files = entries.iter().filter(|entry| entry.kind == FileKind::File);
    let names: Vec<&str> = files.filter_map(|entry| entry.name.to_str()).collect();
    for name in &names {
        let is_known = *name == "lock" || name.ends_with(".log");
        if !is_known {
            let message = format!("{name} is left of no use: {}", names.join(", "));
            return Err(Failure::new("no leaks", message));
        }
    }
    Ok(())
}

/// Faults have stopped: an error is a failure, unless the disk has lied before.
pub(super) fn must_work(ctx: &Context, error: &LogError) -> Result<(), Failure> {
    if ctx.promise() == Promise::PrefixOnly || ctx.model(|model| model.is_renewed) {
        return Ok(());
    }
    Err(Failure::new(
        "liveness",
        format!(
            "the faults have stopped, and it fails: {}",
            with_causes(error)
        ),
    ))
}

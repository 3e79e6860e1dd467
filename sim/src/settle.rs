//! What is checked of every era that came to its end, whatever the scenario checks.
//!
//! | oracle | says |
//! |---|---|
//! | silent fault | every fault that showed itself was reported, or did no harm |
//! | no leaks | no file is open, no lock held, no task left, and so no space of removed files |
//!
//! A file that was removed takes space for as long as it is open, so that the open handles stand
//! for the space as well. An era that was cut short or has failed already is not looked at.

use std::fmt::Write as _;

use crate::disk::SimFs;
use crate::failure::Failure;
use crate::scenario::Scenario;
use crate::sched::World;

/// Settles the ledger of an era that came to its end, and looks for what it left.
pub(crate) fn settle<S: Scenario>(scenario: &S, fs: &SimFs, world: &World) -> Option<Failure> {
    silent_fault(scenario, fs).or_else(|| leak(fs, world))
}

fn silent_fault<S: Scenario>(scenario: &S, fs: &SimFs) -> Option<Failure> {
    let silent = fs.settle(&|sighting| scenario.must_report(sighting))?;
    let message = format!(
        "{}: {} showed {:?} in {}, and it was neither reported nor shown to do no harm",
        silent.kind,
        silent.call,
        silent.shown,
        silent.files.join(", then ")
    );
    Some(Failure::new("silent fault", message))
}

fn leak(fs: &SimFs, world: &World) -> Option<Failure> {
    let tasks = world.left_behind();
    if !tasks.is_empty() {
        let message = format!("tasks outlive the end: {}", tasks.join(", "));
        return Some(Failure::new("no leaks", message));
    }
    let mut open = String::new();
    for (name, count) in fs.open_files() {
        let _ = write!(open, " {name} ({count})");
    }
    if open.is_empty() {
        return None;
    }
    let message = format!("files are open after the end:{open}");
    Some(Failure::new("no leaks", message))
}

#[cfg(test)]
mod tests;

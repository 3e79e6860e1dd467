//! Which shard a batch system has given to this process, by the variables it sets.
//!
//! | variables | set by | shard |
//! |---|---|---|
//! | `BLACKSTART_SHARD=2/4` | a person | that one |
//! | `SLURM_ARRAY_TASK_ID`, `_MIN`, `_MAX`, `_STEP`, `_COUNT` | Slurm, for `--array` | the task's place |
//! | `JOB_COMPLETION_INDEX` | Kubernetes, for an Indexed Job | the index, which counts from 0 |
//!
//! Kubernetes does not tell how many there are: `JOB_COMPLETIONS` or `--shards` does. With
//! `--shards` a Slurm task's id is taken as it is, so that some tasks of an array can be submitted
//! again. The first row that is there decides.
//!
//! The variables are asked for by a function, so that nothing here reads the environment.

use super::{Shard, ShardError};

/// Why the variables name no shard.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SchedulerError {
    /// A variable that must be there is not.
    #[error("{set} is set, but {missing} is not: say the number of shards with --shards N")]
    Missing {
        /// The variable that was met.
        set: &'static str,
        /// The one that it needs.
        missing: &'static str,
    },
    /// A variable is no number.
    #[error("{name} is {found:?}, which is no number")]
    Number {
        /// The variable.
        name: &'static str,
        /// Its value.
        found: String,
    },
    /// The task ids of an array have gaps, so that they number no shards.
    #[error(
        "the array has {count} tasks from {min} to {max} in steps of {step}: their ids number no \
         shards; say the number of shards with --shards N"
    )]
    Gaps {
        /// `SLURM_ARRAY_TASK_COUNT`.
        count: u64,
        /// `SLURM_ARRAY_TASK_MIN`.
        min: u64,
        /// `SLURM_ARRAY_TASK_MAX`.
        max: u64,
        /// `SLURM_ARRAY_TASK_STEP`.
        step: u64,
    },
    /// The numbers are no shard.
    #[error("{name}: {source}")]
    Shard {
        /// The variable that was met.
        name: &'static str,
        /// What is wrong with it.
        source: ShardError,
    },
}

const OWN: &str = "BLACKSTART_SHARD";
const SLURM_ID: &str = "SLURM_ARRAY_TASK_ID";
const SLURM_MIN: &str = "SLURM_ARRAY_TASK_MIN";
const SLURM_MAX: &str = "SLURM_ARRAY_TASK_MAX";
const SLURM_STEP: &str = "SLURM_ARRAY_TASK_STEP";
const SLURM_COUNT: &str = "SLURM_ARRAY_TASK_COUNT";
const JOB_INDEX: &str = "JOB_COMPLETION_INDEX";
const JOB_COUNT: &str = "JOB_COMPLETIONS";

/// The shard that the variables name, if they name one. `count` is what `--shards` says.
///
/// # Errors
/// If they name one, and it can't be told which.
pub fn shard(
    variable: &dyn Fn(&str) -> Option<String>,
    count: Option<u64>,
) -> Result<Option<Shard>, SchedulerError> {
    if let Some(text) = variable(OWN) {
        let shard = text.parse();
        return shard
            .map(Some)
            .map_err(|source| SchedulerError::Shard { name: OWN, source });
    }
    let number = |name: &'static str| match variable(name) {
        None => Ok(None),
        Some(found) => match found.trim().parse::<u64>() {
            Ok(number) => Ok(Some(number)),
            Err(_) => Err(SchedulerError::Number { name, found }),
        },
    };
    let (name, (index, count)) = if let Some(id) = number(SLURM_ID)? {
        let place = match count {
            Some(count) => (id, count),
            None => slurm(id, &number)?,
        };
        (SLURM_ID, place)
    } else if let Some(index) = number(JOB_INDEX)? {
        let count = match count {
            Some(count) => count,
            None => number(JOB_COUNT)?.ok_or(SchedulerError::Missing {
                set: JOB_INDEX,
                missing: JOB_COUNT,
            })?,
        };
        (JOB_INDEX, (index.saturating_add(1), count))
    } else {
        return Ok(None);
    };
    Shard::new(index, count)
        .map(Some)
        .map_err(|source| SchedulerError::Shard { name, source })
}

/// The place of a task in its array: from 1, and of how many.
fn slurm(
    id: u64,
    number: &dyn Fn(&'static str) -> Result<Option<u64>, SchedulerError>,
) -> Result<(u64, u64), SchedulerError> {
    let required = |missing: &'static str| {
        let set = SLURM_ID;
        number(missing)?.ok_or(SchedulerError::Missing { set, missing })
    };
    let count = required(SLURM_COUNT)?;
    let min = required(SLURM_MIN)?;
    let step = number(SLURM_STEP)?.unwrap_or(1).max(1);
    let max = number(SLURM_MAX)?.unwrap_or(id);
    let last = count.saturating_sub(1).checked_mul(step);
    let last = last.and_then(|last| last.checked_add(min));
    let is_known = number(SLURM_MAX)?.is_none_or(|max| Some(max) == last);
    let is_on_grid = id >= min && (id - min).is_multiple_of(step);
    if !is_known || !is_on_grid {
        return Err(SchedulerError::Gaps {
            count,
            min,
            max,
            step,
        });
    }
    Ok(((id - min) / step + 1, count))
}

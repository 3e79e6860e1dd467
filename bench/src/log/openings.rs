//! Many openings of one log, with one commit each: how long each takes, and how many files are
//! left.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;

use super::LogArgs;
use super::contender::Engine;
use super::slice::Work;
use super::tables::run;
use crate::Result;
use crate::place::Place;
use crate::rounds::Rounds;
use crate::table::{Report, Table};

/// Rounds: one takes long.
const ROUNDS_MAX: usize = 3;

/// How each opening ends.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Ending {
    Closed,
    Killed,
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Closed => "blackstart, closed each time",
            Self::Killed => "blackstart, killed each time",
        })
    }
}

/// Measures the openings of the log of this repository.
pub fn measure(args: &LogArgs, place: &Place, report: &mut Report) -> Result<()> {
    if args
        .engines(|engine| engine == Engine::Blackstart)
        .is_empty()
    {
        return Ok(());
    }
    let openings = args.openings;
    let title = format!("{openings} openings of one synced commit each");
    let endings = [Ending::Closed, Ending::Killed];
    let pace = args.common.pace().at_most(ROUNDS_MAX);
    let mut files = BTreeMap::new();
    let rounds = Rounds::measure(&title, &endings, pace, |ending| {
        let dir = place.path("openings");
        let closes = ending == Ending::Closed;
        let sample = run(
            Engine::Blackstart,
            &dir,
            Work::Openings { openings, closes },
        )?;
        files.insert(ending, fs::read_dir(&dir)?.count());
        fs::remove_dir_all(&dir)?;
        Ok(sample)
    })?;
    let mut table = Table::new(&title, &["log", "ms each", "files left"]);
    for ending in endings {
        let each = |rate: f64| format!("{:.2}", 1e3 / rate);
        let left = files.get(&ending).map(usize::to_string);
        table.row(vec![
            ending.to_string(),
            rounds.rate(ending).map_or_else(|| "–".into(), each),
            left.unwrap_or_else(|| "–".into()),
        ]);
    }
    table.note("The time of the commit and of the close is included. `lock` is one of the files.");
    table.note(rounds.calm());
    report.table(table);
    Ok(())
}

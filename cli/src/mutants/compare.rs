//! `blackstart sim mutants --by METHODS`: how soon different searches find each planted bug.
//!
//! | method | what it does |
//! |---|---|
//! | `random` | a campaign of fresh seeds |
//! | `guided` | a campaign that varies cases that led to something new |
//! | `explore` | `sim explore` on the small cases, crashes nested 1 deep, then 2 deep |
//! | `fuzz` | libFuzzer, whose bytes are choices of a case; needs a nightly toolchain, cargo-fuzz |
//!
//! Each works on one thread, and is stopped when its time is over, by the clock. The times that are
//! shown are the processor's: they hold on a machine that does other things as well. The explorer
//! looks for all bugs there are and does not stop at the first: its time is that of the whole
//! exploration.
//!
//! Invariants:
//! - \[I1\] What is said to be found passes without the bug.

use std::path::{Path, PathBuf};

use blackstart_sim::cli::{Exit, say};

use super::catalogue::Mutant;
use super::fuzz::Fuzzer;
use super::outcome::{self, ROUND_SEEDS};
use super::{MutantsArgs, MutantsError, catalogue};

/// A way to look for a bug.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Method {
    /// Fresh seeds
    Random,
    /// Cases that led to something new are varied
    Guided,
    /// The explorer on small cases
    Explore,
    /// libFuzzer
    Fuzz,
}

/// What one search came to.
#[derive(Clone, Debug)]
pub(super) struct Search {
    /// The failing case, or what else fails; none: nothing was found.
    pub found: Option<Proof>,
    /// Cases, images or inputs that were run.
    pub runs: u64,
    /// What `runs` counts.
    pub unit: &'static str,
    /// Processor time.
    pub seconds: f64,
}

/// What shows a bug, to be run again without it.
#[derive(Clone, Debug)]
pub(super) enum Proof {
    /// The text of a case.
    Case(String),
    /// Two runs of one case differ.
    Nondeterminism,
    /// A fuzzer's input.
    Input(PathBuf),
}

/// The programs that the searches are.
pub(super) struct Tools<'a> {
    pub binary: &'a Path,
    pub fuzzer: Option<Fuzzer>,
    pub args: &'a MutantsArgs,
}

/// Prints the table, as Markdown. It fails if a bug is found by no method, or a harmless change by
/// one.
pub(super) fn compare(tools: &Tools<'_>, mutants: &[&Mutant]) -> Result<Exit, MutantsError> {
    let methods = &tools.args.by;
    let titles: Vec<String> = methods.iter().map(|method| title(*method)).collect();
    say(&format!("| planted bug | {} |\n", titles.join(" | ")));
    say(&format!("|---|{}\n", "---:|".repeat(methods.len())));
    let mut totals: Vec<Vec<f64>> = vec![Vec::new(); methods.len()];
    let mut is_good = true;
    for mutant in mutants {
        let mut cells = Vec::new();
        let mut is_found = false;
        for (method, times) in methods.iter().zip(&mut totals) {
            let search = tools.median(*method, mutant)?;
            cells.push(cell(&search));
            if search.found.is_some() {
                is_found = true;
                times.push(search.seconds);
            }
        }
        is_good &= is_found != mutant.patch.harmless;
        let harmless = if mutant.patch.harmless {
            ", harmless"
        } else {
            ""
        };
        let (name, cells) = (&mutant.name, cells.join(" | "));
        say(&format!("| `{name}`{harmless} | {cells} |\n"));
    }
    let real = mutants
        .iter()
        .filter(|mutant| !mutant.patch.harmless)
        .count();
    let cells: Vec<String> = totals.iter_mut().map(|times| sum(times, real)).collect();
    say(&format!("| **all** | {} |\n", cells.join(" | ")));
    Ok(if is_good { Exit::Fine } else { Exit::Failure })
}

fn title(method: Method) -> String {
    match method {
        Method::Random => "random seeds",
        Method::Guided => "guided",
        Method::Explore => "explorer",
        Method::Fuzz => "fuzzer",
    }
    .to_owned()
}

fn cell(search: &Search) -> String {
    let (runs, unit, seconds) = (search.runs, search.unit, search.seconds);
    match search.found {
        Some(_) => format!("{seconds:.2} s, {runs} {unit}"),
        None => format!("not in {seconds:.1} s, {runs} {unit}"),
    }
}

/// How many were found, and the median of the times.
fn sum(times: &mut [f64], real: usize) -> String {
    times.sort_by(f64::total_cmp);
    match times.get(times.len() / 2) {
        Some(median) => format!("{} of {real}, median {median:.2} s", times.len()),
        None => format!("0 of {real}"),
    }
}

impl Tools<'_> {
    /// The median of several rounds: a bug that most do not find counts as not found.
    fn median(&self, method: Method, mutant: &Mutant) -> Result<Search, MutantsError> {
        let rounds = match method {
            Method::Random | Method::Guided => self.args.rounds.max(1),
            // The explorer draws nothing, and a fuzzer takes long.
            Method::Explore | Method::Fuzz => 1,
        };
        let mut searches = Vec::new();
        for round in 0..rounds {
            let mut search = self.search(method, mutant, round)?;
            if let Some(proof) = &search.found
                && !self.passes_without(mutant, proof)?
            {
                search.found = None;
            }
            searches.push(search);
        }
        searches.sort_by(|one, two| {
            let key = |search: &Search| (search.found.is_none(), search.runs);
            key(one).cmp(&key(two))
        });
        Ok(searches.swap_remove(searches.len() / 2))
    }

    fn search(&self, method: Method, mutant: &Mutant, round: u64) -> Result<Search, MutantsError> {
        let before = processor_seconds()?;
        let mut search = match method {
            Method::Random => self.campaign(mutant, round, false),
            Method::Guided => self.campaign(mutant, round, true),
            Method::Explore => self.explore(mutant),
            Method::Fuzz => match &self.fuzzer {
                Some(fuzzer) => fuzzer.search(mutant, round, self.args),
                None => Err(MutantsError::Fuzz {
                    reason: "there is no fuzzer".to_owned(),
                }),
            },
        }?;
        search.seconds = processor_seconds()? - before;
        Ok(search)
    }

    fn campaign(&self, mutant: &Mutant, round: u64, guided: bool) -> Result<Search, MutantsError> {
        let first = round * ROUND_SEEDS;
        let hunt = outcome::Hunt {
            seeds: first..first + ROUND_SEEDS,
            seconds_max: Some(self.args.seconds),
            jobs: 1,
            guided,
        };
        let report = outcome::campaign(self.binary, mutant, self.args, &hunt, true)?;
        let found = match (report.failures.into_iter().next(), report.nondeterminism) {
            (Some(failure), _) => Some(Proof::Case(failure.case)),
            (None, Some(_)) => Some(Proof::Nondeterminism),
            (None, None) => None,
        };
        Ok(Search {
            found,
            runs: report.cases,
            unit: "cases",
            seconds: 0.0,
        })
    }

    /// One crash deep, and then two.
    fn explore(&self, mutant: &Mutant) -> Result<Search, MutantsError> {
        let mut images = 0;
        for depth in ["1", "2"] {
            let exploration = outcome::exploration(self.binary, mutant, self.args, depth)?;
            images += exploration.images;
            if let Some(finding) = exploration.findings.into_iter().next() {
                return Ok(Search {
                    found: Some(Proof::Case(finding.case)),
                    runs: images,
                    unit: "images",
                    seconds: 0.0,
                });
            }
        }
        Ok(Search {
            found: None,
            runs: images,
            unit: "images",
            seconds: 0.0,
        })
    }

    /// Whether what was found is the bug's doing.
    fn passes_without(&self, mutant: &Mutant, proof: &Proof) -> Result<bool, MutantsError> {
        match (proof, &self.fuzzer) {
            (Proof::Case(text), _) => outcome::passes(self.binary, mutant, self.args, text),
            (Proof::Input(file), Some(fuzzer)) => fuzzer.passes(file),
            (Proof::Nondeterminism | Proof::Input(_), _) => Ok(true),
        }
    }
}

/// The processor time of all processes that this one has waited for.
fn processor_seconds() -> Result<f64, MutantsError> {
    /// Ticks in a second, on Linux of every architecture in use.
    const TICKS: f64 = 100.0;
    let text = catalogue::read(Path::new("/proc/self/stat"))?;
    // The name of the program, in parentheses, may have blanks. After it come the fields from the
    // third on; the times of children are the 16th and 17th: proc_pid_stat(5).
    let rest = text.rsplit(')').next().unwrap_or_default();
    let ticks = rest.split_whitespace().skip(13).take(2);
    let ticks: f64 = ticks.filter_map(|ticks| ticks.parse::<f64>().ok()).sum();
    Ok(ticks / TICKS)
}

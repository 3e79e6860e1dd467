//! Where the results of campaigns go: text, files, GitHub; and the exit code.

use std::path::{Path, PathBuf};

use super::options::{MessageFormat, ReportFiles};
use super::{Exit, UsageError, complain, files, say};
use crate::report::{FailureReport, Report, document, github, junit};

/// How a campaign ended.
pub(super) fn verdict(report: &Report) -> Exit {
    if report.nondeterminism.is_some() {
        Exit::Nondeterminism
    } else if !report.failures.is_empty() || !report.missed().is_empty() {
        Exit::Failure
    } else if report.was_interrupted() {
        Exit::Interrupted
    } else {
        Exit::Fine
    }
}

/// A report for people; `tell` gives a failure's story.
pub(super) fn text(report: &Report, tell: impl Fn(&FailureReport) -> String) -> String {
    let mut text = report.summary();
    for failure in &report.failures {
        text += &story(failure, &tell(failure));
    }
    if let Some(nondeterminism) = &report.nondeterminism {
        text += &format!("not deterministic: {nondeterminism}\n");
    }
    let missed = report.missed();
    if !missed.is_empty() {
        let missed = missed.join(", ");
        text += &format!("required marks were never hit: {missed}\n");
    }
    text
}

/// A failure as its report has it.
pub(super) fn as_reported(failure: &FailureReport) -> String {
    format!("{}\n{}", failure.failure, failure.best_case())
}

fn story(failure: &FailureReport, told: &str) -> String {
    let shrunken = match failure.shrink_runs {
        0 => String::new(),
        runs => format!(" (shrunk in {runs} runs)"),
    };
    let seeds: Vec<String> = failure.seeds_too.iter().map(u64::to_string).collect();
    let too = match seeds.is_empty() {
        true => String::new(),
        false => format!("the same at seeds {}\n", seeds.join(", ")),
    };
    // No line of it begins with `::`: GitHub would take that for a command.
    let told = told.replace('\r', " ").replace("\n::", "\n| ::");
    let told = told.trim_end();
    format!("\nseed {}{shrunken}: {told}\n{too}", failure.seed)
}

/// Writes the files that are asked for and, where GitHub runs this, tells GitHub. What can't be
/// written is said; it hides nothing that was found.
pub(super) fn write(to: &ReportFiles, format: MessageFormat, reports: &[Report]) -> Exit {
    let mut done = Vec::new();
    if let Some(path) = &to.report {
        done.push(files::write(path, &document::encode(reports)));
    }
    if let Some(path) = &to.junit {
        done.push(files::write(path, &junit::encode(reports)));
    }
    // Standard output is JSON and nothing else if that is asked for.
    if variable("GITHUB_ACTIONS").is_some_and(|value| value == "true")
        && format == MessageFormat::Human
    {
        say(&github::annotations(reports));
    }
    if let Some(path) = variable("GITHUB_STEP_SUMMARY").filter(|path| !path.is_empty()) {
        let path = PathBuf::from(path);
        done.push(files::append(Path::new(&path), &github::summary(reports)));
    }
    let errors: Vec<UsageError> = done.into_iter().filter_map(Result::err).collect();
    for error in &errors {
        complain(&error.to_string());
    }
    match errors.is_empty() {
        true => Exit::Fine,
        false => Exit::Usage,
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "only the command line reads the environment"
)]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

//! A report on GitHub: annotations beside the code, and a summary of the step.
//!
//! Invariants:
//! - \[I1\] No text of a report ends an annotation, begins another, or breaks out of its row or its
//!   block of the summary: everything is escaped here.

use std::fmt::Write as _;

use super::Report;

/// One line for each thing that is wrong, in the form of a workflow command.
pub fn annotations(reports: &[Report]) -> String {
    let mut text = String::new();
    for report in reports {
        for failure in &report.failures {
            let (oracle, message) = (&failure.failure.oracle, &failure.failure.message);
            let place = match failure.failure.place.rsplit_once(':') {
                Some((file, line)) if line.parse::<u64>().is_ok() => {
                    format!("file={},line={line},", property(file))
                }
                _ => String::new(),
            };
            let title = property(&format!("{}: {oracle}", report.scenario));
            let message = format!("{message}\nseed {}: {}", failure.seed, failure.reproduce());
            let _ = writeln!(text, "::error {place}title={title}::{}", data(&message));
        }
        let scenario = property(&report.scenario);
        if let Some(nondeterminism) = &report.nondeterminism {
            let message = data(nondeterminism);
            let _ = writeln!(
                text,
                "::error title={scenario}: not deterministic::{message}"
            );
        }
        let missed = report.missed();
        if !missed.is_empty() {
            let message = data(&missed.join(", "));
            let _ = writeln!(text, "::error title={scenario}: marks never hit::{message}");
        }
    }
    text
}

/// The summary of a step, as Markdown.
pub fn summary(reports: &[Report]) -> String {
    let mut text = "| scenario | cases | images | distinct | recoveries | seconds | failures |\n\
                    |---|---|---|---|---|---|---|\n"
        .to_owned();
    for report in reports {
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} | {:.0} | {} |",
            cell(&report.scenario),
            report.cases,
            report.tally.images,
            report.tally.distinct,
            report.tally.recoveries,
            report.elapsed.as_secs_f64(),
            report.failures.len()
        );
    }
    for report in reports {
        let never: Vec<String> = report
            .never_hit()
            .iter()
            .map(|(name, _)| cell(name))
            .collect();
        if !never.is_empty() {
            let scenario = cell(&report.scenario);
            let _ = writeln!(text, "\nNever hit in {scenario}: {}", never.join(", "));
        }
        if let Some(nondeterminism) = &report.nondeterminism {
            let _ = writeln!(text, "\nNot deterministic: {}", cell(nondeterminism));
        }
        for failure in &report.failures {
            let _ = writeln!(text, "\n**{}**\n", cell(&failure.failure.to_string()));
            text.push_str(&block(failure.best_case()));
            text.push_str(&block(&failure.reproduce()));
        }
    }
    text.push('\n');
    text
}

/// The message of a workflow command.
fn data(text: &str) -> String {
    let text = text.replace('%', "%25");
    text.replace('\r', "%0D").replace('\n', "%0A")
}

/// The value of a property of a workflow command.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

/// Text in a row of a table or a paragraph, with nothing left that Markdown or HTML heeds.
fn cell(text: &str) -> String {
    let mut escaped = String::new();
    for letter in text.chars() {
        match letter {
            '\n' | '\r' => escaped.push(' '),
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '|' | '\\' | '`' | '*' | '_' | '[' | ']' | '#' | '~' | '@' => {
                let _ = write!(escaped, "&#{};", u32::from(letter));
            }
            _ => escaped.push(letter),
        }
    }
    escaped
}

/// A block of code, behind a fence that is longer than any in the text.
fn block(text: &str) -> String {
    let mut longest = 0;
    let mut run = 0;
    for letter in text.chars() {
        run = if letter == '`' { run + 1 } else { 0 };
        longest = longest.max(run);
    }
    let fence = "`".repeat(longest.max(2) + 1);
    format!("{fence}\n{}\n{fence}\n", text.trim_end())
}

//! `sim merge`.
//!
//! Invariants:
//! - \[I1\] A report that can't be read hides no other: the rest is merged, printed and judged, and
//!   the command does not end with 0.

use super::options::{MergeArgs, MessageFormat};
use super::{Exit, complain, files, lines, output, say};
use crate::report::merge::merge;
use crate::report::{Report, document};

/// Merges report files.
pub(super) fn run(args: &MergeArgs) -> Exit {
    let mut exit = Exit::Fine;
    let mut named: Vec<(String, Report)> = Vec::new();
    for path in &args.reports {
        let file = path.display().to_string();
        let read = files::read(path).map_err(|error| error.to_string());
        let decoded =
            read.and_then(|text| document::decode(&file, &text).map_err(|error| error.to_string()));
        match decoded {
            Ok(reports) => named.extend(reports.into_iter().map(|report| (file.clone(), report))),
            Err(error) => {
                complain(&error);
                exit = Exit::Usage;
            }
        }
    }
    let merged = merge(&named);
    for report in &merged.reports {
        match args.message_format {
            MessageFormat::Human => say(&output::text(report, output::as_reported)),
            MessageFormat::Json => say(&lines::report(report)),
        }
        exit = exit.and(output::verdict(report));
    }
    for gap in &merged.gaps {
        match args.message_format {
            MessageFormat::Human => complain(gap),
            MessageFormat::Json => say(&lines::gap(gap)),
        }
        exit = exit.and(Exit::Usage);
    }
    if let (MessageFormat::Human, Some(last)) = (
        args.message_format,
        merged
            .reports
            .iter()
            .rev()
            .find_map(|report| report.failures.last()),
    ) {
        say(&format!("{}\n", last.reproduce()));
    }
    exit = exit.and(output::write(
        &args.files,
        args.message_format,
        &merged.reports,
    ));
    if args.message_format == MessageFormat::Json {
        say(&lines::end(exit));
    }
    exit
}

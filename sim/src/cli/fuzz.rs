//! `sim from-fuzz`: what a fuzzer found, as a case.

use super::options::FromFuzzArgs;
use super::{Exit, Registry, UsageError, files, say};
use crate::campaign::CampaignOptions;
use crate::corpus;

/// The fuzz target whose bytes are the choices of a simulation.
const CHOICES: &str = "case_bytes";
/// The fuzz target whose bytes are the text of a case.
const TEXT: &str = "case_text";

/// Writes the case that the bytes lead to: the failing one if one fails, with its crash; else the
/// one that they draw.
pub(super) fn from_fuzz(args: &FromFuzzArgs, registry: &Registry) -> Result<Exit, UsageError> {
    let bytes = files::read_bytes(&args.file)?;
    let (case, failure) = match args.target.as_str() {
        CHOICES => of_choices(args, &bytes, registry)?,
        TEXT => of_text(args, &bytes, registry)?,
        other => {
            return Err(UsageError(format!(
                "the bytes of target {other:?} are no case; those of {CHOICES} and {TEXT} are. To \
                 see it again: cargo fuzz run {other} {}",
                args.file.display()
            )));
        }
    };
    match &args.output {
        Some(path) => files::write(path, &case)?,
        None => say(&case),
    }
    match failure {
        Some(failure) => {
            say(&format!("// it fails: {failure}\n"));
            Ok(Exit::Failure)
        }
        None => {
            say("// it does not fail\n");
            Ok(Exit::Fine)
        }
    }
}

type Converted = (String, Option<String>);

fn of_choices(
    args: &FromFuzzArgs,
    bytes: &[u8],
    registry: &Registry,
) -> Result<Converted, UsageError> {
    let options = CampaignOptions::default();
    let named = args.scenario.as_deref().map(|name| registry.find(name));
    let scenarios = match named.transpose()? {
        Some(scenario) => vec![scenario],
        // The target runs the bytes for each of them.
        None => registry.all().collect(),
    };
    for scenario in &scenarios {
        if let Some(report) = scenario.fuzz(bytes, &options) {
            return Ok((report.case, Some(report.failure.to_string())));
        }
    }
    let first = scenarios.first();
    let first = first.ok_or_else(|| UsageError("there are no scenarios".to_owned()))?;
    Ok((first.case_of_bytes(bytes, &options), None))
}

fn of_text(
    args: &FromFuzzArgs,
    bytes: &[u8],
    registry: &Registry,
) -> Result<Converted, UsageError> {
    let file = args.file.display().to_string();
    let text = String::from_utf8(bytes.to_vec())
        .map_err(|error| UsageError(format!("{file}: no text: {error}")))?;
    let refuse = |error: crate::case::CaseError| UsageError(error.to_string());
    let scenario = corpus::scenario_of(registry, &file, &text).map_err(refuse)?;
    let run = scenario.replay(&file, &text, false).map_err(refuse)?;
    Ok((text, run.failure.map(|(_, failure)| failure.to_string())))
}

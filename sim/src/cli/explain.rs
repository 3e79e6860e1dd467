//! `sim explain`.

use std::io::IsTerminal;
use std::path::Path;

use super::options::ExplainArgs;
use super::replay::{load, of_seed};
use super::{Exit, Registry, UsageError, files, say};
use crate::campaign::CampaignOptions;
use crate::story::{Look, Story};

/// Tells the story of a case file or of a seed.
pub(super) fn explain(args: &ExplainArgs, registry: &Registry) -> Result<Exit, UsageError> {
    let story = match args.case.parse::<u64>() {
        Ok(seed) => of_a_seed(args, seed, registry)?,
        Err(_) => of_a_file(Path::new(&args.case), registry)?,
    };
    if let Some(path) = &args.html {
        let page = story
            .page()
            .map_err(|error| UsageError(error.to_string()))?;
        files::write(path, &page)?;
    }
    let look = Look {
        colored: std::io::stdout().is_terminal(),
        all: args.all,
    };
    say(&story.text(look));
    Ok(match story.is_clean() {
        true => Exit::Fine,
        false => Exit::Failure,
    })
}

fn of_a_file(path: &Path, registry: &Registry) -> Result<Story, UsageError> {
    let (scenario, file, text) = load(path, registry)?;
    let command = format!("{} replay {file} --trace", registry.program());
    scenario
        .explain(&file, &text, &command)
        .map_err(|error| UsageError(error.to_string()))
}

/// A seed's failing case, shrunk; or the case that it draws, if nothing that it leads to fails.
fn of_a_seed(args: &ExplainArgs, seed: u64, registry: &Registry) -> Result<Story, UsageError> {
    let scenario = of_seed(args.scenario.as_deref(), registry)?;
    let options = CampaignOptions {
        profile: args.profile,
        ..CampaignOptions::default()
    };
    let refused = |error: crate::case::CaseError| UsageError(error.to_string());
    let mut command = format!(
        "{} replay {seed} --scenario {}",
        registry.program(),
        scenario.name()
    );
    if let Some(profile) = args.profile {
        command.push_str(&format!(" --profile {}", profile.name()));
    }
    command.push_str(" --trace");
    let (source, text) = match scenario.seed(seed, &options) {
        Some(failure) => {
            let name = failure.name();
            let shrunken = scenario.shrink(&name, &failure.case).map_err(refused)?;
            match shrunken {
                Some(shrunken) => (format!("seed {seed}, shrunk"), shrunken.case),
                None => (format!("seed {seed}"), failure.case),
            }
        }
        None => {
            let case = scenario.case_of_seed(seed, &options);
            (format!("seed {seed}, as drawn"), case)
        }
    };
    scenario.explain(&source, &text, &command).map_err(refused)
}

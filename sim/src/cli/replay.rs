//! `sim replay` and `sim shrink`.

use std::path::Path;

use super::options::{ReplayArgs, ShrinkArgs};
use super::{Exit, Registry, UsageError, files, say};
use crate::any::AnyScenario;
use crate::campaign::CampaignOptions;
use crate::case;

/// Runs a case file or a seed.
pub(super) fn replay(args: &ReplayArgs, registry: &Registry) -> Result<Exit, UsageError> {
    match args.case.parse::<u64>() {
        Ok(seed) => replay_seed(args, seed, registry),
        Err(_) => replay_file(args, Path::new(&args.case), registry),
    }
}

fn replay_file(args: &ReplayArgs, path: &Path, registry: &Registry) -> Result<Exit, UsageError> {
    let (scenario, file, text) = load(path, registry)?;
    show_run(scenario, &file, &text, args.trace)
}

fn replay_seed(args: &ReplayArgs, seed: u64, registry: &Registry) -> Result<Exit, UsageError> {
    let scenario = of_seed(args.scenario.as_deref(), registry)?;
    let mut options = CampaignOptions {
        profile: args.profile,
        ..CampaignOptions::default()
    };
    if let Some(depth) = args.depth {
        options.effort.depth_max = depth;
    }
    match scenario.seed(seed, &options) {
        Some(failure) => {
            say(&failure.case);
            show_run(scenario, &failure.name(), &failure.case, args.trace)
        }
        None => {
            let case = scenario.case_of_seed(seed, &options);
            let file = format!("seed {seed}");
            say(&case);
            show_run(scenario, &file, &case, args.trace)
        }
    }
}

/// The scenario that a seed is meant for.
pub(super) fn of_seed<'r>(
    name: Option<&str>,
    registry: &'r Registry,
) -> Result<&'r dyn AnyScenario, UsageError> {
    let names = registry.names();
    match (name, names.as_slice()) {
        (Some(name), _) => registry.find(name),
        (None, [only]) => registry.find(only),
        (None, _) => {
            let names = names.join(", ");
            Err(UsageError(format!(
                "name the seed's scenario: --scenario one of {names}"
            )))
        }
    }
}

fn show_run(
    scenario: &dyn AnyScenario,
    file: &str,
    text: &str,
    trace: bool,
) -> Result<Exit, UsageError> {
    let run = scenario
        .replay(file, text, trace)
        .map_err(|error| UsageError(error.to_string()))?;
    for line in &run.log {
        say(&format!("{line}\n"));
    }
    for stale in &run.stale {
        say(&format!("not met: {stale}\n"));
    }
    say(&format!(
        "{} calls on the seam, hash {:016x}\n",
        run.calls, run.hash
    ));
    match run.failure {
        Some((era, failure)) => {
            say(&format!("era {era} fails: {failure}\n"));
            Ok(Exit::Failure)
        }
        None => {
            say("no failure\n");
            Ok(Exit::Fine)
        }
    }
}

/// Shrinks a case file.
pub(super) fn shrink(args: &ShrinkArgs, registry: &Registry) -> Result<Exit, UsageError> {
    let (scenario, file, text) = load(&args.file, registry)?;
    let shrunken = scenario
        .shrink(&file, &text)
        .map_err(|error| UsageError(error.to_string()))?;
    let Some(shrunken) = shrunken else {
        say("the case does not fail; there is nothing to shrink\n");
        return Ok(Exit::Fine);
    };
    match (&args.output, &args.rust_test) {
        (Some(path), _) => files::write(path, &shrunken.case)?,
        (None, Some(name)) => say(&rust_test(name, scenario.type_name(), &shrunken.case)),
        (None, None) => say(&shrunken.case),
    }
    let (before, after) = shrunken.sizes;
    say(&format!(
        "// {before} became {after} in {} runs\n// {}\n",
        shrunken.runs, shrunken.failure
    ));
    Ok(Exit::Failure)
}

/// A test that replays a case. `scenario` is its type, taken for a value: true of unit structs.
fn rust_test(name: &str, scenario: &str, case: &str) -> String {
    // As many signs as it takes for the text not to end the literal.
    let mut signs = "#".to_owned();
    while case.contains(&format!("\"{signs}")) {
        signs.push('#');
    }
    let mut test = String::new();
    let comment = case.lines().map_while(|line| line.strip_prefix("//"));
    for line in comment {
        test.push_str(&format!("///{line}\n"));
    }
    let call = format!("blackstart_sim::assert_case_passes({scenario}, r{signs}\"\n");
    test.push_str(&format!(
        "#[test]\nfn {name}() {{\n    {call}{case}\"{signs});\n}}\n"
    ));
    test
}

pub(super) fn load<'r>(
    path: &Path,
    registry: &'r Registry,
) -> Result<(&'r dyn AnyScenario, String, String), UsageError> {
    let text = files::read(path)?;
    let file = path.display().to_string();
    let name = case::scenario_of(&file, &text).map_err(|error| UsageError(error.to_string()))?;
    let scenario = registry
        .all()
        .find(|scenario| scenario.name() == name)
        .ok_or_else(|| {
            let error = case::unknown_scenario(&file, &text, &name, &registry.names());
            UsageError(error.to_string())
        })?;
    Ok((scenario, file, text))
}

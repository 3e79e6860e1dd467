//! What a planted bug's failure shrinks to.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use blackstart_sim::corpus::PLANTED;
use blackstart_sim::shrink::CaseSize;

use super::MutantsError;
use super::catalogue::{Mutant, read};

/// A shrunken case.
#[derive(Clone, Debug)]
pub(super) struct Small {
    /// Its text, as the corpus keeps it.
    pub text: String,
    /// What there is to read in it.
    pub size: CaseSize,
    /// How long the shrinking took, in seconds of real time.
    pub elapsed_s: f64,
}

impl Small {
    /// Shrinks a case with the bug switched on. `directory` is for files in between.
    pub fn of(
        binary: &Path,
        mutant: &Mutant,
        oracle: &str,
        case: &str,
        directory: &Path,
    ) -> Result<Self, MutantsError> {
        let found = directory.join("found.case");
        let small = directory.join("small.case");
        write(&found, case)?;
        let mut command = Command::new(binary);
        command
            .args(["sim", "shrink"])
            .arg(&found)
            .arg("--output")
            .arg(&small)
            .env("BLACKSTART_PLANTED", &mutant.name);
        let (output, elapsed_s) = timed(&mut command);
        let output = output.map_err(|error| MutantsError::io(binary, error))?;
        let fails = |reason: String| MutantsError::Campaign {
            name: mutant.name.clone(),
            reason,
        };
        if output.status.code() != Some(2) {
            let stderr = String::from_utf8_lossy(&output.stderr);
            let code = output.status.code();
            return Err(fails(format!("shrinking gave exit {code:?}; {stderr}")));
        }
        let registry = blackstart_scenarios::registry();
        let scenario = registry.find(&mutant.scenario);
        let scenario = scenario.map_err(|error| fails(error.to_string()))?;
        let (file, text) = (small.display().to_string(), read(&small)?);
        let comment = comment(mutant, oracle);
        let text = scenario.rewrite(&file, &text, &comment);
        let text = text.map_err(|error| fails(error.to_string()))?;
        let size = scenario.size(&file, &text);
        let size = size.map_err(|error| fails(error.to_string()))?;
        Ok(Self {
            text,
            size,
            elapsed_s,
        })
    }
}

/// Where the corpus, or a directory like it, has the case of a bug.
pub(super) fn case_path(directory: &Path, mutant: &Mutant) -> PathBuf {
    directory.join(format!("planted-{}.case", mutant.name.replace('_', "-")))
}

/// The head of a case in the corpus.
fn comment(mutant: &Mutant, oracle: &str) -> String {
    let origin = format!(
        "{}{}{} the oracle \"{oracle}\" fails; shrunken from a random seed.",
        PLANTED.0, mutant.name, PLANTED.1
    );
    format!(
        "{}\n{}",
        wrapped(&mutant.patch.about).join("\n"),
        wrapped(&origin).join("\n")
    )
}

/// A text in lines that fit behind a comment's sign.
fn wrapped(text: &str) -> Vec<String> {
    const COLUMNS_MAX: usize = 94;
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.len() + 1 + word.len() <= COLUMNS_MAX => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

#[expect(
    clippy::disallowed_methods,
    reason = "how long a person waits is real time"
)]
fn timed(command: &mut Command) -> (std::io::Result<std::process::Output>, f64) {
    let started = Instant::now();
    let output = command.output();
    (output, started.elapsed().as_secs_f64())
}

#[expect(
    clippy::disallowed_methods,
    reason = "a source-tree command works on real files"
)]
pub(super) fn write(path: &Path, text: &str) -> Result<(), MutantsError> {
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent).map_err(|error| MutantsError::io(parent, error))?;
    }
    std::fs::write(path, text).map_err(|error| MutantsError::io(path, error))
}

#[cfg(test)]
mod tests;

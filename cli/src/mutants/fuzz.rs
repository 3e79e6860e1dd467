//! libFuzzer on the patched copy: bytes are the choices of a case, and a planted bug is switched
//! on.

use std::path::{Path, PathBuf};
use std::process::Command;

use blackstart_sim::call::mix64;

use super::catalogue::{Mutant, entries};
use super::compare::{Proof, Search};
use super::{MutantsArgs, MutantsError, copy};

/// The target whose bytes are the choices of a simulation.
const TARGET: &str = "case_bytes";
/// What libFuzzer's exit code is when an input fails; and when it takes too long.
const FAILS: [i32; 2] = [77, 70];

/// Inputs to begin with. From nothing it would take long to come to bytes that draw more than the
/// smallest case.
const NOISE_INPUTS: u64 = 16;
/// Words of eight bytes of such an input.
const NOISE_WORDS: u64 = 128;

/// The fuzz target of the patched copy.
pub(super) struct Fuzzer {
    binary: PathBuf,
}

impl Fuzzer {
    /// Builds it. The output directory is kept, so that a second build is quick.
    pub fn build(source: &Path, tree: &Path) -> Result<Self, MutantsError> {
        let target = source.join("target/mutants/fuzz");
        let output = Command::new("cargo")
            .args(["+nightly", "fuzz", "build", "--sanitizer", "none"])
            .arg("--fuzz-dir")
            .arg(tree.join("fuzz"))
            .arg("--target-dir")
            .arg(&target)
            .arg(TARGET)
            .output()
            .map_err(|error| MutantsError::io(Path::new("cargo"), error))?;
        if !output.status.success() {
            let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
            return Err(MutantsError::Build { stderr });
        }
        // It stands below the name of the architecture.
        let built = entries(&target)?.into_iter();
        let mut built = built.map(|directory| directory.join("release").join(TARGET));
        let binary = built.find(|binary| binary.is_file());
        let binary = binary.ok_or_else(|| MutantsError::Fuzz {
            reason: format!("no {TARGET} below {}", target.display()),
        })?;
        Ok(Self { binary })
    }

    /// Fuzzes from noise until an input fails or the time is over.
    pub fn search(
        &self,
        mutant: &Mutant,
        round: u64,
        args: &MutantsArgs,
    ) -> Result<Search, MutantsError> {
        let inputs = args.source.join("target/mutants/inputs");
        let (noise, failing) = (
            inputs.join(format!("noise-{round}")),
            inputs.join("failing"),
        );
        let mut list = Vec::new();
        for number in 0..NOISE_INPUTS {
            let path = noise.join(number.to_string());
            copy::write(&path, &noise_of(round, number))?;
            list.push(path.display().to_string());
        }
        let failing = failing.join(format!("{}-{round}", mutant.name));
        copy::write(&failing, b"")?;
        let output = Command::new(&self.binary)
            .arg(format!("-max_total_time={}", args.seconds))
            // 0 would be drawn by the clock.
            .arg(format!("-seed={}", round + 1))
            .args(["-print_final_stats=1", "-rss_limit_mb=2048"])
            // Else it would try short inputs for long, and they draw next to nothing.
            .arg("-len_control=0")
            .arg(format!("-exact_artifact_path={}", failing.display()))
            .arg(format!("-seed_inputs={}", list.join(",")))
            .env("BLACKSTART_PLANTED", &mutant.name)
            .output()
            .map_err(|error| MutantsError::io(&self.binary, error))?;
        let text = String::from_utf8_lossy(&output.stderr);
        let runs = text
            .lines()
            .find_map(|line| line.strip_prefix("stat::number_of_executed_units:"))
            .and_then(|count| count.trim().parse().ok());
        let found = match output.status.code() {
            Some(0) => None,
            Some(code) if FAILS.contains(&code) => Some(Proof::Input(failing)),
            code => {
                return Err(MutantsError::Fuzz {
                    reason: format!("{}: exit {code:?}: {text}", mutant.name),
                });
            }
        };
        Ok(Search {
            found,
            runs: runs.unwrap_or(0),
            unit: "inputs",
            seconds: 0.0,
        })
    }

    /// Whether an input passes without any bug.
    pub fn passes(&self, input: &Path) -> Result<bool, MutantsError> {
        let output = Command::new(&self.binary)
            .arg(input)
            .env("BLACKSTART_PLANTED", "")
            .output()
            .map_err(|error| MutantsError::io(&self.binary, error))?;
        Ok(output.status.success())
    }
}

/// Bytes without meaning, the same each time.
fn noise_of(round: u64, number: u64) -> Vec<u8> {
    let first = (round * NOISE_INPUTS + number) * NOISE_WORDS;
    let words = (first..first + NOISE_WORDS).map(|word| mix64(word).to_le_bytes());
    words.flatten().collect()
}

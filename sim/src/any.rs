//! Scenarios without their types, for the command line and for tests over the corpus.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use crate::campaign::{Campaign, CampaignOptions, Progress, run_seed, write_case};
use crate::case::{self, CaseError};
use crate::draw::Draw;
use crate::explorer::{self, Exploration, ExploreOptions};
use crate::failure::Failure;
use crate::generate;
use crate::near;
use crate::report::{FailureReport, Report};
use crate::run::{CaseRun, run_case};
use crate::scenario::Scenario;
use crate::schedules::{self, ScheduleBounds, ScheduleTally};
use crate::shrink::{self, CaseSize};
use crate::story::{self, Story};

/// A case after shrinking, as text.
#[derive(Clone, Debug)]
pub struct ShrunkenText {
    /// The text of the smallest case.
    pub case: String,
    /// Its failure.
    pub failure: Failure,
    /// How many runs it took.
    pub runs: u64,
    /// What there was to read, and what is left.
    pub sizes: (CaseSize, CaseSize),
}

/// What the explorer goes through.
#[derive(Clone, Copy, Debug)]
pub enum Workload<'a> {
    /// The scenario's own small cases.
    Small,
    /// The case that a seed draws.
    Seed(u64),
    /// A case file.
    Text {
        /// Its name.
        file: &'a str,
        /// What it says.
        text: &'a str,
    },
}

/// Why nothing can be explored.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExploreError {
    /// The text is no case.
    #[error(transparent)]
    Case(#[from] CaseError),
    /// The scenario gives no small cases.
    #[error("scenario {scenario:?} has no small cases of its own; name a seed or a case file")]
    NoSmallCases {
        /// The scenario.
        scenario: &'static str,
    },
}

/// A scenario, whatever its types.
pub trait AnyScenario: Send + Sync {
    /// The name on the command line.
    fn name(&self) -> &'static str;

    /// One sentence.
    fn about(&self) -> &'static str;

    /// The scenario's type, for code that is written for it.
    fn type_name(&self) -> &'static str;

    /// Runs a campaign.
    fn campaign(
        &self,
        options: &CampaignOptions,
        progress: &dyn Progress,
        interrupted: &AtomicBool,
    ) -> Report;

    /// Runs a case.
    ///
    /// # Errors
    /// If the text is not a case of this scenario.
    fn replay(&self, file: &str, text: &str, verbose: bool) -> Result<CaseRun, CaseError>;

    /// Crashes the operations of a case in other places than the case does, with at most
    /// `images_max` images an era; the first failing case and its failure.
    ///
    /// # Errors
    /// If the text is not a case of this scenario.
    fn explore_near(
        &self,
        file: &str,
        text: &str,
        images_max: u64,
    ) -> Result<Option<(String, Failure)>, CaseError>;

    /// Runs a case under every schedule within the bounds: what was tried, and the first failing
    /// case with its failure.
    ///
    /// # Errors
    /// If the text is not a case of this scenario.
    fn explore_schedules(
        &self,
        file: &str,
        text: &str,
        bounds: ScheduleBounds,
    ) -> Result<(ScheduleTally, Option<(String, Failure)>), CaseError>;

    /// The text of a case as this program writes it, with another comment at its head.
    ///
    /// # Errors
    /// If the text is not a case of this scenario.
    fn rewrite(&self, file: &str, text: &str, comment: &str) -> Result<String, CaseError>;

    /// How large a case is.
    ///
    /// # Errors
    /// If the text is not a case of this scenario.
    fn size(&self, file: &str, text: &str) -> Result<CaseSize, CaseError>;

    /// The case that a fuzzer's bytes draw, before any crash is chosen.
    fn case_of_bytes(&self, bytes: &[u8], options: &CampaignOptions) -> String;

    /// Tells the story of a case. `command` is what reproduces it.
    ///
    /// # Errors
    /// If the text is not a case of this scenario.
    fn explain(&self, file: &str, text: &str, command: &str) -> Result<Story, CaseError>;

    /// Everything a seed leads to: its failure, if it has one.
    fn seed(&self, seed: u64, options: &CampaignOptions) -> Option<FailureReport>;

    /// The case that a seed draws, before any crash is chosen.
    fn case_of_seed(&self, seed: u64, options: &CampaignOptions) -> String;

    /// Shrinks a failing case; none if it does not fail.
    ///
    /// # Errors
    /// If the text is not a case of this scenario.
    fn shrink(&self, file: &str, text: &str) -> Result<Option<ShrunkenText>, CaseError>;

    /// Explores a workload in full.
    ///
    /// # Errors
    /// If the text is not a case of this scenario, or there is no workload.
    fn explore(
        &self,
        workload: &Workload<'_>,
        options: &ExploreOptions,
        interrupted: &AtomicBool,
    ) -> Result<Exploration, ExploreError>;

    /// What a fuzzer's bytes lead to: the failure, if there is one.
    fn fuzz(&self, bytes: &[u8], options: &CampaignOptions) -> Option<FailureReport>;
}

/// A scenario with its types, as [`AnyScenario`].
pub struct Registered<S: Scenario>(Arc<S>);

impl<S: Scenario> Registered<S> {
    /// Forgets the types.
    pub fn boxed(scenario: S) -> Box<dyn AnyScenario> {
        Box::new(Self(Arc::new(scenario)))
    }
}

impl<S: Scenario> AnyScenario for Registered<S> {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn about(&self) -> &'static str {
        self.0.about()
    }

    fn type_name(&self) -> &'static str {
        std::any::type_name::<S>()
    }

    fn campaign(
        &self,
        options: &CampaignOptions,
        progress: &dyn Progress,
        interrupted: &AtomicBool,
    ) -> Report {
        Campaign::shared(Arc::clone(&self.0), options.clone()).run_with(progress, interrupted)
    }

    fn replay(&self, file: &str, text: &str, verbose: bool) -> Result<CaseRun, CaseError> {
        let case = case::decode_of(&*self.0, file, text)?;
        Ok(run_case(&self.0, &case, verbose))
    }

    fn explore_near(
        &self,
        file: &str,
        text: &str,
        images_max: u64,
    ) -> Result<Option<(String, Failure)>, CaseError> {
        let case = case::decode_of(&*self.0, file, text)?;
        let found = near::explore_near(&self.0, &case, images_max);
        Ok(found.map(|(case, failure)| (write_case(&case, &failure), failure)))
    }

    fn explore_schedules(
        &self,
        file: &str,
        text: &str,
        bounds: ScheduleBounds,
    ) -> Result<(ScheduleTally, Option<(String, Failure)>), CaseError> {
        let case = case::decode_of(&*self.0, file, text)?;
        let (tally, found) = schedules::explore_schedules(&self.0, &case, bounds);
        let found = found.map(|(case, failure)| (write_case(&case, &failure), failure));
        Ok((tally, found))
    }

    fn rewrite(&self, file: &str, text: &str, comment: &str) -> Result<String, CaseError> {
        let case = case::decode_of(&*self.0, file, text)?;
        case::encode(&case, comment)
    }

    fn size(&self, file: &str, text: &str) -> Result<CaseSize, CaseError> {
        let case = case::decode_of(&*self.0, file, text)?;
        Ok(CaseSize::of(&case))
    }

    fn case_of_bytes(&self, bytes: &[u8], options: &CampaignOptions) -> String {
        let case = generate::case(&self.0, &mut Draw::bytes(bytes), options.profile);
        let comment = format!("drawn from {} bytes of a fuzzer", bytes.len());
        case::encode(&case, &comment).unwrap_or_else(|error| format!("// {error}\n"))
    }

    fn explain(&self, file: &str, text: &str, command: &str) -> Result<Story, CaseError> {
        let case = case::decode_of(&*self.0, file, text)?;
        let command = command.to_owned();
        Ok(story::tell(&self.0, &case, file, command, text))
    }

    fn seed(&self, seed: u64, options: &CampaignOptions) -> Option<FailureReport> {
        run_seed(&self.0, seed, options).failure
    }

    fn case_of_seed(&self, seed: u64, options: &CampaignOptions) -> String {
        let mut draw = Draw::seeded(seed);
        let case = generate::case(&self.0, &mut draw, options.profile);
        let comment = format!("drawn from seed {seed}");
        case::encode(&case, &comment).unwrap_or_else(|error| format!("// {error}\n"))
    }

    fn shrink(&self, file: &str, text: &str) -> Result<Option<ShrunkenText>, CaseError> {
        let case = case::decode_of(&*self.0, file, text)?;
        let Some((_, failure)) = run_case(&self.0, &case, false).failure else {
            return Ok(None);
        };
        let shrunken = shrink::shrink(&self.0, &case, &failure);
        Ok(Some(ShrunkenText {
            case: write_case(&shrunken.case, &failure),
            failure,
            runs: shrunken.runs,
            sizes: (CaseSize::of(&case), CaseSize::of(&shrunken.case)),
        }))
    }

    fn explore(
        &self,
        workload: &Workload<'_>,
        options: &ExploreOptions,
        interrupted: &AtomicBool,
    ) -> Result<Exploration, ExploreError> {
        let cases = match *workload {
            Workload::Small => generate::small_cases(&*self.0),
            Workload::Seed(seed) => vec![generate::case(&self.0, &mut Draw::seeded(seed), None)],
            Workload::Text { file, text } => vec![case::decode_of(&*self.0, file, text)?],
        };
        if cases.is_empty() {
            let scenario = self.0.name();
            return Err(ExploreError::NoSmallCases { scenario });
        }
        Ok(explorer::explore(&self.0, &cases, options, interrupted))
    }

    fn fuzz(&self, bytes: &[u8], options: &CampaignOptions) -> Option<FailureReport> {
        crate::campaign::explore_bytes(&self.0, bytes, options)
    }
}

/// Replays a case of a scenario, for tests; `text` is what a `.case` file holds.
///
/// # Panics
/// If it is no case of this scenario, if it fails, or if it names what its run does not meet: a
/// case that is kept must still do what it was kept for.
pub fn assert_case_passes<S: Scenario>(scenario: S, text: &str) {
    let case = match case::decode_of(&scenario, "the case", text) {
        Ok(case) => case,
        Err(error) => panic!("{error}"),
    };
    let run = run_case(&Arc::new(scenario), &case, false);
    if let Some((era, failure)) = run.failure {
        panic!("era {era}: {failure}");
    }
    let stale = run.stale.join("; ");
    assert!(stale.is_empty(), "stale: never met: {stale}");
}

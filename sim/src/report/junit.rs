//! A report in the form of JUnit, which test dashboards read.
//!
//! A scenario is a test suite. Its test cases are the campaign itself, which holds the summary,
//! and each failure: oracle as the name, the story as the text. Escaping is the library's.

use quick_junit::{NonSuccessKind, Report as Document, TestCase, TestCaseStatus, TestSuite};

use super::{FailureReport, Report};

/// The text of a JUnit file.
pub fn encode(reports: &[Report]) -> String {
    let mut document = Document::new("blackstart");
    for report in reports {
        document.add_test_suite(suite(report));
    }
    // The writer is a string, which takes everything.
    document
        .to_string()
        .unwrap_or_else(|error| format!("<!-- {error} -->\n"))
}

fn suite(report: &Report) -> TestSuite {
    let mut suite = TestSuite::new(&report.scenario);
    suite.set_time(report.elapsed);
    let mut campaign = TestCase::new("campaign", verdict(report));
    campaign.set_classname(&report.scenario);
    campaign.set_time(report.elapsed);
    campaign.set_system_out(report.summary());
    suite.add_test_case(campaign);
    for failure in &report.failures {
        suite.add_test_case(failed(failure));
    }
    suite
}

/// What is wrong with the campaign as such. Its failures are test cases of their own.
fn verdict(report: &Report) -> TestCaseStatus {
    let missed = report.missed();
    let (kind, message) = if let Some(nondeterminism) = &report.nondeterminism {
        (NonSuccessKind::Failure, nondeterminism.clone())
    } else if !missed.is_empty() {
        let marks = missed.join(", ");
        let message = format!("required marks were never hit: {marks}");
        (NonSuccessKind::Failure, message)
    } else if report.was_interrupted() {
        let message = "the campaign was interrupted".to_owned();
        (NonSuccessKind::Error, message)
    } else {
        return TestCaseStatus::success();
    };
    let mut status = TestCaseStatus::non_success(kind);
    status.set_message(message);
    status
}

fn failed(failure: &FailureReport) -> TestCase {
    let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
    status.set_message(&failure.failure.message);
    status.set_type(&failure.failure.place);
    status.set_description(failure.best_case());
    let name = format!("{} at {}", failure.failure.oracle, failure.failure.place);
    let mut case = TestCase::new(name, status);
    case.set_classname(&failure.scenario);
    let seed = format!("seed {}\n{}\n", failure.seed, failure.reproduce());
    case.set_system_out(seed);
    case
}

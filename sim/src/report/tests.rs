//! Tests of reports: their text, merging, and what other tools read.

use super::merge::merge;
use super::*;
use crate::counter::Counter;
use crate::{Campaign, Shard};

fn report(seeds: Range<u64>, shard: &str, is_careful: bool) -> Report {
    let shard: Shard = shard.parse().expect("a shard");
    Campaign::new(Counter { is_careful })
        .seeds(seeds)
        .shard(shard)
        .report()
}

fn named(reports: &[&Report]) -> Vec<(String, Report)> {
    let named = reports.iter().enumerate();
    named
        .map(|(at, report)| (format!("{at}.json"), (*report).clone()))
        .collect()
}

#[test]
fn a_report_is_read_as_it_was_written() {
    for is_careful in [true, false] {
        let reports = [report(0..20, "1/2", is_careful), report(3..9, "1/1", true)];
        let text = document::encode(&reports);
        assert_eq!(document::decode("a", &text).expect("reads"), reports);
    }
}

#[test]
fn a_damaged_report_is_refused_with_its_line() {
    let text = document::encode(&[report(0..6, "1/1", false)]);
    let check = |text: &str, expected: &str| {
        let error = document::decode("a.json", text).expect_err("it is damaged");
        let error = error.to_string();
        assert!(error.contains(expected), "{error}");
    };
    check("", "a.json:1:0: EOF");
    check(
        &text.replace("\"version\": 1", "\"version\": 9"),
        "a.json:2: report version 9",
    );
    check(
        &text.replace("\"version\": 1", "\"version\": -1"),
        "a.json:2:",
    );
    check(
        &text.replace("\"eras\"", "\"areas\""),
        "unknown field `areas`",
    );
    check(
        &text.replace("\"index\": 1", "\"index\": 2"),
        "no shard 2 of 1",
    );
    check(
        &text.replace("\"done\": 6", "\"done\": 5"),
        "a.json:5: the report of counter",
    );
    check(&text.replace("\"done\": 6", "\"done\": 7"), "has 7 seeds");
    check(
        &text.replace("\"images\": ", "\"images\": 99999999999999"),
        "\"images\" is",
    );
    check(
        &text.replace("\"elapsed_s\": ", "\"elapsed_s\": -"),
        "elapsed_s is -",
    );
    let opened = text.find("\"opened\"").expect("the mark");
    let mark = text[opened..].replacen("\"hits\": ", "\"hits\": 99999999999999", 1);
    check(&(text[..opened].to_owned() + &mark), "\"opened\" is");
    // Wherever it ends too early, it is refused and nothing panics.
    for end in (0..text.len() - 2).filter(|&end| text.is_char_boundary(end)) {
        assert!(document::decode("a", &text[..end]).is_err(), "{end}");
    }
}

#[test]
fn flipped_bits_are_refused_or_change_a_value_and_never_panic() {
    let text = document::encode(&[report(0..6, "1/1", false)]);
    for at in 0..text.len() {
        let mut bytes = text.clone().into_bytes();
        bytes[at] ^= 1 << (at % 7);
        if let Ok(damaged) = String::from_utf8(bytes)
            && let Ok(reports) = document::decode("a", &damaged)
        {
            let named: Vec<(String, Report)> = reports
                .into_iter()
                .map(|report| ("a".to_owned(), report))
                .collect();
            let twice = [named.clone(), named].concat();
            let _ = merge(&twice).reports.iter().map(Report::summary).count();
        }
    }
}

#[test]
fn failures_are_told_once_and_the_order_does_not_matter() {
    let shards: Vec<Report> = ["1/3", "2/3", "3/3"]
        .map(|shard| report(0..9, shard, false))
        .into();
    let count: usize = shards.iter().map(|shard| shard.failures.len()).sum();
    assert!(count > 1, "{count}");
    let merged = merge(&named(&[&shards[0], &shards[1], &shards[2]]));
    let backwards = merge(&named(&[&shards[2], &shards[1], &shards[0]]));
    assert_eq!(merged.reports, backwards.reports);
    let failures = &merged.reports[0].failures;
    let mut kinds: Vec<_> = failures.iter().map(|found| &found.failure.place).collect();
    kinds.dedup();
    assert_eq!(failures.len(), kinds.len());
    let seeds: usize = failures.iter().map(|found| 1 + found.seeds_too.len()).sum();
    assert_eq!(seeds, count, "every seed is named");
    // Merging what was merged changes nothing.
    let again = merge(&named(&[&merged.reports[0]]));
    assert_eq!(again.reports, merged.reports);
}

#[test]
fn what_is_missing_or_there_twice_is_named() {
    let one = report(0..9, "1/3", true);
    let two = report(0..9, "2/3", true);
    let three = report(0..9, "3/3", true);
    let gaps = |reports: &[&Report]| merge(&named(reports)).gaps;
    assert_eq!(gaps(&[&one, &two, &three]), [""; 0]);
    assert_eq!(gaps(&[&one, &three]), ["counter: missing shards: 2/3"]);
    assert_eq!(
        gaps(&[&one, &two, &three, &two]),
        ["counter: 3.json is the same report as 1.json, and is counted once"]
    );
    let few = gaps(&[&report(0..99, "7/99", true)]);
    assert!(few[0].ends_with("20/99, 21/99, and 78 more"), "{few:?}");
    let other = report(0..5, "1/1", true);
    let found = gaps(&[&one, &two, &three, &other]);
    assert_eq!(found.len(), 3, "{found:?}");
    assert!(found[1].contains("shard 2/3 in 1.json and shard 1/1 in 3.json overlap"));
    let mut stopped = two.clone();
    stopped.parts[0].ended = Ended::Interrupted;
    stopped.parts[0].done = 4;
    assert_eq!(
        gaps(&[&one, &stopped, &three]),
        ["counter: shard 2/3 was interrupted: its seeds from 4 to 9 are missing"]
    );
    // A part that is counted once counts once.
    let merged = merge(&named(&[&one, &one]));
    assert_eq!(merged.reports[0].cases, one.cases);
}

/// A report whose texts hold everything that a form might trip over.
fn nasty() -> Report {
    let mut report = report(0..6, "1/1", false);
    report.failures.truncate(1);
    let failure = &mut report.failures[0];
    failure.failure.oracle = "a,b:c".to_owned();
    failure.failure.place = "src/x.rs:7".to_owned();
    failure.failure.message = "100%\n::error::no\r\u{1}]]> & <b> | `x` \u{1b}[31m".to_owned();
    failure.shrunken = "```\n]]>\n<script>\n````\n".to_owned();
    report
}

#[test]
fn annotations_are_one_line_each() {
    let text = github::annotations(&[nasty()]);
    assert_eq!(text.lines().count(), 1, "{text}");
    assert!(
        text.starts_with(
            "::error file=src/x.rs,line=7,title=counter%3A a%2Cb%3Ac::100%25%0A::error::no%0D"
        ),
        "{text}"
    );
}

#[test]
fn the_summary_of_a_step_keeps_to_its_form() {
    let text = github::summary(&[nasty()]);
    let bold = text
        .lines()
        .find(|line| line.starts_with("**"))
        .expect("the failure");
    assert!(bold.contains("&lt;b&gt; &#124; &#96;x&#96;"), "{bold}");
    assert!(
        text.contains("\n`````\n```\n"),
        "the fence is longer than any inside:\n{text}"
    );
}

#[test]
fn junit_is_read_back_with_every_text() {
    let text = junit::encode(&[nasty(), report(0..3, "1/1", true)]);
    let document = quick_junit::Report::deserialize_from_str(&text).expect("it is XML");
    assert_eq!(document.test_suites.len(), 2);
    let suite = &document.test_suites[0];
    let names: Vec<&str> = suite
        .test_cases
        .iter()
        .map(|case| case.name.as_str())
        .collect();
    assert_eq!(names, ["campaign", "a,b:c at src/x.rs:7"]);
    let quick_junit::TestCaseStatus::NonSuccess {
        message,
        description,
        ..
    } = &suite.test_cases[1].status
    else {
        panic!("it failed");
    };
    let message = message.as_ref().expect("a message").as_str();
    assert!(message.contains("]]> & <b> | `x`"), "{message}");
    assert!(!message.contains('\u{1}'), "XML can't hold it");
    let case = description.as_ref().expect("the case").as_str();
    assert!(case.contains("]]>\n<script>"), "{case}");
    assert_eq!(document.test_suites[1].test_cases.len(), 1);
}

//! A story as one page of HTML: no script, nothing from elsewhere, readable without color.
//!
//! This file lays out; the lanes of an era are in `page/chart.rs`. Text is escaped by the template,
//! which knows that it makes HTML.

mod chart;

use askama::Template;

use super::fold::{Row, rows};
use super::lanes::Lanes;
use super::{EraEnd, EraStory, Moment, Role, StaleStory, Story, words};
use crate::disk::{FileAccount, Outcome, Span};

/// An era has about so many rows before whole operations are folded.
const ROWS_MAX: usize = 150;
/// So many files have a lane.
const LANES_MAX: usize = 16;
/// So many losses of an era are shown.
const LOSSES_MAX: usize = 12;
/// So many files are shown byte by byte.
const FILES_MAX: usize = 16;
/// So many ranges of a file are shown.
const SPANS_MAX: usize = 256;

/// Why a page can't be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PageError {
    /// The template can't be filled.
    #[error("the page can't be made: {0}")]
    Template(#[from] askama::Error),
}

#[derive(Template)]
#[template(path = "story.html")]
struct Page {
    style: &'static str,
    hatched: [&'static str; 3],
    title: String,
    verdict: &'static str,
    verdict_class: &'static str,
    headline: String,
    scenario: String,
    source: String,
    disk: String,
    config: String,
    eras: Vec<Era>,
    known_title: String,
    known: Vec<String>,
    found: Vec<String>,
    place: String,
    stale: Vec<String>,
    command: String,
    case: String,
}

struct Era {
    number: usize,
    sentence: String,
    about: String,
    losses: Vec<words::Loss>,
    losses_more: usize,
    stale: Vec<String>,
    width: usize,
    cut_x: usize,
    is_crash: bool,
    ticks: Vec<chart::Tick>,
    lanes: Vec<chart::Lane>,
    lanes_more: usize,
    bytes: Vec<Bytes>,
    bytes_more: usize,
    faults: Vec<FaultRow>,
    rows: Vec<Line>,
    is_open: bool,
    end: String,
    end_class: &'static str,
}

struct Bytes {
    name: String,
    lengths: String,
    summary: String,
    spans: Vec<Part>,
}

struct Part {
    class: &'static str,
    bytes: u64,
    title: String,
}

struct FaultRow {
    kind: &'static str,
    when: String,
    words: String,
    injected: u64,
}

struct Line {
    class: &'static str,
    number: String,
    words: String,
    outcome: String,
    outcome_class: &'static str,
}

impl Story {
    /// The story as one page of HTML that needs nothing else.
    ///
    /// # Errors
    /// If the template can't be filled.
    pub fn page(&self) -> Result<String, PageError> {
        let headline = words::headline(self);
        let (verdict, verdict_class) = match self.is_clean() {
            true => ("passes", "good"),
            false => ("fails", "bad"),
        };
        let last = self.last_era();
        let known = last.map(|era| match self.is_clean() {
            true => (
                format!("Known at the end of era {}", era.number),
                &era.known.1,
            ),
            false => (format!("Known when era {} began", era.number), &era.known.0),
        });
        let (known_title, known) =
            known.map_or_else(Default::default, |(title, known)| (title, known.clone()));
        let place = self.failure.as_ref().map(|failure| failure.place.clone());
        let page = Page {
            style: include_str!("../../templates/story.css"),
            hatched: ["pending", "lost", "torn"],
            title: format!("{}: {headline}", self.scenario),
            verdict,
            verdict_class,
            headline,
            scenario: self.scenario.clone(),
            source: self.source.clone(),
            disk: self.disk.clone(),
            config: self.config.clone(),
            eras: self.eras.iter().map(|era| self.era(era)).collect(),
            known_title,
            known,
            found: self.found(),
            place: place.unwrap_or_default(),
            stale: self.stale.clone(),
            command: self.command.clone(),
            case: self.case.clone(),
        };
        // Control characters have no place in HTML, and names may hold any.
        let visible = |letter: char| match letter.is_control() && letter != '\n' {
            true => char::REPLACEMENT_CHARACTER,
            false => letter,
        };
        Ok(page.render()?.chars().map(visible).collect())
    }

    fn found(&self) -> Vec<String> {
        let Some(failure) = &self.failure else {
            return Vec::new();
        };
        let shown = self.last_era().and_then(words::contradiction);
        let shown = shown.map(|(_, shown)| shown.to_owned());
        shown.into_iter().chain([failure.message.clone()]).collect()
    }

    fn era(&self, era: &EraStory) -> Era {
        let rows = rows(era, ROWS_MAX);
        let lanes = Lanes::of(era, LANES_MAX);
        let chart = chart::draw(era, &lanes, &rows);
        let files: Vec<&FileAccount> = words::changed_files(era).collect();
        let clients = words::clients(era);
        let mut losses = words::lost(era);
        let losses_more = losses.len().saturating_sub(LOSSES_MAX);
        losses.truncate(LOSSES_MAX);
        Era {
            number: era.number,
            sentence: words::sentence(era),
            about: format!(
                "{}, {}; {}",
                words::count(era.steps.len(), "operation"),
                words::count(clients, "client"),
                words::end(era)
            ),
            losses,
            losses_more,
            stale: (era.stale.iter().take(LOSSES_MAX))
                .map(StaleStory::words)
                .collect(),
            width: chart.width,
            cut_x: chart.cut_x,
            is_crash: matches!(era.end, EraEnd::Power(_) | EraEnd::Killed(_)),
            ticks: chart.ticks,
            lanes: chart.lanes,
            lanes_more: lanes.more,
            bytes: files
                .iter()
                .take(FILES_MAX)
                .map(|file| bytes(file))
                .collect(),
            bytes_more: files.len().saturating_sub(FILES_MAX),
            faults: faults(era),
            rows: lines(era, &rows),
            is_open: rows.len() <= ROWS_MAX / 2,
            end: match era.end {
                EraEnd::Power(_) => format!("{}; {}", words::end(era), words::losses(era)),
                _ => words::end(era),
            },
            end_class: match era.end {
                EraEnd::Closed => "",
                _ => "bad",
            },
        }
    }
}

/// The class of a outcome, which is its color.
const fn class_of(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Durable => "durable",
        Outcome::Survived => "kept",
        Outcome::Torn(_) => "torn",
        Outcome::Lost => "lost",
        Outcome::Pending => "pending",
    }
}

fn bytes(file: &FileAccount) -> Bytes {
    let length = |len: Option<u64>| len.map_or("not there".to_owned(), |len| format!("{len} B"));
    let words = |span: &Span| {
        let outcome = match span.outcome {
            Outcome::Durable => "durable",
            Outcome::Survived => "kept",
            Outcome::Torn(_) => "torn",
            Outcome::Lost => "lost",
            Outcome::Pending => "pending",
        };
        format!("{}..{} {outcome}", span.start, span.end)
    };
    let mut summary: Vec<String> = file.spans.iter().take(12).map(words).collect();
    if file.spans.len() > summary.len() {
        summary.push(format!("{} more ranges", file.spans.len() - summary.len()));
    }
    let parts = file.spans.iter().take(SPANS_MAX).map(|span| Part {
        class: class_of(&span.outcome),
        bytes: span.end - span.start,
        title: words(span),
    });
    Bytes {
        name: file.names.join(" → "),
        lengths: match (file.seen, file.left) {
            (None, Some(left)) => format!("its removal was lost: {left} B came back"),
            (seen, left) => format!("before {}, after {}", length(seen), length(left)),
        },
        summary: summary.join(", "),
        spans: parts.collect(),
    }
}

fn faults(era: &EraStory) -> Vec<FaultRow> {
    let row = |fault| words::fault(era, fault);
    let rows = era.faults.iter().map(|fault| FaultRow {
        kind: fault.kind,
        when: fault.when.clone(),
        words: row(fault),
        injected: fault.ledger.injected,
    });
    rows.collect()
}

/// The rows as lines; those that have a column in the chart bear its number.
fn lines(era: &EraStory, rows: &[Row]) -> Vec<Line> {
    let mut number = 0;
    let mut next = || {
        number += 1;
        number.to_string()
    };
    let line = |row: &Row| match row {
        Row::Turn { task, op } => Line {
            class: "turn",
            number: String::new(),
            words: words::turn(era, *task, *op),
            outcome: String::new(),
            outcome_class: "",
        },
        Row::Folded { words, .. } => Line {
            class: "fold",
            number: next(),
            words: format!("… {words}"),
            outcome: String::new(),
            outcome_class: "",
        },
        Row::Moment(at) => moment(era, *at, next()),
    };
    rows.iter().map(line).collect()
}

fn moment(era: &EraStory, at: usize, number: String) -> Line {
    match era.moments.get(at) {
        Some(Moment::Event(event)) => {
            let (class, sign) = match (event.contradicts, event.said.role) {
                (true, _) => ("bad", "!"),
                (_, Role::Promise) => ("promise", "✓"),
                (_, Role::Shown) => ("shown", "»"),
                (_, Role::Fact) => ("fact", "–"),
            };
            Line {
                class,
                number,
                words: format!("{sign} {}", event.said.words),
                outcome: String::new(),
                outcome_class: "",
            }
        }
        Some(Moment::Call(call)) => {
            let (outcome, outcome_class) = match words::outcome_of_call(era, at) {
                Some((sign, words)) => (format!("{sign} {words}"), class_of_sign(sign)),
                None => (String::new(), ""),
            };
            Line {
                class: match call.error.is_some() || !call.faults.is_empty() {
                    true => "call trouble",
                    false => "call",
                },
                number,
                words: words::call(era, at),
                outcome,
                outcome_class,
            }
        }
        None => Line {
            class: "fold",
            number,
            words: String::new(),
            outcome: String::new(),
            outcome_class: "",
        },
    }
}

const fn class_of_sign(sign: char) -> &'static str {
    match sign {
        '×' => "lost",
        '~' => "torn",
        '·' => "pending",
        _ => "durable",
    }
}

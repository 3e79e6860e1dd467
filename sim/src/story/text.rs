//! A story on a terminal, at 100 columns.

mod paint;

use std::fmt::Write as _;

use super::fold::{Row, rows};
use super::lanes::{self, Lanes, State, Touch};
use super::{EraEnd, EraStory, Moment, Role, Story, words};
use crate::disk::{FileAccount, Outcome};
use paint::{Ink, clean, cut, paint, wrap};

/// Columns of a line.
const WIDTH: usize = 100;
/// Columns that the outcome of a call takes at the end of its line.
const OUTCOME_WIDTH: usize = 22;
/// So many files have a lane.
const LANES_MAX: usize = 8;
/// An era has about so many rows before whole operations are folded.
const ROWS_MAX: usize = 40;
/// So many losses are listed.
const LOSSES_MAX: usize = 8;
/// Columns of the picture of a file's bytes.
const BAR_WIDTH: usize = 40;

/// How a story is shown.
#[derive(Clone, Copy, Debug, Default)]
pub struct Look {
    /// With colors, for a terminal.
    pub colored: bool,
    /// Only calls that change nothing are folded.
    pub all: bool,
}

/// Text in the making.
struct Writer {
    text: String,
    look: Look,
}

impl Story {
    /// The story in lines of at most 100 columns.
    pub fn text(&self, look: Look) -> String {
        let mut out = Writer {
            text: String::new(),
            look,
        };
        out.head(self);
        out.short(self);
        for era in &self.eras {
            out.era(era, self.era_count);
        }
        out.verdict(self);
        out.reproduce(self);
        out.text
    }

    /// The story in a few lines: what broke, and what was lost before.
    pub fn summary(&self, look: Look) -> String {
        let mut out = Writer {
            text: String::new(),
            look,
        };
        out.paragraph(0, &words::headline(self), Ink::Headline);
        out.short(self);
        out.text
    }
}

impl Writer {
    fn ink(&self, text: &str, ink: Ink) -> String {
        match self.look.colored {
            true => paint(text, ink),
            false => text.to_owned(),
        }
    }

    fn line(&mut self, text: &str) {
        self.text.push_str(text.trim_end());
        self.text.push('\n');
    }

    /// Words in as many lines as they need.
    fn paragraph(&mut self, indent: usize, text: &str, ink: Ink) {
        for line in wrap(&clean(text), WIDTH - indent) {
            let line = self.ink(&line, ink);
            self.line(&format!("{:indent$}{line}", ""));
        }
    }

    fn title(&mut self, text: &str) {
        self.line("");
        let text = self.ink(&cut(&clean(text), WIDTH), Ink::Title);
        self.line(&text);
    }

    fn head(&mut self, story: &Story) {
        let ink = match story.is_clean() {
            true => Ink::Good,
            false => Ink::Headline,
        };
        self.paragraph(0, &words::headline(story), ink);
        let about = format!("{}  {}  {}", story.scenario, story.source, story.disk);
        self.paragraph(2, &about, Ink::Dim);
        self.paragraph(2, &story.config, Ink::Dim);
    }

    /// How it came to it, in a few sentences.
    fn short(&mut self, story: &Story) {
        for era in &story.eras {
            let sentence = format!("Era {}: {}", era.number, words::sentence(era));
            self.paragraph(2, &sentence, Ink::Plain);
            self.losses(era, story.is_clean());
        }
    }

    fn losses(&mut self, era: &EraStory, is_clean: bool) {
        let losses_max = if is_clean { 3 } else { LOSSES_MAX };
        let losses = words::lost(era);
        let mut last_reason = String::new();
        for loss in losses.iter().take(losses_max) {
            let line = format!("{} {}  ({})", loss.sign, loss.what, loss.by);
            self.paragraph(4, &line, ink_of(loss.sign));
            let mut reason = loss.reason.clone();
            if !loss.promise.is_empty() {
                let _ = write!(reason, "; then: {}", loss.promise);
            }
            if reason != last_reason {
                self.paragraph(6, &reason, Ink::Plain);
            }
            last_reason = reason;
        }
        let more = losses.len().saturating_sub(losses_max);
        if more > 0 {
            self.line(&format!("    … {more} more"));
        }
    }

    fn era(&mut self, era: &EraStory, era_count: usize) {
        let title = format!(
            "Era {} of {era_count}: {}, {}",
            era.number,
            words::count(era.steps.len(), "operation"),
            words::count(words::clients(era), "client"),
        );
        self.title(&title);
        let lanes = Lanes::of(era, LANES_MAX);
        for (number, &file) in lanes.files.iter().enumerate() {
            let names = era.file(file).map(|file| file.names.join(" → "));
            let line = format!("  {}  {}", number + 1, names.unwrap_or_default());
            self.line(&cut(&clean(&line), WIDTH));
        }
        if lanes.more > 0 {
            let more = words::count(lanes.more, "file");
            self.line(&format!("  … {more} more, without a lane"));
        }
        if !lanes.files.is_empty() {
            self.paragraph(
                2,
                "· issued  ■ made durable  × lost at the end  ~ torn   \
                 idle: ┊ something pending, │ all durable",
                Ink::Dim,
            );
            let numbers = (1..=lanes.files.len()).map(|number| format!("{number} "));
            let numbers = format!("  {}", numbers.collect::<String>());
            let numbers = self.ink(numbers.trim_end(), Ink::Dim);
            self.line(&numbers);
        }
        self.timeline(era, &lanes);
        self.cut_line(era, &lanes);
        self.files(era);
        self.faults(era);
    }

    fn timeline(&mut self, era: &EraStory, lanes: &Lanes) {
        let rows_max = if self.look.all {
            usize::MAX / 4
        } else {
            ROWS_MAX
        };
        let mut last = None;
        for row in rows(era, rows_max) {
            match row {
                Row::Turn { task, op } => {
                    let words = words::turn(era, task, op);
                    self.row(era, lanes, last, &words, Ink::Title, false);
                }
                Row::Folded { last: at, words } => {
                    last = Some(at);
                    self.row(era, lanes, last, &format!("  … {words}"), Ink::Dim, false);
                }
                Row::Moment(at) => {
                    last = Some(at);
                    self.moment(era, lanes, at);
                }
            }
        }
    }

    fn moment(&mut self, era: &EraStory, lanes: &Lanes, at: usize) {
        match era.moments.get(at) {
            Some(Moment::Event(event)) => {
                let (sign, ink) = match (event.contradicts, event.said.role) {
                    (true, _) => ("!", Ink::Headline),
                    (_, Role::Promise) => ("✓", Ink::Good),
                    (_, Role::Shown) => ("»", Ink::Plain),
                    (_, Role::Fact) => ("-", Ink::Dim),
                };
                let words = format!("  {sign} {}", event.said.words);
                self.row(era, lanes, Some(at), &words, ink, false);
            }
            Some(Moment::Call(call)) => {
                let words = format!("  {}", words::call(era, at));
                let ink = match call.error.is_some() || !call.faults.is_empty() {
                    true => Ink::Torn,
                    false => Ink::Plain,
                };
                self.row(era, lanes, Some(at), &words, ink, true);
            }
            None => {}
        }
    }

    /// One row: the lanes after the moment, words, and the outcome of the call.
    fn row(
        &mut self,
        era: &EraStory,
        lanes: &Lanes,
        at: Option<usize>,
        words: &str,
        ink: Ink,
        is_touching: bool,
    ) {
        let start = 3 + 2 * lanes.files.len();
        let outcome = match (is_touching, at) {
            (true, Some(at)) => words::outcome_of_call(era, at),
            _ => None,
        };
        let width = WIDTH - start - outcome.as_ref().map_or(0, |_| OUTCOME_WIDTH);
        let indent = words.chars().take_while(|letter| *letter == ' ').count();
        let lines = wrap(&clean(words.trim_start()), width - indent - 2);
        for (number, line) in lines.iter().enumerate() {
            let is_first = number == 0;
            let mut text = "  ".to_owned();
            for &file in &lanes.files {
                let (sign, ink) = cell(era, file, at, is_touching && is_first);
                text.push_str(&self.ink(&sign.to_string(), ink));
                text.push(' ');
            }
            let hang = if is_first { 0 } else { 2 };
            let _ = write!(text, " {:indent$}{:hang$}{}", "", "", self.ink(line, ink));
            if let (Some((sign, words)), true) = (&outcome, is_first) {
                let used = indent + line.chars().count();
                let gap = width.saturating_sub(used);
                let words = cut(&format!("{sign} {words}"), OUTCOME_WIDTH);
                let _ = write!(text, "{:gap$}{}", "", self.ink(&words, ink_of(*sign)));
            }
            self.line(&text);
        }
    }

    fn cut_line(&mut self, era: &EraStory, lanes: &Lanes) {
        let is_power = matches!(era.end, EraEnd::Power(_));
        let words = words::end(era);
        let rule = match era.end {
            EraEnd::Power(_) | EraEnd::Killed(_) => '═',
            EraEnd::Failed | EraEnd::Closed => '─',
        };
        let ink = match era.end {
            EraEnd::Closed => Ink::Dim,
            _ => Ink::Headline,
        };
        let lead: String = (0..2 * lanes.files.len()).map(|_| rule).collect();
        let text = cut(&format!("  {lead}{rule} {} ", clean(&words)), WIDTH);
        let rest: String = (text.chars().count()..WIDTH).map(|_| rule).collect();
        let text = self.ink(&format!("{text}{rest}"), ink);
        self.line(&text);
        if is_power && !lanes.files.is_empty() {
            let mut text = "  ".to_owned();
            for &file in &lanes.files {
                let sign = match lanes::outcome(era, file) {
                    Outcome::Durable => '■',
                    Outcome::Survived => '+',
                    Outcome::Pending => '·',
                    Outcome::Torn(_) => '~',
                    Outcome::Lost => '×',
                };
                text.push_str(&self.ink(&sign.to_string(), ink_of(sign)));
                text.push(' ');
            }
            self.line(&format!("{text} {}", words::losses(era)));
        }
    }

    /// What the disk holds after the era, file by file.
    fn files(&mut self, era: &EraStory) {
        let files: Vec<&FileAccount> = words::changed_files(era).collect();
        if files.is_empty() {
            return;
        }
        self.line("");
        let head = "  file at the cut                   before    after   bytes";
        let head = self.ink(head, Ink::Dim);
        self.line(&head);
        for file in files.iter().take(LOSSES_MAX) {
            let name = file.names.last().map_or("?", String::as_str);
            let length = |len: Option<u64>| len.map_or("gone".to_owned(), |len| len.to_string());
            let line = format!(
                "  {:30} {:>9}{:>9}   ",
                cut(&clean(name), 30),
                length(file.seen),
                length(file.left)
            );
            let bar = self.bar(file);
            self.line(&format!("{line}{bar}"));
        }
        if files.len() > LOSSES_MAX {
            self.line(&format!("  … {} more", files.len() - LOSSES_MAX));
        }
        self.stale(era);
    }

    /// Where files show bytes of others.
    fn stale(&mut self, era: &EraStory) {
        for stale in era.stale.iter().take(LOSSES_MAX) {
            self.paragraph(2, &stale.words(), Ink::Lost);
        }
        if era.stale.len() > LOSSES_MAX {
            let more = era.stale.len() - LOSSES_MAX;
            self.line(&format!("  … {more} more stale ranges"));
        }
    }

    /// A picture of a file's bytes, the worst of each part.
    fn bar(&self, file: &FileAccount) -> String {
        let Some(seen @ 1..) = file.seen else {
            return match file.left {
                Some(_) => "came back: its removal was lost".to_owned(),
                None => String::new(),
            };
        };
        let width = (BAR_WIDTH as u64).min(seen);
        let mut text = String::new();
        for column in 0..width {
            let (start, end) = (column * seen / width, (column + 1) * seen / width);
            let spans = file.spans.iter();
            let spans = spans.filter(|span| span.start < end && span.end > start);
            let signs = spans.map(|span| match span.outcome {
                Outcome::Durable => '■',
                Outcome::Survived => '+',
                Outcome::Pending => '·',
                Outcome::Torn(_) => '~',
                Outcome::Lost => '×',
            });
            let sign = signs.min_by_key(|sign| "×~·+■".find(*sign)).unwrap_or(' ');
            text.push_str(&self.ink(&sign.to_string(), ink_of(sign)));
        }
        text
    }

    fn faults(&mut self, era: &EraStory) {
        if era.faults.is_empty() {
            return;
        }
        self.line("");
        self.line("  faults");
        for fault in &era.faults {
            let ink = if fault.ledger.injected == 0 {
                Ink::Dim
            } else {
                Ink::Torn
            };
            let line = format!(
                "{}, {}: {}",
                fault.kind,
                fault.when,
                words::fault(era, fault)
            );
            self.paragraph(4, &line, ink);
        }
    }

    fn verdict(&mut self, story: &Story) {
        let Some(era) = story.last_era() else { return };
        let Some(failure) = &story.failure else {
            self.title("Verdict");
            let eras = words::count(story.eras.len(), "era");
            self.paragraph(2, &format!("{eras} ran; no oracle objects."), Ink::Good);
            self.known("known at the end", &era.known.1);
            return;
        };
        self.title("Expected and found");
        let known = format!("known when era {} began", era.number);
        self.known(&known, &era.known.0);
        if let Some((_, found)) = words::contradiction(era) {
            self.line("  found");
            self.paragraph(4, found, Ink::Headline);
        }
        let verdict = format!("verdict of {}", failure.oracle);
        self.paragraph(2, &verdict, Ink::Plain);
        self.paragraph(4, &failure.message, Ink::Headline);
        if !failure.place.is_empty() {
            self.paragraph(4, &format!("at {}", failure.place), Ink::Dim);
        }
    }

    fn known(&mut self, title: &str, known: &[String]) {
        if known.is_empty() {
            return;
        }
        self.paragraph(2, title, Ink::Plain);
        for line in known {
            self.paragraph(4, line, Ink::Plain);
        }
    }

    fn reproduce(&mut self, story: &Story) {
        if !story.stale.is_empty() {
            self.title("Names in the case that the run did not meet");
            for stale in &story.stale {
                self.paragraph(2, stale, Ink::Dim);
            }
        }
        self.line("");
        self.line(&clean(&story.command));
    }
}

/// The cell of a file's lane after a moment.
fn cell(era: &EraStory, file: u32, at: Option<usize>, is_touching: bool) -> (char, Ink) {
    let Some(at) = at else { return (' ', Ink::Dim) };
    if is_touching && let Some(touch) = lanes::touch(era, file, at) {
        let sign = match touch {
            Touch::Lost | Touch::Dropped => '×',
            Touch::Torn => '~',
            Touch::Issued => '·',
            Touch::Settled => '■',
        };
        return (sign, ink_of(sign));
    }
    match lanes::state(era, file, at) {
        State::Absent => (' ', Ink::Dim),
        State::Pending => ('┊', Ink::Pending),
        State::Durable => ('│', Ink::Dim),
    }
}

const fn ink_of(sign: char) -> Ink {
    match sign {
        '×' => Ink::Lost,
        '~' => Ink::Torn,
        '·' => Ink::Pending,
        '■' | '+' => Ink::Good,
        _ => Ink::Plain,
    }
}

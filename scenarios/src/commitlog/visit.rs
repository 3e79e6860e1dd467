//! What an opening hands over: the commits that it reads to a visitor, and a first commit to the
//! log that it makes.

use std::ops::Range;

use blackstart::commitlog::{Log, LogError, LogOptions, RecoveryReport, TxOffset};
use blackstart_sim::{Failure, Promise};

use super::drive::Context;
use super::excuse::may_be_altered;
use super::history::{Event, Found};
use super::opening::dir;
use super::payload;
use super::readers::add;

/// Records of the first commit.
const FIRST_RECORDS: u64 = 2;
/// Bytes of each.
const FIRST_BYTES: usize = 24;

/// What a visitor was given.
pub(super) struct Visited {
    /// Where it began; none if there was no visitor.
    from: Option<u64>,
    found: Vec<Found>,
}

/// Opens the log, perhaps with a visitor.
pub(super) fn open_and_visit(
    ctx: &Context,
    options: LogOptions,
) -> (Result<(Log, RecoveryReport), LogError>, Visited) {
    let mut found = Vec::new();
    if !ctx.config().visits {
        let visited = Visited { from: None, found };
        return (Log::open(ctx.env(), dir(ctx), options), visited);
    }
    // What a retirement that has begun may take is not asked for.
    let from = ctx.model(|model| model.oldest.max(model.retain.unwrap_or(0)));
    let mut visit = |recovered: blackstart::commitlog::Recovered<'_>| {
        add(&mut found, &recovered.commit);
        Ok(())
    };
    let asked = TxOffset::new(from);
    let opened = Log::open_and_visit(ctx.env(), dir(ctx), options, asked, &mut visit);
    let from = Some(from);
    (opened, Visited { from, found })
}

impl Visited {
    /// The visitor was given what a reader shows, from the commit that holds `from` on; of a log
    /// that was created, nothing was there to read.
    pub fn judge(
        &self,
        ctx: &Context,
        report: &RecoveryReport,
        shown: &[Found],
    ) -> Result<(), Failure> {
        let Some(from) = self.from else { return Ok(()) };
        if ctx.promise() == Promise::PrefixOnly {
            return Ok(());
        }
        ctx.mark("visited while opening");
        let shown = if report.created { &[] } else { shown };
        // The epoch may be another: a segment that takes over has the frames of the one before.
        let is_same =
            |(one, two): (&Found, &Found)| (one.offset, one.token) == (two.offset, two.token);
        let is_end = self.found.len() <= shown.len()
            && self.found.iter().rev().zip(shown.iter().rev()).all(is_same);
        let begins = match (self.found.first(), shown.first()) {
            (Some(first), Some(oldest)) => first.offset <= from.max(oldest.offset),
            (None, _) => shown.last().is_none_or(|last| last.offset < from),
            (Some(_), None) => false,
        };
        if is_end && begins {
            return Ok(());
        }
        Err(Failure::new(
            "visitor",
            format!(
                "from {from} on the visitor of an opening was given {:?}, and a reader shows \
                 {shown:?}",
                self.found
            ),
        ))
    }
}

/// A log that may be created.
pub(super) struct Begun {
    tokens: Option<Range<u64>>,
}

/// Hands in the first commit of a log that was never opened.
pub(super) fn begin(ctx: &Context) -> Result<Begun, Failure> {
    if !ctx.config().begins || ctx.model(|model| model.openings > 0) {
        return Ok(Begun { tokens: None });
    }
    let tokens = ctx.model(|model| model.tokens(FIRST_RECORDS));
    ctx.record(Event::Submitted {
        tokens: tokens.clone(),
    })?;
    let tokens = Some(tokens);
    Ok(Begun { tokens })
}

impl Begun {
    /// With the first commit.
    pub fn options(&self, options: LogOptions) -> LogOptions {
        let Some(tokens) = self.tokens.clone() else {
            return options;
        };
        let records: Vec<_> = tokens
            .map(|token| payload::record(token, FIRST_BYTES))
            .collect();
        options.first_commit(&records)
    }

    /// A log that was created holds its first commit and nothing else; no log of this case is ever
    /// without one.
    pub fn judge(
        &self,
        ctx: &Context,
        report: &RecoveryReport,
        shown: &[Found],
    ) -> Result<(), Failure> {
        if !ctx.config().begins || ctx.promise() == Promise::PrefixOnly || may_be_altered(ctx) {
            return Ok(());
        }
        let tokens: Vec<_> = shown.iter().filter_map(|item| item.token).collect();
        let is_right = match &self.tokens {
            Some(first) if report.created => tokens == first.clone().collect::<Vec<_>>(),
            // One that a crash has cut short was complete.
            Some(_) => tokens.len() as u64 == FIRST_RECORDS,
            // It may have been cut off again.
            None => !report.created,
        };
        if is_right {
            ctx.mark("created with a first commit");
            return Ok(());
        }
        let message = format!(
            "a log is made with a first commit ({:?}); created: {}, and it shows {shown:?}",
            self.tokens, report.created
        );
        Err(Failure::new("first commit", message))
    }
}

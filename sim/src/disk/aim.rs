//! Damage aimed at structure.
//!
//! A bit flipped anywhere in a file mostly hits payload or padding, about which a program has one
//! check. What it has many of are the few bytes that say what follows: headers, lengths, marks.
//! The disk knows no format, but it knows where calls wrote, and structure stands where a write
//! begins and, less often, where it ends.
//!
//! Invariants:
//! - \[I1\] What is drawn is a rule that a case can say: a file by its name and an offset.

use super::alteration::Alteration;
use super::fault::{Fault, FaultRule, Trigger};
use super::image::Image;
use super::trace::{Effect, Trace};
use super::tree::Ino;
use crate::draw::Draw;

/// The latest writes before the cut that damage is aimed at.
const WRITES_MAX: usize = 16;
/// So many of them are the likeliest: what recovery has to tell from a torn tail.
const LATEST: usize = 4;
/// Structure at the beginning of a write.
const HEAD_BYTES: u64 = 64;
/// Structure at its end.
const TAIL_BYTES: u64 = 16;

/// A place that a call wrote, in a file that is still there.
struct Place {
    name: String,
    offset: u64,
    len: u64,
}

/// Draws a flipped bit in what one of the latest calls before the cut at `at` wrote, or, if a file
/// may be altered, an end of the file there; none if the image holds nothing of that.
pub(crate) fn aimed_damage(
    trace: &Trace,
    at: usize,
    image: &Image,
    may_alter: bool,
    draw: &mut Draw<'_>,
) -> Option<FaultRule> {
    let places = places(trace, at, image);
    let latest = if draw.chance(500) { LATEST } else { WRITES_MAX };
    let nth = draw.below(places.len().min(latest) as u64) as usize;
    let Place { name, offset, len } = places.into_iter().nth(nth)?;
    let within = match draw.below(8) {
        0 => draw.below(len),
        1 => len - 1 - draw.below(len.min(TAIL_BYTES)),
        _ => draw.below(len.min(HEAD_BYTES)),
    };
    let when = Trigger::Boot {
        files: name,
        nth: 1,
    };
    let offset = offset + within;
    let what = match may_alter && draw.chance(250) {
        true => Fault::Alter(Alteration::CutAt(offset)),
        false => Fault::FlipAt {
            offset,
            bit: draw.below(8) as u8,
        },
    };
    Some(FaultRule::new(when, what))
}

/// What of the latest writes the image's files cover, the latest first.
fn places(trace: &Trace, at: usize, image: &Image) -> Vec<Place> {
    let events = trace.events.get(..at).unwrap_or_default();
    let writes = events.iter().rev().filter_map(|event| match event.effect {
        Effect::Write {
            ino, offset, len, ..
        } => Some((ino, offset, len as u64)),
        _ => None,
    });
    let covered = writes.filter_map(|(ino, offset, len)| {
        let (name, end) = file(image, ino)?;
        let len = end.min(offset + len).checked_sub(offset)?;
        (len > 0).then_some(Place { name, offset, len })
    });
    covered.take(WRITES_MAX).collect()
}

/// A file's first name and its length.
fn file(image: &Image, wanted: Ino) -> Option<(String, u64)> {
    let mut first = None;
    image.visible.walk(&mut |_, name, ino| {
        if ino == wanted && first.is_none() {
            first = Some(name.to_string());
        }
    });
    let len = image.visible.get(wanted)?.len;
    Some((first?, len))
}

#[cfg(test)]
mod tests;

//! The one source of choices for generators.
//!
//! Cases are drawn from it, and only cases: a run draws nothing. Behind it stand a seed (ChaCha8,
//! with a stream per subsystem, so that a new choice in one does not reshuffle the others) or a
//! fuzzer's bytes (where running out of bytes means the smallest choice).
//!
//! ```
//! use blackstart_sim::draw::Draw;
//! let (mut one, mut two) = (Draw::seeded(7), Draw::seeded(7));
//! assert_eq!(one.below(1_000), two.below(1_000));
//! let faults = one.stream("faults", 0, |draw| draw.below(1_000));
//! assert_eq!(faults, two.stream("faults", 0, |draw| draw.below(1_000)));
//! ```

use std::convert::Infallible;
use std::ops::RangeInclusive;

use arbitrary::Unstructured;
use rand::{Rng, SeedableRng, TryRng};
use rand_chacha::ChaCha8Rng;

use crate::call::mix64;

/// Draws choices from a seed or from bytes.
pub struct Draw<'a> {
    source: Source<'a>,
}

enum Source<'a> {
    Seeded { seed: u64, rng: Box<ChaCha8Rng> },
    Bytes(Unstructured<'a>),
}

impl Draw<'static> {
    /// Choices from a seed.
    pub fn seeded(seed: u64) -> Self {
        let rng = Box::new(ChaCha8Rng::seed_from_u64(seed));
        Self {
            source: Source::Seeded { seed, rng },
        }
    }
}

impl<'a> Draw<'a> {
    /// Choices from a fuzzer's bytes.
    pub fn bytes(bytes: &'a [u8]) -> Self {
        Self {
            source: Source::Bytes(Unstructured::new(bytes)),
        }
    }

    /// Draws from the stream of one subsystem, which is independent of how much others draw. A
    /// fuzzer's bytes have one stream.
    pub fn stream<R>(
        &mut self,
        name: &str,
        number: u64,
        body: impl FnOnce(&mut Draw<'_>) -> R,
    ) -> R {
        let Source::Seeded { seed, .. } = &self.source else {
            return body(self);
        };
        let mut stream = mix64(number);
        for byte in name.bytes() {
            stream = mix64(stream ^ u64::from(byte));
        }
        let mut rng = Box::new(ChaCha8Rng::seed_from_u64(*seed));
        rng.set_stream(stream);
        body(&mut Draw {
            source: Source::Seeded { seed: *seed, rng },
        })
    }

    /// A number below `bound`; 0 if `bound` is 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        if bound <= 1 {
            return 0;
        }
        match &mut self.source {
            // The bias of a remainder is below 2^-32 for every bound in use, and harmless.
            Source::Seeded { rng, .. } => rng.next_u64() % bound,
            Source::Bytes(bytes) => bytes.int_in_range(0..=bound - 1).unwrap_or(0),
        }
    }

    /// A number of an inclusive range.
    pub fn range(&mut self, range: RangeInclusive<u64>) -> u64 {
        range.start() + self.below(range.end().saturating_sub(*range.start()).saturating_add(1))
    }

    /// True in `per_mille` of a thousand draws.
    pub fn chance(&mut self, per_mille: u64) -> bool {
        // High values are the rare event: a fuzzer's exhausted bytes choose "no".
        self.below(1_000) >= 1_000u64.saturating_sub(per_mille)
    }

    /// One of the items.
    ///
    /// # Panics
    /// If there are none: an empty table of choices is a mistake of the generator.
    pub fn pick<'t, T>(&mut self, items: &'t [T]) -> &'t T {
        assert!(!items.is_empty(), "nothing to pick from");
        &items[self.below(items.len() as u64) as usize]
    }

    /// The index of a weight, with a probability proportional to it; 0 if all are 0.
    pub fn weighted(&mut self, weights: &[u32]) -> usize {
        let total: u64 = weights.iter().map(|&weight| u64::from(weight)).sum();
        let mut at = self.below(total);
        for (index, &weight) in weights.iter().enumerate() {
            match at.checked_sub(u64::from(weight)) {
                Some(rest) => at = rest,
                None => return index,
            }
        }
        0
    }

    /// Swarm testing (Groce et al., ISSTA 2012): switches a random subset of weights off and
    /// skews the rest, but leaves at least one of those that were not 0.
    pub fn swarm(&mut self, weights: &[u32]) -> Vec<u32> {
        let mut skewed: Vec<u32> = weights
            .iter()
            .map(|&weight| match self.below(4) {
                0 => 0,
                1 => weight,
                2 => weight.saturating_mul(4),
                _ => weight.div_ceil(2),
            })
            .collect();
        if skewed.iter().all(|&weight| weight == 0) {
            skewed.copy_from_slice(weights);
        }
        skewed
    }
}

impl TryRng for Draw<'_> {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(self.try_next_u64()? as u32)
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(match &mut self.source {
            Source::Seeded { rng, .. } => rng.next_u64(),
            Source::Bytes(bytes) => bytes.arbitrary().unwrap_or(0),
        })
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        match &mut self.source {
            Source::Seeded { rng, .. } => rng.fill_bytes(bytes),
            Source::Bytes(source) => {
                if source.fill_buffer(bytes).is_err() {
                    bytes.fill(0);
                }
            }
        }
        Ok(())
    }
}

//! Rounds: every contender has its turn, then every one again.

use std::collections::BTreeMap;
use std::thread;
use std::time::{Duration, Instant};

use crate::Result;
use crate::child::Sample;
use crate::processor::Neighbours;
use crate::stats::{median, median_ratio};

/// A slice is measured again if other programs used more processors than this meanwhile.
const NEIGHBOURS_MAX: f64 = 0.1;
/// How long to wait before measuring again.
const PAUSE: Duration = Duration::from_millis(500);

/// How many rounds, and how long to wait for calm on a busy machine.
#[derive(Clone, Copy)]
pub struct Pace {
    /// Rounds.
    pub rounds: usize,
    /// In all, over all rounds of a table. After it, what is measured counts, calm or not.
    pub patience: Duration,
}

impl Pace {
    /// The same with so many rounds at most.
    pub fn at_most(self, rounds: usize) -> Self {
        Self {
            rounds: self.rounds.min(rounds),
            ..self
        }
    }

    /// Measures, again and again until nobody disturbed it or patience is at its end. Also says
    /// whether it was calm.
    fn calm(&mut self, mut measure: impl FnMut() -> Result<Sample>) -> Result<(Sample, bool)> {
        loop {
            let (neighbours, start) = (Neighbours::watch(), Instant::now());
            let sample = measure()?;
            let is_calm = neighbours.processors() <= NEIGHBOURS_MAX;
            if is_calm || self.patience.is_zero() {
                return Ok((sample, is_calm));
            }
            thread::sleep(PAUSE);
            self.patience = self.patience.saturating_sub(start.elapsed());
        }
    }
}

/// What was measured of each contender, one sample a round.
pub struct Rounds<K> {
    samples: BTreeMap<K, Vec<Sample>>,
    slices: u64,
    disturbed: u64,
}

impl<K: Copy + Ord + std::fmt::Display> Rounds<K> {
    /// Measures `pace.rounds` times around. The order moves on by one each round, so that nobody
    /// is always behind the same neighbour.
    pub fn measure(
        title: &str,
        contenders: &[K],
        mut pace: Pace,
        mut measure: impl FnMut(K) -> Result<Sample>,
    ) -> Result<Self> {
        let rounds = pace.rounds;
        let mut samples: BTreeMap<K, Vec<Sample>> = BTreeMap::new();
        let (mut slices, mut disturbed) = (0, 0);
        for round in 0..rounds {
            eprintln!("{title}: round {} of {rounds}", round + 1);
            for index in 0..contenders.len() {
                let Some(&contender) = contenders.get((index + round) % contenders.len()) else {
                    continue;
                };
                let (sample, is_calm) = pace
                    .calm(|| measure(contender))
                    .map_err(|error| format!("{contender}: {error}"))?;
                slices += 1;
                disturbed += u64::from(!is_calm);
                samples.entry(contender).or_default().push(sample);
            }
        }
        Ok(Self {
            samples,
            slices,
            disturbed,
        })
    }

    /// How calm the machine was, as a sentence.
    pub fn calm(&self) -> String {
        let Self {
            slices, disturbed, ..
        } = self;
        format!("Other programs computed during {disturbed} of {slices} slices.")
    }

    fn values(&self, contender: K, value: impl Fn(&Sample) -> f64) -> Vec<f64> {
        self.samples
            .get(&contender)
            .into_iter()
            .flatten()
            .map(value)
            .collect()
    }

    /// The median of a value.
    pub fn median(&self, contender: K, value: impl Fn(&Sample) -> f64) -> Option<f64> {
        median(&self.values(contender, value))
    }

    /// The median rate.
    pub fn rate(&self, contender: K) -> Option<f64> {
        self.median(contender, Sample::rate)
    }

    /// The median of the ratio of rates within a round.
    pub fn ratio(&self, contender: K, reference: K) -> Option<f64> {
        median_ratio(
            &self.values(contender, Sample::rate),
            &self.values(reference, Sample::rate),
        )
    }

    /// The one of `candidates` with the best median rate.
    pub fn best(&self, candidates: impl IntoIterator<Item = K>) -> Option<K> {
        candidates
            .into_iter()
            .filter_map(|candidate| Some((candidate, self.rate(candidate)?)))
            .max_by(|one, other| one.1.total_cmp(&other.1))
            .map(|(candidate, _)| candidate)
    }

    /// The least ratio of `contender` to any of `others`; `None` without others.
    pub fn least_ratio(&self, contender: K, others: impl IntoIterator<Item = K>) -> Option<f64> {
        others
            .into_iter()
            .filter_map(|other| self.ratio(contender, other))
            .min_by(f64::total_cmp)
    }

    /// The least ratio of any of `contenders` to `reference`.
    #[cfg(feature = "simulator")]
    pub fn least_ratio_of(
        &self,
        contenders: impl IntoIterator<Item = K>,
        reference: K,
    ) -> Option<f64> {
        contenders
            .into_iter()
            .filter_map(|contender| self.ratio(contender, reference))
            .min_by(f64::total_cmp)
    }
}

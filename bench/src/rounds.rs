//! Rounds: every contender has its turn, then every one again.

use std::collections::BTreeMap;

use crate::Result;
use crate::child::Sample;
use crate::stats::{median, median_ratio};

/// What was measured of each contender, one sample a round.
pub struct Rounds<K> {
    samples: BTreeMap<K, Vec<Sample>>,
}

impl<K: Copy + Ord + std::fmt::Display> Rounds<K> {
    /// Measures `rounds` times around. The order moves on by one each round, so that nobody is
    /// always behind the same neighbour.
    pub fn measure(
        title: &str,
        contenders: &[K],
        rounds: usize,
        mut measure: impl FnMut(K) -> Result<Sample>,
    ) -> Result<Self> {
        let mut samples: BTreeMap<K, Vec<Sample>> = BTreeMap::new();
        for round in 0..rounds {
            eprintln!("{title}: round {} of {rounds}", round + 1);
            for index in 0..contenders.len() {
                let Some(&contender) = contenders.get((index + round) % contenders.len()) else {
                    continue;
                };
                let sample = measure(contender).map_err(|error| format!("{contender}: {error}"))?;
                samples.entry(contender).or_default().push(sample);
            }
        }
        Ok(Self { samples })
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

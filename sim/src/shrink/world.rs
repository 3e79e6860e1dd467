//! Simpler surroundings: faults, schedule, crash image, profile, sizes.

use super::Search;
use crate::case::{CaseOf, Cut, End};
use crate::disk::{DiskConfig, Fault, Profile, Survivors};
use crate::scenario::Scenario;
use crate::sched::{Latency, Schedule};

/// Up to which call a fault is aimed lower.
const FAULT_NTH_TRIED: u32 = 8;

impl<S: Scenario> Search<'_, S> {
    pub(super) fn drop_faults(&mut self) {
        for era in 0..self.best.eras.len() {
            let mut at = 0;
            while self
                .best
                .eras
                .get(era)
                .is_some_and(|era| at < era.faults.len())
            {
                let mut candidate = self.best.clone();
                if let Some(target) = candidate.eras.get_mut(era) {
                    target.faults.remove(at);
                }
                if !self.take_anew(candidate) {
                    at += 1;
                }
            }
        }
    }

    pub(super) fn flatten_schedules(&mut self) {
        for era in 0..self.best.eras.len() {
            let Some(present) = self.best.eras.get(era).map(|era| era.schedule.clone()) else {
                return;
            };
            if present == Schedule::RunUntilBlocked {
                continue;
            }
            let with = |case: &CaseOf<S>, schedule: Schedule| {
                let mut candidate = case.clone();
                if let Some(target) = candidate.eras.get_mut(era) {
                    target.schedule = schedule;
                }
                candidate
            };
            if self.take_anew(with(&self.best, Schedule::RunUntilBlocked)) {
                continue;
            }
            if matches!(present, Schedule::Hashed { .. }) && !self.list_schedule(era) {
                continue;
            }
            let present = self.best.eras.get(era).map(|era| era.schedule.clone());
            let Some(Schedule::Deviations(mut list)) = present else {
                continue;
            };
            let mut chunk = list.len().div_ceil(2);
            while chunk > 0 {
                let mut at = 0;
                while at < list.len() {
                    let mut fewer = list.clone();
                    fewer.drain(at..(at + chunk).min(fewer.len()));
                    if self.take(with(&self.best, Schedule::Deviations(fewer.clone()))) {
                        list = fewer;
                    } else {
                        at += chunk;
                    }
                }
                chunk /= 2;
            }
        }
    }

    /// Writes a hashed schedule down as the list that it came to, which can be made shorter.
    fn list_schedule(&mut self, era: usize) -> bool {
        let Some(listed) = self.listed(era) else {
            return false;
        };
        let mut candidate = self.best.clone();
        if let Some(target) = candidate.eras.get_mut(era) {
            target.schedule = listed;
        }
        self.take(candidate)
    }

    pub(super) fn simplify_images(&mut self) {
        for era in 0..self.best.eras.len() {
            while let Some(End::Power { at, survivors }) =
                self.best.eras.get(era).map(|era| era.end.clone())
            {
                let weight = survivors.weight();
                let mut is_simpler = false;
                for simpler in survivors.simpler() {
                    if simpler.weight() < weight && self.take_image(era, at, simpler) {
                        is_simpler = true;
                        break;
                    }
                }
                if !is_simpler {
                    break;
                }
            }
        }
    }

    fn take_image(&mut self, era: usize, at: Cut, survivors: Survivors) -> bool {
        let mut candidate = self.best.clone();
        if let Some(target) = candidate.eras.get_mut(era) {
            target.end = End::Power { at, survivors };
        }
        self.take(candidate)
    }

    /// The most ordered profile that still shows it.
    pub(super) fn strengthen_profile(&mut self) {
        for profile in Profile::by_strength() {
            if !self.best.disk.profile.is_below(profile) {
                continue;
            }
            let mut candidate = self.best.clone();
            candidate.disk.profile = profile;
            if self.take_anew(candidate) {
                return;
            }
        }
    }

    /// Faults that strike once, and early.
    pub(super) fn simplify_faults(&mut self) -> bool {
        let mut any = false;
        for era in 0..self.best.eras.len() {
            let count = self.best.eras.get(era).map_or(0, |era| era.faults.len());
            for at in 0..count {
                while self.weaken_fault(era, at) {
                    any = true;
                }
                let rule = self.best.eras.get(era).and_then(|era| era.faults.get(at));
                let Some((nth, times)) = rule.and_then(|rule| rule.when.counted()) else {
                    continue;
                };
                let once = (times > 1).then_some((nth, 1));
                let early = (1..nth.min(FAULT_NTH_TRIED)).map(|nth| (nth, times));
                let simpler = once.into_iter().chain(early).collect::<Vec<_>>();
                any |= simpler.into_iter().any(|(to_nth, to_times)| {
                    let mut candidate = self.best.clone();
                    let rule = candidate
                        .eras
                        .get_mut(era)
                        .and_then(|era| era.faults.get_mut(at));
                    if let Some((nth, times)) = rule.and_then(|rule| rule.when.counted_mut()) {
                        (*nth, *times) = (to_nth, to_times);
                    }
                    self.take_as_good(candidate)
                });
            }
        }
        any
    }

    /// Less space, a shorter call, a plainer alteration.
    fn weaken_fault(&mut self, era: usize, at: usize) -> bool {
        let rule = self.best.eras.get(era).and_then(|era| era.faults.get(at));
        let simpler = match rule.map(|rule| &rule.what) {
            Some(Fault::SpareBytes(bytes)) if *bytes > 0 => {
                vec![Fault::SpareBytes(0), Fault::SpareBytes(bytes / 2)]
            }
            Some(Fault::Short(bytes)) if *bytes > 1 => vec![Fault::Short(1)],
            Some(Fault::Alter(alteration)) => {
                alteration.simpler().into_iter().map(Fault::Alter).collect()
            }
            _ => return false,
        };
        simpler.into_iter().any(|what| {
            let mut candidate = self.best.clone();
            let target = candidate.eras.get_mut(era);
            if let Some(rule) = target.and_then(|era| era.faults.get_mut(at)) {
                rule.what = what;
            }
            self.take_as_good(candidate)
        })
    }

    /// Plainer sizes: of the disk and of the system.
    pub(super) fn simplify_sizes(&mut self) -> bool {
        let mut any = false;
        for simpler in simpler_disks(&self.best.disk) {
            let mut candidate = self.best.clone();
            candidate.disk = simpler;
            any |= self.take_as_good(candidate);
        }
        if self.best.latency != Latency::default() {
            let mut candidate = self.best.clone();
            candidate.latency = Latency::default();
            any |= self.take_as_good(candidate);
        }
        if self.best.entropy != 0 {
            let mut candidate = self.best.clone();
            candidate.entropy = 0;
            any |= self.take_as_good(candidate);
        }
        for config in self.scenario.simpler_config(&self.best.config) {
            let mut candidate = self.best.clone();
            candidate.config = config;
            if self.take_as_good(candidate) {
                return true;
            }
        }
        any
    }
}

/// Each with one thing made plain: no damage inside of units, larger units, no limits.
fn simpler_disks(disk: &DiskConfig) -> Vec<DiskConfig> {
    let plain = DiskConfig::default();
    let mut simpler = Vec::new();
    if disk.torn_units {
        simpler.push(DiskConfig {
            torn_units: false,
            ..disk.clone()
        });
    }
    if disk.tear_bytes < plain.tear_bytes {
        simpler.push(DiskConfig {
            tear_bytes: plain.tear_bytes,
            ..disk.clone()
        });
    }
    if disk.capacity_bytes.is_some() || disk.handles_max.is_some() {
        simpler.push(DiskConfig {
            capacity_bytes: None,
            handles_max: None,
            ..disk.clone()
        });
    }
    simpler
}

//! What a disk keeps of the pending effects: as said in a case.

use serde::{Deserialize, Serialize};

use crate::call::{CallId, mix64};

/// What survives a loss of power. Wishes that the profile does not allow are brought to the
/// nearest that it does.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Survivors {
    /// Only what was synced.
    #[default]
    None,
    /// Everything that was issued.
    All,
    /// Each unit and each effect by a hash of its name under `seed`.
    Hashed {
        /// What the hash is keyed with.
        seed: u64,
        /// How many of a thousand are kept.
        keep_per_mille: u32,
        /// How many of a thousand kept units are torn, where the disk tears units.
        tear_per_mille: u32,
    },
    /// As listed.
    Explicit(Explicit),
}

/// Survivors by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Explicit {
    /// What happens to effects that are not listed.
    pub base: Base,
    /// The effects for which it is the other way round.
    #[serde(default)]
    pub except: Vec<Exception>,
    /// Units that were being written when the power failed.
    #[serde(default)]
    pub torn: Vec<TornUnit>,
    /// What bytes show that a file's length covers and that were never written.
    #[serde(default)]
    pub fill: Fill,
}

/// What happens to effects that are not listed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Base {
    /// They are lost.
    #[default]
    Lost,
    /// They are kept.
    Kept,
}

/// The stable name of an effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EffectId {
    /// How many kills lie between it and the crash: 0 is the era that the crash ends.
    #[serde(default)]
    pub eras_ago: u32,
    /// The call that had it.
    pub call: CallId,
    /// Which of the call's effects: an extending write has its data and then its size.
    #[serde(default)]
    pub index: u32,
}

impl EffectId {
    pub(super) fn mix(&self, seed: u64, unit: u64) -> u64 {
        self.hashes(seed)(unit)
    }

    /// A hash for each tear unit.
    pub(super) fn hashes(&self, seed: u64) -> impl Fn(u64) -> u64 + use<> {
        let (salt, call) = (
            mix64(u64::from(self.eras_ago) << 32 | u64::from(self.index)),
            self.call,
        );
        move |unit| call.mix(seed ^ mix64(salt ^ unit))
    }
}

/// An effect that does not follow [`Explicit::base`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exception {
    /// Which.
    pub effect: EffectId,
    /// Of a write: only these tear units, numbered from the start of the file. All of it if
    /// none are named. Of a write's length: it reaches to the end of the last unit that is kept.
    /// Of a cut or a freed range: it is lost, and these units are zero all the same.
    #[serde(default)]
    pub units: Vec<u64>,
}

/// A tear inside a unit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TornUnit {
    /// The write.
    pub effect: EffectId,
    /// The unit, numbered from the start of the file.
    pub unit: u64,
    /// What of it was written.
    pub tear: Tear,
    /// How many of the versions just before were not on the disk either: the tear is over an
    /// older one.
    #[serde(default)]
    pub over: u32,
}

/// What of a torn unit was written. It concerns only bytes that the write covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Tear {
    /// The first bytes.
    Prefix(u32),
    /// All but the first bytes.
    Suffix(u32),
    /// Sixty-fourths of the unit, by the bits of a mask.
    Mask(u64),
    /// Neither the old bytes nor the new.
    Garbage,
}

/// What never-written bytes show.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Fill {
    /// Zeros.
    #[default]
    Zeros,
    /// What another file holds or held at that place, if the profile exposes it.
    Stale,
}

impl Survivors {
    /// How much there is to say: for shrinking.
    pub fn weight(&self) -> usize {
        match self {
            Self::None => 0,
            Self::All => 1,
            Self::Hashed { .. } => 1_000_000,
            Self::Explicit(explicit) => {
                let units: usize = explicit
                    .except
                    .iter()
                    .map(|except| except.units.len())
                    .sum();
                let fill = usize::from(explicit.fill == Fill::Stale);
                2 + 4 * explicit.except.len() + units + 8 * explicit.torn.len() + fill
            }
        }
    }

    /// Simpler forms, simplest first.
    pub fn simpler(&self) -> Vec<Self> {
        let mut simpler = vec![Self::None, Self::All];
        let Self::Explicit(explicit) = self else {
            return simpler;
        };
        let mut push = |change: &dyn Fn(&mut Explicit)| {
            let mut candidate = explicit.clone();
            change(&mut candidate);
            simpler.push(Self::Explicit(candidate));
        };
        push(&|explicit| explicit.torn.clear());
        push(&|explicit| explicit.fill = Fill::Zeros);
        for half in [0, 1] {
            push(&|explicit| {
                let mut index = 0;
                let count = explicit.except.len();
                explicit.except.retain(|_| {
                    index += 1;
                    (index * 2 > count) == (half == 0)
                });
            });
        }
        for drop in 0..explicit.except.len() {
            push(&|explicit| {
                explicit.except.remove(drop);
            });
            push(&|explicit| {
                if let Some(except) = explicit.except.get_mut(drop) {
                    except.units.clear();
                }
            });
        }
        for drop in 0..explicit.torn.len() {
            push(&|explicit| {
                explicit.torn.remove(drop);
            });
        }
        simpler
    }
}

//! Survivors at random, skewed towards what breaks programs.

use rand::{Rng, RngExt};

use super::crash::CrashModel;
use super::pending::What;
use super::survivors::{Base, Exception, Explicit, Fill, Survivors};

/// Draws what survives at the present cut.
pub fn draw_survivors<R: Rng>(model: &CrashModel, rng: &mut R) -> Survivors {
    let count = model.pending.len();
    if count == 0 {
        return Survivors::None;
    }
    match rng.random_range(0..10u32) {
        0 => all_but_one(model, rng.random_range(0..count)),
        1 => only(model, &[rng.random_range(0..count)]),
        2 => prefix(model, rng.random_range(0..=count)),
        3 => suffix(model, rng.random_range(0..=count)),
        4 => by_kind(model, rng.random_bool(0.5)),
        kind => Survivors::Hashed {
            seed: rng.next_u64(),
            keep_per_mille: [100, 300, 500, 700, 900][kind as usize - 5],
            tear_per_mille: 150,
        },
    }
}

fn exceptions(model: &CrashModel, base: Base, at: impl Iterator<Item = usize>) -> Survivors {
    let effect = |at: usize| model.pending.get(at).map(|pending| pending.id);
    let except = at.filter_map(effect).map(|effect| Exception {
        effect,
        units: Vec::new(),
    });
    let (except, fill) = (except.collect(), Fill::Stale);
    Survivors::Explicit(Explicit {
        base,
        except,
        torn: Vec::new(),
        fill,
    })
}

/// Everything but one effect.
pub(super) fn all_but_one(model: &CrashModel, at: usize) -> Survivors {
    exceptions(model, Base::Kept, std::iter::once(at))
}

/// Only these effects.
pub(super) fn only(model: &CrashModel, at: &[usize]) -> Survivors {
    exceptions(model, Base::Lost, at.iter().copied())
}

/// The first `count` effects.
pub(super) fn prefix(model: &CrashModel, count: usize) -> Survivors {
    exceptions(model, Base::Lost, 0..count)
}

/// All but the first `count` effects.
fn suffix(model: &CrashModel, count: usize) -> Survivors {
    exceptions(model, Base::Kept, 0..count)
}

/// The data without names and sizes, or the other way round.
fn by_kind(model: &CrashModel, keeps_data: bool) -> Survivors {
    let is_chosen = |at: &usize| {
        let is_data = matches!(model.pending.get(*at), Some(pending)
            if matches!(pending.what, What::Data { .. }));
        is_data == keeps_data
    };
    exceptions(
        model,
        Base::Lost,
        (0..model.pending.len()).filter(is_chosen),
    )
}

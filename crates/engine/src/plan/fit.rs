//! The settings closest to what was asked for with which a load fits the memory that is free.

use engawa_engine_protocol::{LoadRequest, LoadSettings};

use super::{LoadPlan, MEMORY_MARGIN};

/// What a context that has to be made smaller leaves free, in bytes, or as a share of what there is for it: other programs grow, too.
const ROOM: u64 = 1 << 30;
const ROOM_SHARE: u64 = 4;
/// Contexts are multiples of this.
const STEP: u32 = 256;
/// How often a context is reckoned that turns out to be too large; layers that move to a GPU bend the line.
const ATTEMPTS: usize = 4;

/// A plan that fits, in place of one that does not; `None` when there is none.
///
/// What costs no quality goes first: a context beyond what the model was trained with, the draft model, locked or unmapped weights.
/// Then the cache is kept in 8 bits, then the context gets as large as there is room for.
pub(super) fn closest_that_fits(asked: &LoadPlan) -> Option<LoadPlan> {
    let with =
        |settings: &LoadSettings| LoadPlan::with(LoadRequest { settings: settings.clone(), ..asked.request.clone() });
    let fits = |plan: &LoadPlan| plan.is_too_large() == Some(false);
    let trained = asked.used.as_ref().ok()?.n_ctx_train.max(1);
    let mut settings = asked.request.settings.clone();
    if settings.n_ctx == 0 {
        settings.n_ctx = trained;
    }
    let mut tried = None;
    while let Some(next) = step(&settings, trained) {
        let plan = with(&next);
        if fits(&plan) {
            return Some(plan);
        }
        if plan.host().is_none() {
            // Not every model can have its cache in 8 bits.
            break;
        }
        (settings, tried) = (next, Some(plan));
    }
    with_smaller_context(tried.as_ref().unwrap_or(asked), &settings, with).filter(fits)
}

/// What goes next while the context stays as long as the model can use it, if that is anything.
fn step(settings: &LoadSettings, trained: u32) -> Option<LoadSettings> {
    if settings.n_ctx > trained {
        return Some(LoadSettings { n_ctx: trained, ..settings.clone() });
    }
    settings.frugal().or_else(|| settings.quantized())
}

/// The largest context that leaves room; the smallest of all where that alone does not.
fn with_smaller_context(
    tried: &LoadPlan,
    settings: &LoadSettings,
    with: impl Fn(&LoadSettings) -> LoadPlan,
) -> Option<LoadPlan> {
    let smallest = LoadSettings::SMALLEST_CONTEXT;
    let above = settings.n_ctx.checked_sub(smallest).filter(|above| *above > 0)?;
    let least = with(&LoadSettings { n_ctx: smallest, ..settings.clone() });
    if least.is_too_large() != Some(false) {
        return None;
    }
    let (low, high) = (least.host()?, tried.host()?);
    let room = low.memory_free.saturating_sub(MEMORY_MARGIN).saturating_sub(low.needed());
    let room = room.saturating_sub(ROOM.min(room / ROOM_SHARE));
    let span = high.needed().saturating_sub(low.needed()).max(1);
    let reckoned = u128::from(above) * u128::from(room) / u128::from(span);
    let mut more = u32::try_from(reckoned).unwrap_or(above).min(above);
    for _ in 0..ATTEMPTS {
        more -= more % STEP;
        if more == 0 {
            break;
        }
        let plan = with(&LoadSettings { n_ctx: smallest + more, ..settings.clone() });
        if plan.is_too_large() == Some(false) {
            return Some(plan);
        }
        more /= 2;
    }
    Some(least)
}

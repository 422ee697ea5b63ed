//! What to try next when a model could not be loaded as a person asked.

use engawa_engine_client::protocol::{FlashAttention, GpuSplit, KvType, LoadError, LoadSettings, Mmap, SplitMode};
use engawa_engine_client::{ExitCause, ExitReport};

use super::state::ModelError;

/// The signal of a system that is out of memory.
const OUT_OF_MEMORY: i32 = 9;
/// What a context of all that the model was trained with is taken for, in tokens.
const WHOLE_CONTEXT: u32 = 131_072;

/// The next safer settings, closest to what was asked for; `None` when nothing is left or would help.
///
/// What an allocation failed for, or the system ended the engine for, goes in this order: the draft model, locked weights, those that
/// are not mapped, layers on a GPU, then a cache of 16 bits and a large context. An engine that reckons that there is too little memory has
/// tried all of that itself. After a crash, only what drivers and rare models stumble over goes: layers in parts on several GPUs,
/// then the GPU, flash attention and the draft model.
pub(crate) fn safer_settings(settings: &LoadSettings, error: &ModelError, layers: Option<u64>) -> Option<LoadSettings> {
    match error {
        // Without a figure it was not the machine's memory that was reckoned, but an allocation that failed.
        ModelError::Load(LoadError::NotEnoughMemory { needed: None, .. }) => {
            smaller(settings, layers.filter(|_| settings.n_gpu_layers != 0))
        }
        error if is_out_of_memory(error) => smaller(settings, None),
        ModelError::EngineEnded(ExitReport { cause: ExitCause::Signal(_) | ExitCause::Code(_), .. }) => {
            if matches!(settings.gpu_split.mode, SplitMode::Rows | SplitMode::Tensors) {
                // Few back ends can compute so.
                let gpu_split = GpuSplit { mode: SplitMode::Layers, ..settings.gpu_split.clone() };
                return Some(LoadSettings { gpu_split, ..settings.clone() });
            }
            let plain = LoadSettings {
                n_gpu_layers: 0,
                type_k: KvType::F16,
                type_v: KvType::F16,
                flash_attention: FlashAttention::Off,
                draft_model: None,
                ..settings.clone()
            };
            (plain != *settings).then_some(plain)
        }
        _ => None,
    }
}

/// Whether the system ended the engine for lack of memory.
pub(crate) fn is_out_of_memory(error: &ModelError) -> bool {
    matches!(error, ModelError::EngineEnded(ExitReport { cause: ExitCause::Signal(OUT_OF_MEMORY), .. }))
}

fn smaller(settings: &LoadSettings, layers_on_gpu: Option<u64>) -> Option<LoadSettings> {
    if let Some(frugal) = settings.frugal() {
        return Some(frugal);
    }
    if settings.mmap == Mmap::Auto {
        return Some(LoadSettings { mmap: Mmap::On, ..settings.clone() });
    }
    if let Some(layers) = layers_on_gpu.and_then(|layers| i32::try_from(layers).ok()) {
        let now = if settings.n_gpu_layers < 0 { layers + 1 } else { settings.n_gpu_layers.min(layers + 1) };
        return Some(LoadSettings { n_gpu_layers: now / 2, ..settings.clone() });
    }
    if let Some(quantized) = settings.quantized() {
        return Some(quantized);
    }
    let now = if settings.n_ctx == 0 { WHOLE_CONTEXT } else { settings.n_ctx };
    let smallest = LoadSettings::SMALLEST_CONTEXT;
    (now > smallest).then(|| LoadSettings { n_ctx: (now / 2).max(smallest), ..settings.clone() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps(mut settings: LoadSettings, error: &ModelError) -> Vec<LoadSettings> {
        let mut steps = Vec::new();
        while let Some(next) = safer_settings(&settings, error, Some(32)) {
            assert_ne!(next, settings);
            steps.push(next.clone());
            settings = next;
        }
        steps
    }

    fn no_memory() -> ModelError {
        ModelError::Load(LoadError::NotEnoughMemory { needed: None, available: 1 << 30 })
    }

    /// The end that a system without memory gives a process.
    fn killed() -> ModelError {
        let cause = ExitCause::Signal(OUT_OF_MEMORY);
        ModelError::EngineEnded(ExitReport { cause, last_lines: Vec::new() })
    }

    #[test]
    fn memory_is_saved_where_it_costs_least_first() {
        let asked = LoadSettings { n_ctx: 8192, use_mlock: true, ..LoadSettings::default() };
        let steps = steps(asked.clone(), &killed());
        let [unlocked, mapped, quantised, half, quarter] = steps.as_slice() else { panic!("{steps:?}") };
        assert_eq!(*unlocked, LoadSettings { use_mlock: false, ..asked.clone() });
        assert_eq!(*mapped, LoadSettings { mmap: Mmap::On, ..unlocked.clone() });
        assert_eq!((quantised.type_k, quantised.type_v, quantised.n_ctx), (KvType::Q8_0, KvType::Q8_0, 8192));
        assert_eq!([half.n_ctx, quarter.n_ctx], [4096, 2048]);
        assert!(quarter.n_gpu_layers == asked.n_gpu_layers);
    }

    #[test]
    fn a_draft_model_is_the_first_to_go() {
        let asked = LoadSettings { draft_model: Some("small.gguf".into()), ..LoadSettings::default() };
        for error in [no_memory(), killed()] {
            assert_eq!(steps(asked.clone(), &error)[0], LoadSettings::default());
        }
    }

    #[test]
    fn a_gpu_that_is_full_gets_fewer_layers() {
        let steps = steps(LoadSettings::default(), &no_memory());
        let layers: Vec<i32> = steps.iter().map(|step| step.n_gpu_layers).collect();
        assert_eq!(layers[..7], [-1, 16, 8, 4, 2, 1, 0], "after the file is mapped");
        assert_eq!(steps.last().unwrap().n_ctx, LoadSettings::SMALLEST_CONTEXT);
    }

    #[test]
    fn any_settings_come_to_an_end() {
        for n_ctx in [0, 1, 2048, 3000, u32::MAX] {
            for flash_attention in [FlashAttention::Auto, FlashAttention::Off] {
                for error in [no_memory(), killed()] {
                    let asked =
                        LoadSettings { n_ctx, flash_attention, n_gpu_layers: i32::MAX, ..LoadSettings::default() };
                    assert!(steps(asked, &error).len() < 32);
                }
            }
        }
    }

    #[test]
    fn a_crash_is_answered_once_and_a_refusal_never() {
        let crash = ModelError::EngineEnded(ExitReport { cause: ExitCause::Signal(6), last_lines: Vec::new() });
        let steps_after_crash = steps(LoadSettings::default(), &crash);
        assert_eq!(steps_after_crash.len(), 1);
        assert_eq!(steps_after_crash[0].flash_attention, FlashAttention::Off);
        for mode in [SplitMode::Rows, SplitMode::Tensors] {
            let gpu_split = GpuSplit { mode, ..GpuSplit::default() };
            let steps = steps(LoadSettings { gpu_split, ..LoadSettings::default() }, &crash);
            assert_eq!((steps.len(), &steps[0]), (2, &LoadSettings::default()), "whole layers first");
        }
        let refused = LoadError::Refused { reason: String::new() };
        let reckoned = LoadError::NotEnoughMemory { needed: Some(8 << 30), available: 1 << 30 };
        for error in [refused, reckoned] {
            assert!(steps(LoadSettings::default(), &ModelError::Load(error)).is_empty());
        }
    }
}

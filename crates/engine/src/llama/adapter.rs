//! LoRA adapters over a model's weights.

use std::marker::PhantomData;
use std::path::Path;
use std::ptr::NonNull;

use llama_cpp_sys_2 as sys;

use super::error::{ErrorSlot, take_text};
use super::{Context, Model, c_path, shim};

/// An adapter that fits a model, which frees it at its own end.
pub(crate) struct LoraAdapter<'model> {
    pointer: NonNull<sys::llama_adapter_lora>,
    model: PhantomData<&'model Model>,
}

impl<'model> LoraAdapter<'model> {
    /// Reads an adapter; `None` when llama.cpp refuses it. Its log says why.
    pub(crate) fn load(model: &'model Model, path: &Path) -> Option<Self> {
        let path = c_path(path)?;
        // SAFETY: the model is loaded and `path` is NUL-terminated.
        let pointer = NonNull::new(unsafe { sys::llama_adapter_lora_init(model.as_ptr(), path.as_ptr()) })?;
        Some(Self { pointer, model: PhantomData })
    }
}

/// What keeps an adapter from being used with a model, as far as the headers of their files tell.
pub(crate) fn adapter_fault(model: &Path, adapter: &Path) -> Option<String> {
    let (model, adapter) = (c_path(model)?, c_path(adapter)?);
    let mut error = ErrorSlot::new();
    // SAFETY: both paths are NUL-terminated.
    let fault = unsafe { shim::engawa_adapter_fault(model.as_ptr(), adapter.as_ptr(), error.as_out()) };
    error.check(fault).map_or_else(|error| Some(error.0), take_text)
}

impl<'model> Context<'model> {
    /// Lays adapters over the weights, each by its scale. False when llama.cpp refuses.
    pub(crate) fn set_adapters(&mut self, adapters: &[(LoraAdapter<'model>, f32)]) -> bool {
        let mut pointers: Vec<_> = adapters.iter().map(|(adapter, _)| adapter.pointer.as_ptr()).collect();
        let mut scales: Vec<f32> = adapters.iter().map(|(_, scale)| *scale).collect();
        // SAFETY: the context lives, the adapters live as long as their model, which is the context's, and both lists have
        // as many values as is said.
        let status = unsafe {
            sys::llama_set_adapters_lora(self.as_ptr(), pointers.as_mut_ptr(), pointers.len(), scales.as_mut_ptr())
        };
        status == 0
    }
}

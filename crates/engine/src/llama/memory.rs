//! What a load would take, told by llama.cpp without reading the weights.

use std::path::Path;

use engawa_engine_protocol::DeviceMemory;
use serde::Deserialize;

use super::error::{ErrorSlot, take_text};
use super::{ContextSettings, LlamaError, ModelSettings, c_path, shim};

/// What a load would take of each device.
#[derive(Deserialize)]
pub(crate) struct MemoryUse {
    /// Layers with the heads that guess further tokens, without the output layer.
    pub(crate) n_layer: u32,
    pub(crate) n_ctx_train: u32,
    /// Numbers of an embedding; 0 where the file does not say.
    pub(crate) n_embd: u32,
    /// Whether some of its layers keep a state in place of all tokens.
    pub(crate) is_recurrent: bool,
    /// GPUs, then the host.
    pub(crate) devices: Vec<DeviceMemory>,
}

impl MemoryUse {
    /// Adds what another load takes of the same devices.
    pub(crate) fn add(&mut self, other: &Self) {
        for device in &mut self.devices {
            for beside in other.devices.iter().filter(|beside| beside.name == device.name) {
                device.weights = device.weights.saturating_add(beside.weights);
                device.mapped = device.mapped.saturating_add(beside.mapped);
                device.context = device.context.saturating_add(beside.context);
                device.compute = device.compute.saturating_add(beside.compute);
            }
        }
    }
}

/// Tells what a load would take; reads the header of the file only.
///
/// # Errors
/// What llama.cpp says of a file that it could not load.
pub(crate) fn measure_memory(
    path: &Path,
    model: &ModelSettings,
    context: ContextSettings,
) -> Result<MemoryUse, LlamaError> {
    let path = c_path(path).ok_or_else(|| LlamaError("the path has a NUL character".into()))?;
    let context = context.to_params();
    let mut error = ErrorSlot::new();
    // SAFETY: `path` is NUL-terminated and both parameter structs live during the call.
    let text =
        unsafe { shim::engawa_memory_use(path.as_ptr(), &raw const model.params, &raw const context, error.as_out()) };
    let text = take_text(error.check(text)?).ok_or_else(|| LlamaError("no memory is left".into()))?;
    serde_json::from_str(&text).map_err(|error| LlamaError(error.to_string()))
}

//! A loaded model.

use std::ffi::{CStr, CString, c_void};
use std::path::Path;
use std::ptr::NonNull;

use engawa_engine_protocol::{LoadSettings, Mmap, SplitMode};
use llama_cpp_sys_2 as sys;

use super::error::ErrorSlot;
use super::{ContextSettings, LlamaError, TextKind, Token, Vocabulary, c_path, shim};

/// A model's weights and vocabulary. Contexts and samplers borrow it.
pub(crate) struct Model {
    pointer: NonNull<sys::llama_model>,
    n_gpu_layers: i32,
}

/// How to load a model, in llama.cpp's terms.
pub(crate) struct ModelSettings {
    pub(super) params: sys::llama_model_params,
    /// What `params` may point to.
    _tensor_split: Vec<f32>,
    _overrides: Vec<sys::llama_model_tensor_buft_override>,
}

/// Whether all GPUs are of back ends that can divide the rows of a matrix among several.
pub(crate) fn can_split_rows() -> bool {
    // SAFETY: the back ends are loaded once, and what they name lives as long as the process.
    unsafe {
        (0..sys::ggml_backend_dev_count())
            .map(|index| sys::ggml_backend_dev_get(index))
            .filter(|&device| sys::ggml_backend_dev_type(device) == sys::GGML_BACKEND_DEVICE_TYPE_GPU)
            .all(|device| {
                let backend = sys::ggml_backend_dev_backend_reg(device);
                !sys::ggml_backend_reg_get_proc_address(backend, c"ggml_backend_split_buffer_type".as_ptr()).is_null()
            })
    }
}

const fn load_mode(is_mapped: bool, is_locked: bool) -> sys::llama_load_mode {
    match (is_mapped, is_locked) {
        (true, false) => sys::LLAMA_LOAD_MODE_MMAP,
        (true, true) => sys::LLAMA_LOAD_MODE_MMAP_MLOCK,
        (false, false) => sys::LLAMA_LOAD_MODE_NONE,
        (false, true) => sys::LLAMA_LOAD_MODE_MLOCK,
    }
}

impl ModelSettings {
    /// Takes the parts of the settings that concern the weights.
    pub(crate) fn new(settings: &LoadSettings) -> Self {
        // SAFETY: returns a plain value.
        let mut params = unsafe { sys::llama_model_default_params() };
        params.n_gpu_layers = settings.n_gpu_layers;
        params.load_mode = load_mode(settings.mmap != Mmap::Off, settings.use_mlock);
        let split = &settings.gpu_split;
        params.split_mode = match split.mode {
            SplitMode::None => sys::LLAMA_SPLIT_MODE_NONE,
            SplitMode::Layers => sys::LLAMA_SPLIT_MODE_LAYER,
            SplitMode::Rows => sys::LLAMA_SPLIT_MODE_ROW,
            SplitMode::Tensors => sys::LLAMA_SPLIT_MODE_TENSOR,
        };
        params.main_gpu = i32::try_from(split.main).unwrap_or(i32::MAX);
        let mut tensor_split = Vec::new();
        if split.shares.iter().any(|share| *share > 0.0) {
            // SAFETY: returns a plain number.
            tensor_split.resize(unsafe { sys::llama_max_devices() }, 0.0);
            tensor_split.iter_mut().zip(&split.shares).for_each(|(to, share)| *to = share.max(0.0));
            params.tensor_split = tensor_split.as_ptr();
        }
        Self { params, _tensor_split: tensor_split, _overrides: Vec::new() }
    }

    /// Reads the vocabulary, but no weights.
    pub(crate) fn vocabulary_only() -> Self {
        let mut settings = Self::new(&LoadSettings { n_gpu_layers: 0, ..LoadSettings::default() });
        settings.params.vocab_only = true;
        settings
    }

    /// Sets whether the model's own heads that draft are loaded as well.
    pub(crate) fn set_heads(&mut self, loaded: bool) {
        self.params.load_mtp = loaded;
    }

    /// Reads the weights into memory instead of mapping their file.
    pub(crate) fn read_weights(&mut self) {
        let is_locked = [sys::LLAMA_LOAD_MODE_MLOCK, sys::LLAMA_LOAD_MODE_MMAP_MLOCK].contains(&self.params.load_mode);
        self.params.load_mode = load_mode(false, is_locked);
    }

    /// Puts as many layers on the GPUs as leave `margin` bytes free on each, beside a draft model, and experts on the processor
    /// before whole layers. Reads headers only. What was spread by hand stays as it is.
    pub(crate) fn fit(
        &mut self,
        path: &Path,
        context: ContextSettings,
        draft: Option<(&Path, &ModelSettings)>,
        margin: usize,
    ) {
        let Some(path) = c_path(path).filter(|_| self.params.tensor_split.is_null()) else { return };
        let draft_path = draft.and_then(|(path, _)| c_path(path));
        let draft_params = draft.map_or(std::ptr::null(), |(_, draft)| &raw const draft.params);
        // SAFETY: returns plain numbers.
        let (n_devices, n_overrides) = unsafe { (sys::llama_max_devices(), sys::llama_max_tensor_buft_overrides()) };
        let none = sys::llama_model_tensor_buft_override { pattern: std::ptr::null(), buft: std::ptr::null_mut() };
        let (mut tensor_split, mut overrides) = (vec![0.0; n_devices], vec![none; n_overrides]);
        let (mut params, mut context) = (self.params, context.to_params());
        let mut error = ErrorSlot::new();
        // SAFETY: both paths are NUL-terminated or null, the structs live during the call, and the two lists have the lengths that llama.cpp
        // names for them.
        let fits = unsafe {
            shim::engawa_fit(
                path.as_ptr(),
                &raw mut params,
                &raw mut context,
                draft_path.as_ref().map_or(std::ptr::null(), |path| path.as_ptr()),
                draft_params,
                tensor_split.as_mut_ptr(),
                overrides.as_mut_ptr(),
                margin,
                error.as_out(),
            )
        };
        match error.check(fits) {
            Ok(true) => *self = Self { params, _tensor_split: tensor_split, _overrides: overrides },
            Ok(false) => self.keep_on_host(),
            // The load itself says what is wrong with the file.
            Err(_) => {}
        }
    }

    /// Puts nothing on a GPU.
    pub(crate) fn keep_on_host(&mut self) {
        self.params.n_gpu_layers = 0;
    }

    /// Layers on GPUs, if there are any GPUs: negative for all.
    pub(crate) fn gpu_layers(&self) -> i32 {
        self.params.n_gpu_layers
    }
}

/// What [`Model::load`] came to.
pub(crate) enum LoadOutcome {
    /// It is loaded.
    Loaded(Model),
    /// `on_progress` said to stop.
    Cancelled,
    /// llama.cpp refused; its log says why.
    Refused,
}

impl Model {
    /// Loads a GGUF. `on_progress` gets llama.cpp's own fraction, 0..=1, and says whether to go on.
    pub(crate) fn load(path: &Path, settings: &ModelSettings, mut on_progress: impl FnMut(f32) -> bool) -> LoadOutcome {
        let Some(path) = c_path(path) else { return LoadOutcome::Refused };
        let mut cancelled = false;
        let mut callback = |fraction: f32| {
            let go_on = on_progress(fraction);
            cancelled |= !go_on;
            go_on
        };
        let mut object: &mut dyn FnMut(f32) -> bool = &mut callback;
        let mut params = settings.params;
        params.progress_callback = Some(forward_progress);
        params.progress_callback_user_data = (&raw mut object).cast();
        // SAFETY: `path` is NUL-terminated; the callback data outlives the call, which is the only time it is used.
        let pointer = unsafe { sys::llama_model_load_from_file(path.as_ptr(), params) };
        match NonNull::new(pointer) {
            Some(pointer) => LoadOutcome::Loaded(Self { pointer, n_gpu_layers: settings.gpu_layers() }),
            None if cancelled => LoadOutcome::Cancelled,
            None => LoadOutcome::Refused,
        }
    }

    pub(super) fn as_ptr(&self) -> *mut sys::llama_model {
        self.pointer.as_ptr()
    }

    pub(crate) fn vocabulary(&self) -> Vocabulary<'_> {
        Vocabulary::new(self)
    }

    /// llama.cpp's one-line description, e.g. `qwen2 7B Q4_K - Medium`.
    pub(crate) fn description(&self) -> String {
        read_text(|buffer, length| {
            // SAFETY: the model is loaded and the buffer has `length` bytes.
            unsafe { sys::llama_model_desc(self.as_ptr(), buffer, length) }
        })
    }

    /// A metadata value as text, empty when the file has none.
    pub(crate) fn metadata(&self, key: &str) -> String {
        let Ok(key) = CString::new(key) else { return String::new() };
        read_text(|buffer, length| {
            // SAFETY: the model is loaded, the key NUL-terminated, and the buffer has `length` bytes.
            unsafe { sys::llama_model_meta_val_str(self.as_ptr(), key.as_ptr(), buffer, length) }
        })
    }

    /// A metadata value that stands under the architecture's name.
    fn architecture_metadata(&self, key: &str) -> String {
        self.metadata(&format!("{}.{key}", self.metadata("general.architecture")))
    }

    /// How the file says that vectors become one; `None` where it says nothing.
    pub(crate) fn pooling(&self) -> Option<i32> {
        self.architecture_metadata("pooling_type").parse().ok()
    }

    /// The prompt by which a reranker scores a document.
    ///
    /// # Errors
    /// When a text can't be turned into tokens.
    pub(crate) fn rank_prompt(&self, query: &str, document: &str) -> Result<Vec<Token>, LlamaError> {
        let vocabulary = self.vocabulary();
        // SAFETY: the model is loaded and the name NUL-terminated; the text lives as long as the model.
        let template = unsafe { sys::llama_model_chat_template(self.as_ptr(), c"rerank".as_ptr()) };
        if template.is_null() {
            let query = vocabulary.tokenize(query, TextKind::Plain)?;
            let document = vocabulary.tokenize(document, TextKind::Plain)?;
            return Ok(vocabulary.rank_pair(&query, &document));
        }
        // SAFETY: not null, and NUL-terminated.
        let template = unsafe { CStr::from_ptr(template) }.to_string_lossy();
        // Cut at its slots, so that the texts in them are never read as control tokens.
        let mut tokens = Vec::new();
        let mut rest: &str = &template;
        loop {
            let slots = [("{query}", query), ("{document}", document)];
            let next = slots.into_iter().filter_map(|(slot, text)| Some((rest.find(slot)?, slot, text))).min();
            let end = next.map_or(rest.len(), |(place, ..)| place);
            tokens.extend(vocabulary.tokenize(&rest[..end], TextKind::PromptPart)?);
            let Some((_, slot, text)) = next else { return Ok(tokens) };
            tokens.extend(vocabulary.tokenize(text, TextKind::Plain)?);
            rest = &rest[end + slot.len()..];
        }
    }

    /// Numbers of an embedding.
    pub(crate) fn embedding_length(&self) -> u32 {
        // SAFETY: the model is loaded.
        u32::try_from(unsafe { sys::llama_model_n_embd_out(self.as_ptr()) }).unwrap_or(0)
    }

    /// Number of weights.
    pub(crate) fn parameter_count(&self) -> u64 {
        // SAFETY: the model is loaded.
        unsafe { sys::llama_model_n_params(self.as_ptr()) }
    }

    /// Bytes of the weights.
    pub(crate) fn size_bytes(&self) -> u64 {
        // SAFETY: the model is loaded.
        unsafe { sys::llama_model_size(self.as_ptr()) }
    }

    /// Tokens of context it was trained with.
    pub(crate) fn trained_context(&self) -> u32 {
        // SAFETY: the model is loaded.
        u32::try_from(unsafe { sys::llama_model_n_ctx_train(self.as_ptr()) }).unwrap_or(0)
    }

    /// Layers with the heads that guess further tokens, without the output layer.
    pub(crate) fn layer_count(&self) -> u32 {
        // SAFETY: the model is loaded.
        let layers =
            unsafe { [sys::llama_model_n_layer(self.as_ptr()), sys::llama_model_n_layer_nextn(self.as_ptr())] };
        layers.into_iter().filter_map(|count| u32::try_from(count).ok()).sum()
    }

    /// Layers that were asked to be on GPUs, if there are any GPUs: negative for all.
    pub(crate) fn gpu_layers(&self) -> i32 {
        self.n_gpu_layers
    }

    /// Whether some of its layers keep one state in place of all tokens.
    pub(crate) fn is_recurrent(&self) -> bool {
        // SAFETY: the model is loaded.
        unsafe { sys::llama_model_is_recurrent(self.as_ptr()) || sys::llama_model_is_hybrid(self.as_ptr()) }
    }

    /// Whether it can write text: embedding models and encoders can't.
    pub(crate) fn can_generate(&self) -> bool {
        // A model whose tokens see those behind them was trained to read only.
        let causal = self.architecture_metadata("attention.causal");
        // SAFETY: the model is loaded.
        let has_decoder =
            unsafe { sys::llama_model_has_decoder(self.as_ptr()) && !sys::llama_model_has_encoder(self.as_ptr()) };
        has_decoder && causal != "false"
    }
}

impl Drop for Model {
    fn drop(&mut self) {
        // SAFETY: nothing that borrows the model is alive.
        unsafe { sys::llama_model_free(self.as_ptr()) }
    }
}

/// Whether a model has the vocabulary of another, so that it can draft for it.
pub(crate) fn can_draft(target: &Model, draft: &Model) -> bool {
    let mut error = ErrorSlot::new();
    // SAFETY: both models are loaded.
    let can = unsafe { shim::engawa_can_draft(target.as_ptr(), draft.as_ptr(), error.as_out()) };
    error.check(can).unwrap_or(false)
}

/// Reads a text by llama.cpp's convention: the full length is returned, also when it did not fit.
fn read_text(read: impl Fn(*mut std::ffi::c_char, usize) -> i32) -> String {
    let mut bytes = vec![0_u8; 256];
    loop {
        let Ok(length) = usize::try_from(read(bytes.as_mut_ptr().cast(), bytes.len())) else { return String::new() };
        if length < bytes.len() {
            bytes.truncate(length);
            return String::from_utf8_lossy(&bytes).into_owned();
        }
        bytes.resize(length + 1, 0);
    }
}

/// Calls the closure behind `data`. A panic must not cross the C++ frames: it stops the load.
unsafe extern "C" fn forward_progress(fraction: f32, data: *mut c_void) -> bool {
    // SAFETY: `data` is the `&mut dyn FnMut` that `Model::load` put there and keeps alive during the call.
    let callback = unsafe { &mut *data.cast::<&mut dyn FnMut(f32) -> bool>() };
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| callback(fraction))).unwrap_or(false)
}

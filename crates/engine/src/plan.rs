//! Where a load puts a model, and what it takes of each device: found out before anything is read but headers.

mod fit;

use std::path::Path;

use engawa_engine_protocol::{
    DeviceMemory, Fit, LoadError, LoadEstimate, LoadRequest, LoadSettings, Mmap, Purpose, Speculation, SplitMode,
};

use crate::child::gpu_names;
use crate::llama::{
    ContextSettings, MemoryUse, ModelSettings, can_split_rows, capture_errors, measure_memory, says_heads, take_errors,
};
use crate::load::{available_memory, check_file, context_settings, has_large_pages, layers_on_gpu, refusal};
use crate::parts::{adapter_error, draft_error, draft_refusal, projector_error};

/// Memory left to the rest of the machine when a load is judged, in bytes.
const MEMORY_MARGIN: u64 = 256 << 20;
/// Memory left free on each GPU: the desktop and other programs draw with it, too. In bytes.
const GPU_MARGIN: usize = 512 << 20;
/// The largest context that is measured: that takes time and memory with its size.
const MEASURED: u32 = 16_384;

/// The longest drafts of a recurrent model.
const ROLLBACK: u32 = 8;
/// What the states for them may take, in bytes or as a share of the weights' size.
const ROLLBACK_BYTES: u64 = 64 << 20;
const ROLLBACK_SHARE: u64 = 6;
/// What heads that draft take beside their layer of the KV cache, about.
const HEADS_BYTES: u64 = 64 << 20;

/// How a model and what is beside it will be loaded.
pub(crate) struct LoadPlan {
    /// What was asked for, with the settings that will be used.
    pub(crate) request: LoadRequest,
    pub(crate) model: ModelSettings,
    pub(crate) draft: Option<ModelSettings>,
    /// The last tokens that a recurrent model can take back: as many as memory is worth it. Drafts are no longer.
    pub(crate) rollback: u32,
    /// Whether the model's own heads draft, if it has any: there is room for what they need.
    pub(crate) heads: bool,
    /// What all of it takes together; why that can't be told.
    used: Result<MemoryUse, LoadError>,
    fit: Fit,
}

impl LoadPlan {
    /// Looks at all files, and decides what goes where. What does not fit the memory that is free gets settings that do, if there
    /// are any.
    ///
    /// # Errors
    /// [`LoadError::NotFound`], [`LoadError::NoPermission`], [`LoadError::NotGguf`], [`LoadError::Adapter`],
    /// [`LoadError::Projector`] and [`LoadError::DraftModel`].
    pub(crate) fn make(request: &LoadRequest) -> Result<Self, LoadError> {
        let LoadRequest { path, settings, .. } = request;
        check_file(path)?;
        for adapter in &settings.adapters {
            check_file(&adapter.path).map_err(|error| adapter_error(&adapter.path, error.to_string()))?;
        }
        if let Some(projector) = &settings.projector {
            check_file(projector).map_err(|error| projector_error(projector, error.to_string()))?;
        }
        if let Some(draft) = &settings.draft_model {
            check_file(draft).map_err(|error| draft_error(draft, error.to_string()))?;
        }
        let mut request = request.clone();
        let split = &mut request.settings.gpu_split;
        if split.mode == SplitMode::Rows && !can_split_rows() {
            split.mode = SplitMode::Layers;
        }
        let asked = Self::with(request);
        if asked.is_too_large() != Some(true) {
            return Ok(asked);
        }
        Ok(match fit::closest_that_fits(&asked) {
            Some(plan) => Self { fit: Fit::Adjusted(Box::new(plan.request.settings.clone())), ..plan },
            None => Self { fit: Fit::TooLarge, ..asked },
        })
    }

    /// Decides what goes where with just these settings.
    fn with(request: LoadRequest) -> Self {
        let LoadRequest { path, settings, .. } = &request;
        // A draft model goes where its model goes, whole.
        let beside = LoadSettings { n_gpu_layers: if settings.n_gpu_layers == 0 { 0 } else { -1 }, ..settings.clone() };
        let has_heads = request.purpose == Purpose::Replies
            && settings.speculation != Speculation::Off
            && settings.draft_model.is_none()
            && says_heads(path);
        let mut model = ModelSettings::new(settings);
        model.set_heads(has_heads);
        let draft = settings.draft_model.is_some().then(|| ModelSettings::new(&beside));
        // Shares by hand, rows, and parts of tensors are what llama.cpp's fit leaves alone.
        let is_fitted = settings.n_gpu_layers < 0
            && settings.gpu_split.shares.is_empty()
            && matches!(settings.gpu_split.mode, SplitMode::None | SplitMode::Layers);
        let n_ctx = n_ctx_of(path, settings, &model);
        let mut plan = Self {
            request,
            model,
            draft,
            rollback: 0,
            heads: has_heads,
            used: Err(LoadError::Cancelled),
            fit: Fit::Fits,
        };
        if let Ok(n_ctx) = n_ctx
            && is_fitted
            && !gpu_names().is_empty()
        {
            plan.fit_devices(n_ctx);
        }
        plan.used = n_ctx.map_err(|lines| refusal(&lines)).and_then(|n_ctx| plan.measure(n_ctx));
        plan
    }

    /// Puts as much on the GPUs as fits now.
    fn fit_devices(&mut self, n_ctx: u32) {
        let LoadRequest { path, settings, .. } = &self.request;
        let on_host = ModelSettings::new(&LoadSettings { n_gpu_layers: 0, ..settings.clone() });
        let Ok(whole) = use_of(path, settings, &on_host, n_ctx) else { return };
        let free = whole.devices.iter().fold(self.available(), |free, device| {
            if device.name.is_empty() { free } else { free.saturating_add(device.memory_free) }
        });
        let needed = whole.devices.iter().fold(0_u64, |sum, device| sum.saturating_add(device.context));
        if needed > free {
            // It fits nowhere, and to try each place with it would take all memory.
            self.model.keep_on_host();
            return;
        }
        let beside = settings.adapters.iter().map(|adapter| &adapter.path).chain(&settings.projector);
        let heads = if self.heads { heads_bytes(&whole, n_ctx, settings).saturating_mul(2) } else { 0 };
        let margin = beside.fold(heads, |sum, path| sum.saturating_add(file_bytes(path)));
        let margin = usize::try_from(margin).unwrap_or(usize::MAX).saturating_add(GPU_MARGIN);
        let context = with_context(settings, n_ctx);
        let draft = self.draft.as_ref().zip(settings.draft_model.as_deref());
        self.model.fit(path, context, draft.map(|(draft, path)| (path, draft)), margin);
    }

    /// Bytes of the host that are free now, or will be before the load begins.
    fn available(&self) -> u64 {
        available_memory().saturating_add(self.request.host_freed)
    }

    fn measure(&mut self, n_ctx: u32) -> Result<MemoryUse, LoadError> {
        let LoadRequest { path, settings, purpose, .. } = &self.request;
        let mut used = use_of(path, settings, &self.model, n_ctx).map_err(|lines| refusal(&lines))?;
        let heads = heads_bytes(&used, n_ctx, settings);
        if let (Some(path), Some(draft)) = (&settings.draft_model, &self.draft) {
            let trained = measured(path, with_context(settings, 1), draft)
                .map_err(|lines| draft_refusal(path, &lines))?
                .n_ctx_train;
            let n_ctx = n_ctx.min(trained.max(1));
            used.add(&use_of(path, settings, draft, n_ctx).map_err(|lines| draft_refusal(path, &lines))?);
        }
        if let Some(host) = used.devices.last_mut() {
            host.memory_free = self.available().min(host.memory_total);
        }
        if let Some(projector) = &settings.projector {
            // It is read, not mapped: to the first GPU, if there is one.
            let bytes = file_bytes(projector);
            if let Some(device) = first_device(&mut used, settings.n_gpu_layers) {
                device.weights = device.weights.saturating_add(bytes);
            }
        }
        if settings.mmap == Mmap::Auto && is_plenty(&used) && has_large_pages() {
            self.model.read_weights();
            self.draft.iter_mut().for_each(ModelSettings::read_weights);
            used.devices.iter_mut().for_each(|device| device.mapped = 0);
        }
        // What drafts need comes last, where there is room for it: replies are the same without.
        let drafts = settings.speculation != Speculation::Off || settings.draft_model.is_some();
        if used.is_recurrent && drafts && *purpose == Purpose::Replies {
            self.rollback = self.add_rollback(&mut used);
        }
        if self.heads {
            let device = first_device(&mut used, self.model.gpu_layers()).filter(|device| heads <= spare(device));
            let Some(device) = device else {
                self.heads = false;
                self.model.set_heads(false);
                return self.measure(n_ctx);
            };
            device.context = device.context.saturating_add(heads);
        }
        Ok(used)
    }

    /// Adds the states by which the last tokens can be taken back; gives of how many there is one.
    fn add_rollback(&self, used: &mut MemoryUse) -> u32 {
        let LoadRequest { path, settings, .. } = &self.request;
        let smallest = with_context(settings, 1);
        let with = |rollback| measured(path, ContextSettings { rollback, ..smallest }, &self.model);
        let (Ok(without), Ok(with_one)) = (with(0), with(1)) else { return 0 };
        let states: Vec<u64> = (without.devices.iter().zip(&with_one.devices))
            .map(|(without, with_one)| with_one.context.saturating_sub(without.context))
            .collect();
        let each: u64 = states.iter().sum();
        if each == 0 {
            // llama.cpp can't do that with every kind of state.
            return 0;
        }
        let weights: u64 = used.devices.iter().map(|device| device.weights).sum();
        let worth = (weights / ROLLBACK_SHARE).max(ROLLBACK_BYTES) / each;
        let room = used.devices.iter().zip(&states).filter_map(|(device, state)| spare(device).checked_div(*state));
        let rollback = u32::try_from(room.fold(worth, u64::min)).unwrap_or(ROLLBACK).min(ROLLBACK);
        for (device, state) in used.devices.iter_mut().zip(states) {
            device.context = device.context.saturating_add(state.saturating_mul(u64::from(rollback)));
        }
        rollback
    }

    /// Whether it takes more of the host than is free; `None` where that can't be told.
    fn is_too_large(&self) -> Option<bool> {
        let host = self.host()?;
        Some(host.needed().saturating_add(MEMORY_MARGIN) > host.memory_free)
    }

    fn host(&self) -> Option<&DeviceMemory> {
        self.used.as_ref().ok()?.devices.last()
    }

    /// Refuses what would not fit before anything is allocated: Linux grants more than there is, and kills for it later.
    ///
    /// # Errors
    /// [`LoadError::NotEnoughMemory`], and what is wrong with the draft model.
    pub(crate) fn check_memory(&self) -> Result<(), LoadError> {
        if let Err(error @ LoadError::DraftModel { .. }) = &self.used {
            return Err(error.clone());
        }
        // Of others that can't be told the load itself says what is wrong with the file.
        match self.host().filter(|_| self.is_too_large() == Some(true)) {
            Some(host) => Err(LoadError::NotEnoughMemory { needed: Some(host.needed()), available: host.memory_free }),
            None => Ok(()),
        }
    }

    /// What is used in place of what was asked for, because that does not fit.
    pub(crate) fn fitted(&self) -> Option<Box<LoadSettings>> {
        match &self.fit {
            Fit::Adjusted(settings) => Some(settings.clone()),
            Fit::Fits | Fit::TooLarge => None,
        }
    }

    /// The names of the GPUs that will be used.
    pub(crate) fn gpus(&self) -> Vec<String> {
        match &self.used {
            Ok(used) => used
                .devices
                .iter()
                .filter(|device| !device.name.is_empty())
                .map(|device| device.description.clone())
                .collect(),
            Err(_) => gpu_names(),
        }
    }

    /// What it takes of each device, the host last; empty where that can't be told.
    pub(crate) fn memory(&self) -> Vec<DeviceMemory> {
        self.used.as_ref().map(|used| used.devices.clone()).unwrap_or_default()
    }

    /// What there is to tell of the plan.
    ///
    /// # Errors
    /// What the load would end with.
    pub(crate) fn estimate(self) -> Result<LoadEstimate, LoadError> {
        let MemoryUse { n_layer, devices, .. } = self.used?;
        let n_layer = n_layer + 1;
        let n_gpu_layer = if devices.len() > 1 { layers_on_gpu(self.model.gpu_layers(), n_layer) } else { 0 };
        let n_gpu = u32::try_from(gpu_names().len()).unwrap_or(u32::MAX);
        Ok(LoadEstimate { n_layer, n_gpu_layer, n_gpu, devices, fit: self.fit })
    }
}

/// Where what stands beside the layers goes: to the first GPU, if layers go to one.
fn first_device(used: &mut MemoryUse, gpu_layers: i32) -> Option<&mut DeviceMemory> {
    let is_on_host = gpu_layers == 0 || used.devices.len() == 1;
    if is_on_host { used.devices.last_mut() } else { used.devices.first_mut() }
}

/// Whether all of it, also what could stay in the file, takes no more than half of what is free, on a machine without a GPU.
fn is_plenty(used: &MemoryUse) -> bool {
    match used.devices.as_slice() {
        [host] => host.needed().saturating_add(host.mapped).saturating_mul(2) <= host.memory_free,
        _ => false,
    }
}

/// What a device can spend on what is not needed: half of what is left, so that it is not full then.
fn spare(device: &DeviceMemory) -> u64 {
    device.memory_free.saturating_sub(device.needed()).saturating_sub(MEMORY_MARGIN) / 2
}

/// At most what a model's own heads take to draft, beside their weights: a layer of the KV cache, of which hybrid models have one
/// in four, and the states behind the tokens of a batch.
fn heads_bytes(used: &MemoryUse, n_ctx: u32, settings: &LoadSettings) -> u64 {
    let batch = with_context(settings, n_ctx).n_batch;
    let cache: u64 = used.devices.iter().map(|device| device.context).sum();
    let layer = cache.saturating_mul(4) / u64::from(used.n_layer.max(1));
    layer + u64::from(batch) * u64::from(used.n_embd) * 4 + HEADS_BYTES
}

/// The length of a file; 0 when it can't be told.
fn file_bytes(path: &Path) -> u64 {
    std::fs::metadata(path).map_or(0, |file| file.len())
}

/// The context that is meant: 0 is what the model was trained with. The log's lines when the file can't be read.
fn n_ctx_of(path: &Path, settings: &LoadSettings, model: &ModelSettings) -> Result<u32, Vec<String>> {
    match settings.n_ctx {
        0 => Ok(measured(path, with_context(settings, 1), model)?.n_ctx_train),
        n_ctx => Ok(n_ctx),
    }
}

/// What a model takes with a context of that size. What it needs grows in a straight line: large ones are reckoned from two
/// small ones.
fn use_of(path: &Path, settings: &LoadSettings, model: &ModelSettings, n_ctx: u32) -> Result<MemoryUse, Vec<String>> {
    let measure = |n_ctx: u32| measured(path, with_context(settings, n_ctx), model);
    if n_ctx <= MEASURED {
        return measure(n_ctx);
    }
    let (half, mut whole) = (measure(MEASURED / 2)?, measure(MEASURED)?);
    let steps = u64::from(n_ctx - MEASURED).div_ceil(u64::from(MEASURED / 2));
    let grown = |half: u64, whole: u64| whole.saturating_add(whole.saturating_sub(half).saturating_mul(steps));
    for (half, whole) in half.devices.iter().zip(&mut whole.devices) {
        whole.context = grown(half.context, whole.context);
        whole.compute = grown(half.compute, whole.compute);
    }
    Ok(whole)
}

/// The settings of a context, in llama.cpp's terms, with a size of its own.
fn with_context(settings: &LoadSettings, n_ctx: u32) -> ContextSettings {
    context_settings(&LoadSettings { n_ctx, ..settings.clone() }, 0)
}

fn measured(path: &Path, context: ContextSettings, model: &ModelSettings) -> Result<MemoryUse, Vec<String>> {
    capture_errors();
    let used = measure_memory(path, model, context);
    let mut lines = take_errors();
    used.map_err(|error| {
        if lines.is_empty() {
            lines.push(error.0);
        }
        lines
    })
}

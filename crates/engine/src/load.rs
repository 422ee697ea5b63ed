//! Loading the model of this engine's life.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::time::{Duration, Instant};

use engawa_engine_protocol::{
    Adapter, ContinueFinal, EngineEvent, GpuSplit, LoadError, LoadEstimate, LoadRequest, LoadSettings, ModelInfo,
    Pooling, PromptMessage, Purpose, Role, TemplateInfo, TemplateSource,
};

use crate::child::Signals;
use crate::draft_model::DraftModel;
use crate::llama::{
    Context, ContextSettings, LlamaError, LoadOutcome, LoraAdapter, MemoryUse, Model, ModelSettings, Templates,
    capture_errors, measure_memory, take_errors,
};
use crate::outbox::Outbox;
use crate::prompt::{MarkerGuard, build_prompt};
use crate::threads::ThreadTrial;

/// The shortest time between two progress events.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(30);

/// Memory left to the rest of the machine when a load is judged, in bytes.
const MEMORY_MARGIN: u64 = 256 << 20;

/// Memory left free on each GPU: the desktop and other programs draw with it, too. In bytes.
const GPU_MARGIN: usize = 512 << 20;

/// The template of a model that brings none.
const CHATML: TemplateInfo = TemplateInfo {
    source: TemplateSource::ChatMl,
    accepts_assistant_first: true,
    accepts_repeated_roles: true,
    supports_thinking: false,
};

/// llama.cpp's numbers of ways to pool.
const MEAN: i32 = 1;
const CLS: i32 = 2;
const LAST: i32 = 3;
const RANK: i32 = 4;

/// What a context and its prompts need, beside the model itself.
pub(crate) struct Loaded<'model> {
    pub(crate) context: Context<'model>,
    pub(crate) templates: Templates<'model>,
    pub(crate) guard: MarkerGuard,
    pub(crate) threads: ThreadTrial,
    pub(crate) draft_model: Option<DraftModel<'model>>,
    pub(crate) info: ModelInfo,
}

/// Loads the weights, telling the app how far it is.
///
/// # Errors
/// Every [`LoadError`].
pub(crate) fn load_weights(request: &LoadRequest, signals: &Signals, outbox: &mut Outbox) -> Result<Model, LoadError> {
    check_file(&request.path)?;
    let settings = model_settings(request);
    check_memory(request, &settings)?;
    capture_errors();
    let mut last_sent: Option<Instant> = None;
    let outcome = Model::load(&request.path, &settings, |fraction| {
        if last_sent.is_none_or(|sent| sent.elapsed() >= PROGRESS_INTERVAL) {
            last_sent = Some(Instant::now());
            outbox.send(&EngineEvent::LoadProgress { fraction });
        }
        !signals.load_cancelled()
    });
    let lines = take_errors();
    match outcome {
        LoadOutcome::Loaded(model) => match unfit(&model, request.purpose) {
            None => Ok(model),
            Some(reason) => Err(LoadError::Refused { reason: reason.into() }),
        },
        LoadOutcome::Cancelled => Err(LoadError::Cancelled),
        LoadOutcome::Refused => Err(refusal(&lines)),
    }
}

/// Loads the weights of the draft model, if there is to be one.
///
/// # Errors
/// [`LoadError::DraftModel`] and [`LoadError::Cancelled`].
pub(crate) fn load_draft_weights(request: &LoadRequest, signals: &Signals) -> Result<Option<Model>, LoadError> {
    let Some(path) = &request.settings.draft_model else { return Ok(None) };
    check_file(path).map_err(|error| draft_error(path, error.to_string()))?;
    capture_errors();
    let outcome = Model::load(path, &draft_settings(&request.settings), |_| !signals.load_cancelled());
    let lines = take_errors();
    match outcome {
        LoadOutcome::Loaded(model) if model.can_generate() => Ok(Some(model)),
        LoadOutcome::Loaded(_) => Err(draft_error(path, "it can't write text".into())),
        LoadOutcome::Cancelled => Err(LoadError::Cancelled),
        LoadOutcome::Refused => Err(draft_error(path, refusal(&lines).to_string())),
    }
}

fn prepare_draft<'model>(
    draft: &'model Model,
    model: &Model,
    settings: &LoadSettings,
    info: &ModelInfo,
    signals: &'static Signals,
) -> Result<DraftModel<'model>, LoadError> {
    // Beyond what it was trained with it guesses badly.
    let n_ctx = info.n_ctx.min(draft.trained_context().max(1));
    let context = ContextSettings::new(settings, n_ctx, info.n_threads);
    DraftModel::new(draft, model, context, signals.abort_flag())
        .map_err(|reason| draft_error(settings.draft_model.as_deref().unwrap_or(Path::new("")), reason.into()))
}

/// A draft model goes where its model goes, whole.
fn draft_settings(settings: &LoadSettings) -> ModelSettings {
    ModelSettings::new(&LoadSettings {
        n_gpu_layers: if settings.n_gpu_layers == 0 { 0 } else { -1 },
        ..settings.clone()
    })
}

fn draft_error(path: &Path, reason: String) -> LoadError {
    LoadError::DraftModel { file: file_name(path), reason }
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}

/// Why a model can't do what it is loaded for; `None` if it can.
fn unfit(model: &Model, purpose: Purpose) -> Option<&'static str> {
    match purpose {
        Purpose::Replies if !model.can_generate() => {
            Some("this model can't write text (an encoder or embedding model)")
        }
        // Without its head llama.cpp would end the process.
        Purpose::Ranking if model.pooling() != Some(RANK) => Some("this model was not made to rank documents"),
        Purpose::Embeddings { .. } if model.pooling() == Some(RANK) => {
            Some("this model ranks documents, it makes no vectors")
        }
        Purpose::Replies | Purpose::Embeddings { .. } | Purpose::Ranking => None,
    }
}

/// Makes the context of a model that makes vectors or scores.
///
/// # Errors
/// As [`prepare`].
pub(crate) fn prepare_embedding<'model>(
    model: &'model Model,
    request: &LoadRequest,
    signals: &'static Signals,
) -> Result<(Context<'model>, ModelInfo), LoadError> {
    capture_errors();
    let trained = model.trained_context();
    let mut settings = context_settings(&request.settings, trained);
    // Positions beyond it may not exist, and a text goes through in one batch.
    settings.n_ctx = settings.n_ctx.min(trained.max(1));
    settings.n_batch = settings.n_ctx;
    settings.pooling = Some(match request.purpose {
        Purpose::Ranking => RANK,
        Purpose::Embeddings { pooling: Some(Pooling::Mean) } => MEAN,
        Purpose::Embeddings { pooling: Some(Pooling::Cls) } => CLS,
        Purpose::Embeddings { pooling: Some(Pooling::Last) } => LAST,
        Purpose::Replies | Purpose::Embeddings { pooling: None } => {
            model.pooling().filter(|pooling| [MEAN, CLS, LAST].contains(pooling)).unwrap_or(MEAN)
        }
    });
    let context = Context::new(model, settings, signals.abort_flag());
    let lines = take_errors();
    let mut context = context.ok_or_else(|| refusal(&lines))?;
    add_adapters(model, &mut context, &request.settings.adapters)?;
    context.warm_up(model.vocabulary().warm_up_token());
    let info = describe(model, &context, settings.n_threads, CHATML);
    Ok((context, info))
}

/// Makes the context over loaded weights, and that of the draft model, and warms them up.
///
/// # Errors
/// [`LoadError::NotEnoughMemory`], [`LoadError::Adapter`], [`LoadError::DraftModel`] and [`LoadError::Refused`].
pub(crate) fn prepare<'model>(
    model: &'model Model,
    draft: Option<&'model Model>,
    settings: &LoadSettings,
    signals: &'static Signals,
) -> Result<Loaded<'model>, LoadError> {
    capture_errors();
    let context_settings = context_settings(settings, model.trained_context());
    let context = Context::new(model, context_settings, signals.abort_flag());
    let lines = take_errors();
    let mut context = context.ok_or_else(|| refusal(&lines))?;
    add_adapters(model, &mut context, &settings.adapters)?;
    let refused = |error: LlamaError| LoadError::Refused { reason: error.0 };
    let guard = MarkerGuard::new(model.vocabulary()).map_err(refused)?;
    let (templates, template) = choose_template(model, &guard)?;
    context.warm_up(model.vocabulary().warm_up_token());
    if signals.load_cancelled() {
        return Err(LoadError::Cancelled);
    }
    let threads = ThreadTrial::new(context_settings.n_threads, settings.n_threads > 0);
    let info = describe(model, &context, context_settings.n_threads, template);
    let draft_model = draft.map(|draft| prepare_draft(draft, model, settings, &info, signals)).transpose()?;
    Ok(Loaded { context, templates, guard, threads, draft_model, info })
}

/// Lays the adapters over the weights.
///
/// # Errors
/// [`LoadError::Adapter`] for the first that can't be used.
fn add_adapters<'model>(
    model: &'model Model,
    context: &mut Context<'model>,
    adapters: &[Adapter],
) -> Result<(), LoadError> {
    let mut loaded = Vec::new();
    for Adapter { path, scale } in adapters {
        let failed = |reason: String| LoadError::Adapter { file: file_name(path), reason };
        check_file(path).map_err(|error| failed(error.to_string()))?;
        capture_errors();
        let adapter = LoraAdapter::load(model, path);
        let lines = take_errors();
        loaded.push((adapter.ok_or_else(|| failed(lines.join("\n")))?, *scale));
    }
    if !context.set_adapters(&loaded) {
        return Err(LoadError::Refused { reason: "the adapters can't be used together".into() });
    }
    Ok(())
}

/// Tells what is wrong with a path before llama.cpp, which says the same of all, sees it.
fn check_file(path: &Path) -> Result<(), LoadError> {
    let from_io = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::NotFound => LoadError::NotFound,
        std::io::ErrorKind::PermissionDenied => LoadError::NoPermission,
        _ => LoadError::Refused { reason: error.to_string() },
    };
    // Opening a pipe would wait for a writer for ever.
    if !std::fs::metadata(path).map_err(from_io)?.is_file() {
        return Err(LoadError::NotGguf);
    }
    let mut magic = [0; 4];
    match File::open(path).map_err(from_io)?.read_exact(&mut magic) {
        Ok(()) if &magic == b"GGUF" => Ok(()),
        Ok(()) => Err(LoadError::NotGguf),
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => Err(LoadError::NotGguf),
        Err(error) => Err(from_io(error)),
    }
}

/// Tells what a load would take.
///
/// # Errors
/// [`LoadError::NotFound`], [`LoadError::NoPermission`], [`LoadError::NotGguf`], [`LoadError::UnknownArchitecture`] and
/// [`LoadError::Refused`].
pub(crate) fn estimate(request: &LoadRequest) -> Result<LoadEstimate, LoadError> {
    check_file(&request.path)?;
    capture_errors();
    let settings = model_settings(request);
    let used = memory_use(request, &settings);
    let lines = take_errors();
    let MemoryUse { n_layer, mut devices, .. } = used.map_err(|_| refusal(&lines))?;
    if let Some(host) = devices.last_mut() {
        host.memory_free = available_memory();
    }
    let n_layer = n_layer + 1;
    let n_gpu_layer = if devices.len() > 1 { layers_on_gpu(settings.gpu_layers(), n_layer) } else { 0 };
    Ok(LoadEstimate { n_layer, n_gpu_layer, devices })
}

/// The settings of the weights; where it is left to us, as many layers on the GPUs as fit now.
fn model_settings(request: &LoadRequest) -> ModelSettings {
    let mut settings = ModelSettings::new(&request.settings);
    // What a person has spread by hand is theirs.
    let is_ours = request.settings.n_gpu_layers < 0 && request.settings.gpu_split == GpuSplit::default();
    if is_ours && !crate::child::gpu_names().is_empty() {
        settings.fit(&request.path, context_settings(&request.settings, 0), GPU_MARGIN);
    }
    settings
}

/// Refuses what would not fit before anything is allocated: Linux grants more than there is, and kills for it later.
fn check_memory(request: &LoadRequest, settings: &ModelSettings) -> Result<(), LoadError> {
    // A file that can't even be measured is refused by the load itself, with llama.cpp's words.
    let Ok(used) = memory_use(request, settings) else { return Ok(()) };
    let Some(host) = used.devices.last() else { return Ok(()) };
    let is_mapped = request.settings.use_mmap && !request.settings.use_mlock;
    let weights = if is_mapped { 0 } else { host.weights };
    let needed = weights.saturating_add(host.context).saturating_add(host.compute);
    let available = available_memory();
    if needed.saturating_add(MEMORY_MARGIN) > available {
        return Err(LoadError::NotEnoughMemory { needed: Some(needed), available });
    }
    Ok(())
}

/// What the load would take. Measuring a context takes time and memory with its size, and what it needs grows in a
/// straight line: large ones are reckoned from two small ones.
fn memory_use(request: &LoadRequest, model: &ModelSettings) -> Result<MemoryUse, LlamaError> {
    const MEASURED: u32 = 16_384;
    let measure = |n_ctx: u32| {
        let settings = LoadSettings { n_ctx, ..request.settings.clone() };
        let context = context_settings(&settings, 0);
        let mut used = measure_memory(&request.path, model, context)?;
        if let Some(draft) = &settings.draft_model {
            let beside = measure_memory(draft, &draft_settings(&settings), context)?;
            used.add(&beside);
        }
        Ok(used)
    };
    let n_ctx = match request.settings.n_ctx {
        0 => measure(1)?.n_ctx_train,
        n_ctx => n_ctx,
    };
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

/// Bytes that can be allocated now, by the machine and by the group of processes this one is in.
pub(crate) fn available_memory() -> u64 {
    let Ok(mut system) = sysinfo::System::new() else { return u64::MAX };
    system.refresh_memory();
    let free = system.available_memory();
    system.cgroup_limits().map_or(free, |limits| free.min(limits.free_memory))
}

/// Whether a copy of a state can be made without a risk for the model itself.
pub(crate) fn fits_memory(bytes: usize) -> bool {
    bytes as u64 <= available_memory() / 2
}

fn context_settings(settings: &LoadSettings, trained: u32) -> ContextSettings {
    let n_ctx = if settings.n_ctx == 0 { trained } else { settings.n_ctx };
    ContextSettings::new(settings, n_ctx, thread_count(settings.n_threads))
}

/// A core is left free: a model that fills all of them slows down many times over as soon as anything else runs.
fn thread_count(asked: u32) -> u32 {
    if asked > 0 {
        return asked.min(512);
    }
    // Of a container, or of a process bound to some cores, only those count.
    let allowed = std::thread::available_parallelism().map_or(1, Into::into);
    let cores = sysinfo::System::physical_core_count().unwrap_or(allowed).min(allowed);
    u32::try_from(cores.saturating_sub(1).max(1)).unwrap_or(1)
}

/// The file's template if it can hold a plain conversation, else ChatML.
fn choose_template<'model>(
    model: &'model Model,
    guard: &MarkerGuard,
) -> Result<(Templates<'model>, TemplateInfo), LoadError> {
    let refused = |error: LlamaError| LoadError::Refused { reason: error.0 };
    let greeting = [message(Role::Assistant), message(Role::User)];
    let question = [message(Role::User)];
    let twice = [message(Role::User), message(Role::User)];
    let try_out = |templates: &Templates<'_>, messages: &[PromptMessage]| {
        build_prompt(templates, model.vocabulary(), guard, messages, &[], None, ContinueFinal::NewTurn).ok()
    };
    if let Ok(templates) = Templates::from_model(model)
        && templates.is_from_file()
        && let Some(prompt) = try_out(&templates, &question)
    {
        let template = TemplateInfo {
            source: TemplateSource::File,
            accepts_assistant_first: try_out(&templates, &greeting).is_some(),
            accepts_repeated_roles: try_out(&templates, &twice).is_some(),
            supports_thinking: prompt.applied.supports_thinking,
        };
        return Ok((templates, template));
    }
    let templates = Templates::chatml(model).map_err(refused)?;
    Ok((templates, CHATML))
}

fn message(role: Role) -> PromptMessage {
    PromptMessage::new(role, "hello")
}

fn describe(model: &Model, context: &Context<'_>, n_threads: u32, template: TemplateInfo) -> ModelInfo {
    // The output layer counts as one that can be put on a GPU.
    let n_layer = model.layer_count() + 1;
    let devices = crate::child::gpu_names();
    let n_gpu_layer = if devices.is_empty() { 0 } else { layers_on_gpu(model.gpu_layers(), n_layer) };
    ModelInfo {
        description: model.description(),
        architecture: model.metadata("general.architecture"),
        n_params: model.parameter_count(),
        size_bytes: model.size_bytes(),
        n_ctx_train: model.trained_context(),
        n_ctx: context.size(),
        n_embd: model.embedding_length(),
        n_layer,
        n_gpu_layer,
        devices: if n_gpu_layer == 0 { Vec::new() } else { devices },
        n_threads,
        template,
    }
}

/// llama.cpp's number of layers on GPUs, of `n_layer`, where it is negative for all.
fn layers_on_gpu(asked: i32, n_layer: u32) -> u32 {
    u32::try_from(asked).unwrap_or(n_layer).min(n_layer)
}

/// What llama.cpp's last error lines say in our terms. They explain a refusal that is already known.
fn refusal(lines: &[String]) -> LoadError {
    let text = lines.join("\n");
    if let Some((_, rest)) = text.split_once("unknown model architecture: '") {
        let architecture = rest.split('\'').next().unwrap_or_default().chars().take(64).collect();
        return LoadError::UnknownArchitecture { architecture };
    }
    if text.contains("bad_alloc") || text.contains("failed to allocate") {
        return LoadError::NotEnoughMemory { needed: None, available: available_memory() };
    }
    let reason = if text.is_empty() { "llama.cpp gave no reason".into() } else { text };
    LoadError::Refused { reason }
}

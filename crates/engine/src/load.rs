//! Loading the model of this engine's life.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::time::{Duration, Instant};

use engawa_engine_protocol::{
    Adapter, ContinueFinal, EngineEvent, Inputs, LoadError, LoadSettings, ModelInfo, Pooling, PromptMessage, Purpose,
    Role, Speculation, TemplateInfo, TemplateSource,
};

use crate::child::Signals;
use crate::draft_heads::DraftHeads;
use crate::draft_model::DraftModel;
use crate::drafter::Drafter;
use crate::llama::{
    Context, ContextSettings, DecodeOutcome, Heads, LlamaError, LoadOutcome, LoraAdapter, Model, Projector, Templates,
    capture_errors, take_errors,
};
use crate::outbox::Outbox;
use crate::parts::{adapter_error, can_not_draft, check_projector, draft_error, draft_refusal, projector_error};
use crate::plan::LoadPlan;
use crate::prompt::{MarkerGuard, Said, build_prompt};
use crate::threads::ThreadTrial;

/// The shortest time between two progress events.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(30);

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
    pub(crate) speculation: Speculation,
    pub(crate) drafter: Option<Drafter<'model>>,
    pub(crate) info: ModelInfo,
}

/// Loads the weights, telling the app how far it is.
///
/// # Errors
/// Every [`LoadError`].
pub(crate) fn load_weights(plan: &LoadPlan, signals: &Signals, outbox: &mut Outbox) -> Result<Model, LoadError> {
    plan.check_memory()?;
    let request = &plan.request;
    capture_errors();
    let mut last_sent: Option<Instant> = None;
    let outcome = Model::load(&request.path, &plan.model, |fraction| {
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
/// [`LoadError::DraftModel`], [`LoadError::NotEnoughMemory`] and [`LoadError::Cancelled`].
pub(crate) fn load_draft_weights(plan: &LoadPlan, signals: &Signals) -> Result<Option<Model>, LoadError> {
    let (Some(path), Some(settings)) = (&plan.request.settings.draft_model, &plan.draft) else { return Ok(None) };
    capture_errors();
    let outcome = Model::load(path, settings, |_| !signals.load_cancelled());
    let lines = take_errors();
    match outcome {
        LoadOutcome::Loaded(model) => Ok(Some(model)),
        LoadOutcome::Cancelled => Err(LoadError::Cancelled),
        LoadOutcome::Refused => Err(draft_refusal(path, &lines)),
    }
}

fn prepare_draft<'model>(
    draft: &'model Model,
    model: &Model,
    context: &Context<'_>,
    settings: &LoadSettings,
    n_threads: u32,
    signals: &'static Signals,
) -> Result<DraftModel<'model>, LoadError> {
    let path = settings.draft_model.as_deref().unwrap_or(Path::new(""));
    if context.longest_draft() == 0 {
        return Err(draft_error(path, "the model is recurrent, and could not take a wrong guess back".into()));
    }
    if let Some(reason) = can_not_draft(model, draft) {
        return Err(draft_error(path, reason.into()));
    }
    // Beyond what it was trained with it guesses badly.
    let n_ctx = context.size().min(draft.trained_context().max(1));
    capture_errors();
    let own = Context::new(draft, ContextSettings::new(settings, n_ctx, n_threads), signals.abort_flag());
    let lines = take_errors();
    let own = own.ok_or_else(|| draft_refusal(path, &lines))?;
    Ok(DraftModel::new(draft, model, own))
}

/// Loads the projector, if there is to be one.
///
/// # Errors
/// [`LoadError::Projector`].
pub(crate) fn load_projector<'model>(
    model: &'model Model,
    settings: &LoadSettings,
) -> Result<Option<Projector<'model>>, LoadError> {
    let Some(path) = &settings.projector else { return Ok(None) };
    check_projector(path)?;
    capture_errors();
    let projector = Projector::load(model, path, thread_count(settings.n_threads), settings.n_gpu_layers != 0);
    let lines = take_errors();
    projector.map(Some).ok_or_else(|| projector_error(path, lines.join("\n")))
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
    plan: &LoadPlan,
    signals: &'static Signals,
) -> Result<(Context<'model>, ModelInfo), LoadError> {
    let request = &plan.request;
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
    let info = describe(model, &context, plan, settings.n_threads, CHATML);
    Ok((context, info))
}

/// Makes the context over loaded weights, and that of the draft model, and warms them up.
///
/// # Errors
/// [`LoadError::NotEnoughMemory`], [`LoadError::Adapter`], [`LoadError::DraftModel`] and [`LoadError::Refused`].
pub(crate) fn prepare<'model>(
    model: &'model Model,
    draft: Option<&'model Model>,
    projector: Option<&Projector<'_>>,
    plan: &LoadPlan,
    signals: &'static Signals,
) -> Result<Loaded<'model>, LoadError> {
    let settings = &plan.request.settings;
    capture_errors();
    let mut context_settings = context_settings(settings, model.trained_context());
    if projector.is_some_and(Projector::reads_whole) {
        context_settings = context_settings.with_whole_pictures();
    }
    let with_rollback = ContextSettings { rollback: plan.rollback, ..context_settings };
    let context = Context::new(model, with_rollback, signals.abort_flag())
        .or_else(|| (plan.rollback > 0).then(|| Context::new(model, context_settings, signals.abort_flag()))?);
    let lines = take_errors();
    let mut context = context.ok_or_else(|| refusal(&lines))?;
    add_adapters(model, &mut context, &settings.adapters)?;
    let refused = |error: LlamaError| LoadError::Refused { reason: error.0 };
    let guard = MarkerGuard::new(model.vocabulary()).map_err(refused)?;
    let (templates, template) = choose_template(model, &guard)?;
    let warm_up_token = model.vocabulary().warm_up_token();
    let wants_heads = plan.heads && context.longest_draft() > 0;
    let heads = wants_heads.then(|| make_heads(model, &mut context, context_settings, signals)).flatten();
    context.warm_up(warm_up_token);
    if signals.load_cancelled() {
        return Err(LoadError::Cancelled);
    }
    let threads = ThreadTrial::new(context_settings.n_threads, settings.n_threads > 0);
    let n_threads = context_settings.n_threads;
    let drafter = match (draft, heads) {
        (Some(draft), _) => {
            Some(Drafter::Model(Box::new(prepare_draft(draft, model, &context, settings, n_threads, signals)?)))
        }
        (None, heads) => heads.map(|heads| Drafter::Heads(Box::new(DraftHeads::new(model, heads)))),
    };
    let inputs = projector.map(Projector::inputs).unwrap_or_default();
    let info = ModelInfo { inputs, ..describe(model, &context, plan, n_threads, template) };
    let speculation = settings.speculation;
    Ok(Loaded { context, templates, guard, threads, speculation, drafter, info })
}

/// The model's own heads, if it has any.
fn make_heads<'model>(
    model: &'model Model,
    context: &mut Context<'model>,
    settings: ContextSettings,
    signals: &'static Signals,
) -> Option<Heads<'model>> {
    let heads = Heads::new(model, context, settings, signals.abort_flag())?;
    // What the model computes for them may not fit beside it any more.
    if context.warm_up(model.vocabulary().warm_up_token()) == DecodeOutcome::Done {
        return Some(heads);
    }
    Heads::leave(context);
    None
}

/// Lays the adapters over the weights; their files were looked at when the load was planned.
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
        capture_errors();
        let adapter = LoraAdapter::load(model, path);
        let lines = take_errors();
        loaded.push((adapter.ok_or_else(|| adapter_error(path, lines.join("\n")))?, *scale));
    }
    if !context.set_adapters(&loaded) {
        return Err(LoadError::Refused { reason: "the adapters can't be used together".into() });
    }
    Ok(())
}

/// Tells what is wrong with a path before llama.cpp, which says the same of all, sees it.
pub(crate) fn check_file(path: &Path) -> Result<(), LoadError> {
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

/// Bytes that can be allocated now, by the machine and by the group of processes this one is in.
pub(crate) fn available_memory() -> u64 {
    let Ok(mut system) = sysinfo::System::new() else { return u64::MAX };
    system.refresh_memory();
    let free = system.available_memory();
    system.cgroup_limits().map_or(free, |limits| free.min(limits.free_memory))
}

/// Whether memory comes in large pages, as glibc's `malloc` was told to ask for: seen on a block of it (`AnonHugePages` of Linux's
/// `proc_pid_smaps(5)`).
pub(crate) fn has_large_pages() -> bool {
    // Several of 2 MiB fit.
    let block = vec![1_u8; 8 << 20];
    std::hint::black_box(&block);
    let maps = std::fs::read_to_string("/proc/self/smaps_rollup").unwrap_or_default();
    let size = maps.lines().find_map(|line| line.strip_prefix("AnonHugePages:"));
    size.is_some_and(|size| !size.trim_start().starts_with('0'))
}

/// Whether a copy of a state can be made without a risk for the model itself.
pub(crate) fn fits_memory(bytes: usize) -> bool {
    bytes as u64 <= available_memory() / 2
}

pub(crate) fn context_settings(settings: &LoadSettings, trained: u32) -> ContextSettings {
    let n_ctx = if settings.n_ctx == 0 { trained } else { settings.n_ctx };
    ContextSettings::new(settings, n_ctx, thread_count(settings.n_threads))
}

/// A core is left free: all threads wait for the one that has to share its processor with others.
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
        let said = Said { messages, media: &[] };
        build_prompt(templates, model.vocabulary(), guard, said, &[], None, ContinueFinal::NewTurn).ok()
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

fn describe(
    model: &Model,
    context: &Context<'_>,
    plan: &LoadPlan,
    n_threads: u32,
    template: TemplateInfo,
) -> ModelInfo {
    // The output layer counts as one that can be put on a GPU.
    let n_layer = model.layer_count() + 1;
    let devices = plan.gpus();
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
        memory: plan.memory(),
        n_threads,
        template,
        inputs: Inputs::default(),
        is_recurrent: model.is_recurrent(),
    }
}

/// llama.cpp's number of layers on GPUs, of `n_layer`, where it is negative for all.
pub(crate) fn layers_on_gpu(asked: i32, n_layer: u32) -> u32 {
    u32::try_from(asked).unwrap_or(n_layer).min(n_layer)
}

/// What llama.cpp's last error lines say in our terms. They explain a refusal that is already known.
pub(crate) fn refusal(lines: &[String]) -> LoadError {
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

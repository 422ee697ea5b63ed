//! The engine as a process: its pipes, its death with its parent, its threads.

use std::collections::VecDeque;
use std::fs::File;
use std::io::Stdin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver};

use engawa_engine_protocol::{
    CacheFolder, DeviceInfo, DeviceKind, ENGINE_ROLE_ARGUMENT, EmbedRequest, EngineEvent, EngineRequest, Fit,
    GenerateError, LoadError, LoadRequest, MAX_REQUEST_BYTES, PROTOCOL_VERSION, Purpose, RankRequest, read_frame,
};
use llama_cpp_2::LlamaBackendDeviceType;
use llama_cpp_2::llama_backend::LlamaBackend;

use crate::embedding::Embedder;
use crate::inference::Inference;
use crate::llama::{c_path, route_logs_to_stderr};
use crate::load::{load_draft_weights, load_projector, load_weights, prepare, prepare_embedding};
use crate::media::MediaReader;
use crate::outbox::Outbox;
use crate::parts::check_parts;
use crate::plan::LoadPlan;
use crate::saved::{SavedSequences, model_key};

/// Requests that may wait before the reader stops reading; the app sends few.
const REQUEST_QUEUE: usize = 64;

/// Runs the engine and ends the process, if it was started as an engine child; returns otherwise.
///
/// The first statement of every binary, before threads, logging or a window exist.
pub fn run_if_engine_child() {
    if std::env::args_os().nth(1).is_some_and(|argument| argument == ENGINE_ROLE_ARGUMENT) {
        std::process::exit(match run() {
            Ok(()) => 0,
            Err(error) => {
                eprintln!("engine: {error}");
                1
            }
        })
    }
}

/// What the reader thread tells the inference thread while that computes.
pub(crate) struct Signals {
    abort: AtomicBool,
    cancel_load: AtomicBool,
}

static SIGNALS: Signals = Signals { abort: AtomicBool::new(false), cancel_load: AtomicBool::new(false) };

impl Signals {
    /// llama.cpp polls this flag while it computes.
    pub(crate) fn abort_flag(&'static self) -> &'static AtomicBool {
        &self.abort
    }

    /// Clears the flag; called before the requests that may have set it are read.
    pub(crate) fn abort_seen(&self) {
        self.abort.store(false, Ordering::Relaxed);
    }

    pub(crate) fn load_cancelled(&self) -> bool {
        self.cancel_load.load(Ordering::Relaxed)
    }
}

/// Why an engine child could not begin.
#[derive(Debug, thiserror::Error)]
enum StartError {
    #[error("the app speaks protocol version {0}, this engine {PROTOCOL_VERSION}")]
    Version(u32),
    #[error("the first message was not a greeting")]
    NoGreeting,
    #[error("while reading the first message: {0}")]
    Protocol(#[from] engawa_engine_protocol::ProtocolError),
    #[error("while setting up the process: {0}")]
    Io(#[from] std::io::Error),
}

fn run() -> Result<(), StartError> {
    die_with_parent();
    let mut outbox = Outbox::new(take_standard_output()?);
    let mut input = std::io::stdin();
    match read_frame(&mut input, MAX_REQUEST_BYTES)? {
        Some(EngineRequest::Hello { version: PROTOCOL_VERSION }) => {}
        Some(EngineRequest::Hello { version }) => return Err(StartError::Version(version)),
        Some(_) => return Err(StartError::NoGreeting),
        None => return Ok(()),
    }
    outbox.send(&EngineEvent::Hello { version: PROTOCOL_VERSION });
    route_logs_to_stderr();
    load_backends();
    #[cfg(target_os = "linux")]
    crate::contention::watch();
    let (sender, requests) = mpsc::sync_channel(REQUEST_QUEUE);
    std::thread::Builder::new().name("requests".into()).spawn(move || read_requests(input, &sender))?;
    // Held until the end: dropping it frees the back ends.
    let backend = LlamaBackend::init();
    if let Some(request) = wait_for_model(&requests, &mut outbox) {
        serve(&request, &requests, &mut outbox);
    }
    drop(backend);
    Ok(())
}

/// Reads until the app closes the pipe. What must be noticed while a batch is computed or a model loads is
/// flagged at once.
fn read_requests(mut input: Stdin, requests: &mpsc::SyncSender<EngineRequest>) {
    loop {
        match read_frame(&mut input, MAX_REQUEST_BYTES) {
            Ok(Some(request)) => {
                if request == EngineRequest::CancelLoad {
                    SIGNALS.cancel_load.store(true, Ordering::Relaxed);
                }
                let is_cancel = matches!(request, EngineRequest::Cancel { .. });
                if requests.send(request).is_err() {
                    return;
                }
                // After the request is in the channel, so that whoever sees the flag finds it there.
                if is_cancel {
                    SIGNALS.abort.store(true, Ordering::Relaxed);
                }
            }
            Ok(None) => break,
            Err(error) => {
                eprintln!("engine: {error}");
                break;
            }
        }
    }
    SIGNALS.cancel_load.store(true, Ordering::Relaxed);
    SIGNALS.abort.store(true, Ordering::Relaxed);
}

/// Answers what can be answered without a model until one is asked for; `None` when the app closes the pipe.
fn wait_for_model(requests: &Receiver<EngineRequest>, outbox: &mut Outbox) -> Option<LoadRequest> {
    loop {
        match requests.recv().ok()? {
            EngineRequest::LoadModel(request) => return Some(request),
            EngineRequest::ListDevices => outbox.send(&EngineEvent::Devices { devices: list_devices() }),
            EngineRequest::EstimateLoad(request) => {
                let estimate = LoadPlan::make(&request).and_then(|plan| {
                    let estimate = plan.estimate()?;
                    // To look at what is beside the model takes memory, too.
                    if estimate.fit != Fit::TooLarge {
                        check_parts(&request)?;
                    }
                    Ok(estimate)
                });
                outbox.send(&match estimate {
                    Ok(estimate) => EngineEvent::LoadEstimated(estimate),
                    Err(error) => EngineEvent::EstimateFailed(error),
                });
            }
            EngineRequest::Generate(request) => {
                outbox.send(&EngineEvent::RequestFailed { id: request.id, error: GenerateError::NoModel });
            }
            EngineRequest::CountPrompt { id, .. }
            | EngineRequest::Embed(EmbedRequest { id, .. })
            | EngineRequest::Rank(RankRequest { id, .. }) => {
                outbox.send(&EngineEvent::RequestFailed { id, error: GenerateError::NoModel });
            }
            EngineRequest::Hello { .. }
            | EngineRequest::CancelLoad
            | EngineRequest::UpdateSampling { .. }
            | EngineRequest::Forget { .. }
            | EngineRequest::Cancel { .. } => {}
        }
    }
}

/// Loads the model and answers until the app closes the pipe. The model and what borrows it are locals of this one
/// function, so that they go in the right order.
fn serve(request: &LoadRequest, requests: &Receiver<EngineRequest>, outbox: &mut Outbox) {
    let plan = match LoadPlan::make(request) {
        Ok(plan) => plan,
        Err(error) => return outbox.send(&EngineEvent::LoadFailed(error)),
    };
    if let Some(settings) = plan.fitted() {
        outbox.send(&EngineEvent::LoadFitted { settings });
    }
    let request = &plan.request;
    let model = match load_weights(&plan, &SIGNALS, outbox) {
        Ok(model) => model,
        Err(error) => return outbox.send(&EngineEvent::LoadFailed(error)),
    };
    if request.purpose != Purpose::Replies {
        let (context, info) = match prepare_embedding(&model, &plan, &SIGNALS) {
            Ok(prepared) => prepared,
            Err(error) => return outbox.send(&EngineEvent::LoadFailed(error)),
        };
        outbox.send(&EngineEvent::ModelLoaded(info));
        let ranks = request.purpose == Purpose::Ranking;
        let (signals, waiting) = (&SIGNALS, VecDeque::new());
        return Embedder { model: &model, context, ranks, requests, outbox, signals, waiting }.run();
    }
    let projector = match load_projector(&model, &request.settings) {
        Ok(projector) => projector,
        Err(error) => return outbox.send(&EngineEvent::LoadFailed(error)),
    };
    let draft_weights = match load_draft_weights(&plan, &SIGNALS) {
        Ok(weights) => weights,
        Err(error) => return outbox.send(&EngineEvent::LoadFailed(error)),
    };
    let loaded = match prepare(&model, draft_weights.as_ref(), projector.as_ref(), &plan, &SIGNALS) {
        Ok(loaded) => loaded,
        Err(error) => return outbox.send(&EngineEvent::LoadFailed(error)),
    };
    outbox.send(&EngineEvent::ModelLoaded(loaded.info.clone()));
    let saved = request.cache.clone().and_then(|folder| open_saved(folder, request));
    std::thread::scope(|scope| {
        let most_whole = loaded.context.piece_size().min(loaded.context.batch_size());
        let media = projector.as_ref().map(|projector| MediaReader::start(scope, projector, most_whole));
        Inference::new(&model, loaded, saved, media, requests, outbox, &SIGNALS).run();
    });
}

/// The sequences on disk; a folder that can't be used is no reason not to answer.
fn open_saved(folder: CacheFolder, request: &LoadRequest) -> Option<SavedSequences> {
    let opened = model_key(&request.path, &request.settings).and_then(|key| SavedSequences::open(folder, key));
    opened.inspect_err(|error| eprintln!("engine: no sequences are kept on disk: {error}")).ok()
}

/// The devices that models can be computed on.
pub(crate) fn list_devices() -> Vec<DeviceInfo> {
    llama_cpp_2::list_llama_ggml_backend_devices()
        .into_iter()
        .map(|device| DeviceInfo {
            kind: match device.device_type {
                LlamaBackendDeviceType::Cpu => DeviceKind::Cpu,
                LlamaBackendDeviceType::Gpu => DeviceKind::Gpu,
                LlamaBackendDeviceType::IntegratedGpu => DeviceKind::IntegratedGpu,
                LlamaBackendDeviceType::Accelerator | LlamaBackendDeviceType::Unknown => DeviceKind::Accelerator,
            },
            name: device.name,
            description: device.description,
            memory_free: device.memory_free as u64,
            memory_total: device.memory_total as u64,
        })
        .collect()
}

/// Why an engine that has a model takes no other.
pub(crate) fn has_model() -> LoadError {
    LoadError::Refused { reason: "this engine already has a model".into() }
}

/// The names of the GPUs that layers would be put on.
pub(crate) fn gpu_names() -> Vec<String> {
    let is_gpu = |device: &DeviceInfo| matches!(device.kind, DeviceKind::Gpu | DeviceKind::IntegratedGpu);
    list_devices().into_iter().filter(is_gpu).map(|device| device.description).collect()
}

/// Loads ggml's back ends from the folder next to the executable, and from nowhere else.
fn load_backends() {
    let folder = std::env::current_exe().ok().and_then(|path| path.parent().map(|folder| folder.join("backends")));
    let Some(path) = folder.as_deref().and_then(c_path) else {
        eprintln!("engine: the folder of the back ends can't be named");
        return;
    };
    // SAFETY: `path` is NUL-terminated.
    unsafe { llama_cpp_sys_2::ggml_backend_load_all_from_path(path.as_ptr()) }
}

/// Moves the pipe to the app away from file descriptor 1, which C++ code prints to; that goes to standard error then.
#[cfg(unix)]
fn take_standard_output() -> std::io::Result<File> {
    use std::os::fd::AsFd;
    let pipe = std::io::stdout().as_fd().try_clone_to_owned()?;
    // SAFETY: both descriptors are open; nothing has written to standard output yet.
    if unsafe { libc::dup2(libc::STDERR_FILENO, libc::STDOUT_FILENO) } < 0 {
        return Err(std::io::Error::last_os_error());
    }
    Ok(File::from(pipe))
}

#[cfg(windows)]
fn take_standard_output() -> std::io::Result<File> {
    use std::os::windows::io::AsHandle;
    Ok(File::from(std::io::stdout().as_handle().try_clone_to_owned()?))
}

/// The engine never outlives the app, and never leaves a core file with somebody's conversation in it.
fn die_with_parent() {
    #[cfg(target_os = "linux")]
    // SAFETY: plain system calls on this process.
    unsafe {
        libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
        let no_core = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        libc::setrlimit(libc::RLIMIT_CORE, &raw const no_core);
    }
}

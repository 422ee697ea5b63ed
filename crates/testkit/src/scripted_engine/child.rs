//! The process: it greets, loads and answers until its input closes.

use std::collections::VecDeque;
use std::io::{Stdin, Write};
use std::process::{Command, exit};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TryRecvError, sync_channel};
use std::time::{Duration, Instant};

use engawa_engine_protocol::{
    DeviceInfo, DeviceKind, EmbedRequest, EngineEvent, EngineRequest, FinishReason, FlashAttention, GenerateError,
    GenerateRequest, LoadError, LoadRequest, MAX_EVENT_BYTES, MAX_REQUEST_BYTES, Mmap, PROTOCOL_VERSION, RankRequest,
    RequestId, Sampling, Timings, read_frame, write_frame,
};

use super::behaviour::{GreetingBehaviour, ModelBehaviour};
use super::prompt;
use super::script::{Happening, Script, hangs_when_counted};

/// How long a process that hangs is there at most: a test that was killed leaves none behind for long.
const HANG: Duration = Duration::from_secs(90);

/// Plays an engine child on standard input and output, and ends the process.
pub fn run() -> ! {
    let mut input = std::io::stdin();
    match GreetingBehaviour::from_environment() {
        GreetingBehaviour::Silent => hang(),
        GreetingBehaviour::Ends => {
            eprintln!("scripted engine: it was told to end");
            exit(4)
        }
        greeting => {
            let Ok(Some(EngineRequest::Hello { .. })) = read_frame(&mut input, MAX_REQUEST_BYTES) else { exit(1) };
            let version = PROTOCOL_VERSION + u32::from(greeting == GreetingBehaviour::NewerVersion);
            send(&EngineEvent::Hello { version });
        }
    }
    // Without room, so that an engine that hangs leaves all but one request in the pipe.
    let (sender, requests) = sync_channel(0);
    std::thread::spawn(move || read_requests(input, &sender));
    let mut child = Child { requests, waiting: VecDeque::new(), model: None, context: Vec::new() };
    loop {
        let request = child.next_request();
        child.answer(request);
    }
}

fn read_requests(mut input: Stdin, requests: &SyncSender<EngineRequest>) {
    while let Ok(Some(request)) = read_frame(&mut input, MAX_REQUEST_BYTES) {
        if requests.send(request).is_err() {
            return;
        }
    }
}

struct Child {
    requests: Receiver<EngineRequest>,
    /// Came while something else was being done.
    waiting: VecDeque<EngineRequest>,
    model: Option<LoadRequest>,
    /// The tokens in the KV cache, if there were one.
    context: Vec<String>,
}

/// The reply that is being written.
struct Running {
    id: RequestId,
    sampling: Sampling,
    timings: Timings,
    is_cancelled: bool,
}

impl Child {
    fn next_request(&mut self) -> EngineRequest {
        self.waiting.pop_front().or_else(|| self.requests.recv().ok()).unwrap_or_else(|| exit(0))
    }

    fn answer(&mut self, request: EngineRequest) {
        match request {
            EngineRequest::ListDevices => send(&EngineEvent::Devices { devices: vec![processor()] }),
            EngineRequest::LoadModel(request) => self.load(request),
            EngineRequest::EstimateLoad(request) => {
                send(&match ModelBehaviour::of(&request.path).estimate(&request.settings) {
                    Ok(estimate) => EngineEvent::LoadEstimated(estimate),
                    Err(error) => EngineEvent::EstimateFailed(error),
                });
            }
            EngineRequest::CountPrompt { id, messages } => {
                if messages.last().is_some_and(|message| hangs_when_counted(&message.content)) {
                    hang();
                }
                send(&match &self.model {
                    Some(_) => EngineEvent::PromptCounted { id, count: prompt::count(&messages) },
                    None => EngineEvent::RequestFailed { id, error: GenerateError::NoModel },
                });
            }
            EngineRequest::Generate(request) => {
                let id = request.id;
                send(&match self.generate(&request) {
                    Ok((reason, timings)) => EngineEvent::Finished { id, reason, timings },
                    Err(error) => EngineEvent::RequestFailed { id, error },
                });
            }
            EngineRequest::Embed(EmbedRequest { id, .. }) | EngineRequest::Rank(RankRequest { id, .. }) => {
                send(&EngineEvent::RequestFailed { id, error: GenerateError::WrongPurpose });
            }
            EngineRequest::Hello { .. }
            | EngineRequest::CancelLoad
            | EngineRequest::UpdateSampling { .. }
            | EngineRequest::Forget { .. }
            | EngineRequest::Cancel { .. } => {}
        }
    }

    fn load(&mut self, request: LoadRequest) {
        let behaviour = ModelBehaviour::of(&request.path);
        if let Some(settings) = behaviour.fitted(&request.settings) {
            send(&EngineEvent::LoadFitted { settings });
        }
        match behaviour {
            ModelBehaviour::LoadsSlowly => {
                for step in 1..=10_u8 {
                    send(&EngineEvent::LoadProgress { fraction: f32::from(step) / 10.0 });
                    self.end_if_load_cancelled(Duration::from_millis(20));
                }
            }
            ModelBehaviour::WaitsWhileLoading => {
                send(&EngineEvent::LoadProgress { fraction: 0.5 });
                self.end_if_load_cancelled(HANG);
            }
            ModelBehaviour::HangsWhileLoading => {
                send(&EngineEvent::LoadProgress { fraction: 0.5 });
                hang();
            }
            ModelBehaviour::AbortsWithFlashAttention if request.settings.flash_attention == FlashAttention::Off => {
                send(&EngineEvent::LoadProgress { fraction: 1.0 });
            }
            ModelBehaviour::KilledUnlessMapped if request.settings.mmap != Mmap::On => kill(),
            ModelBehaviour::AbortsWhileLoading | ModelBehaviour::AbortsWithFlashAttention => {
                send(&EngineEvent::LoadProgress { fraction: 0.5 });
                abort();
            }
            _ => send(&EngineEvent::LoadProgress { fraction: 1.0 }),
        }
        if let Some(error) = behaviour.load_error(&request.settings) {
            send(&EngineEvent::LoadFailed(error));
            exit(0)
        }
        send(&EngineEvent::ModelLoaded(behaviour.info(&request.settings)));
        if behaviour == ModelBehaviour::ExitsWhenLoaded {
            exit(3)
        }
        self.model = Some(request);
    }

    /// Takes requests in for so long; an engine whose load was cancelled has nothing more to do.
    fn end_if_load_cancelled(&mut self, time: Duration) {
        let until = Instant::now() + time;
        loop {
            match self.requests.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(EngineRequest::CancelLoad) => {
                    send(&EngineEvent::LoadFailed(LoadError::Cancelled));
                    exit(0)
                }
                Ok(request) => self.waiting.push_back(request),
                Err(RecvTimeoutError::Timeout) => return,
                Err(RecvTimeoutError::Disconnected) => exit(0),
            }
        }
    }

    fn generate(&mut self, request: &GenerateRequest) -> Result<(FinishReason, Timings), GenerateError> {
        let model = self.model.as_ref().ok_or(GenerateError::NoModel)?;
        let (n_ctx, n_batch) = (model.settings.n_ctx as usize, model.settings.n_batch.max(1) as usize);
        let script = Script::of(request);
        if let Some(reason) = script.refusal {
            return Err(GenerateError::TemplateRefused { reason });
        }
        let tokens = prompt::tokens(&request.messages, request.continue_final);
        if tokens.len() >= n_ctx {
            return Err(GenerateError::ContextTooSmall {
                prompt_tokens: tokens.len() as u32,
                context_size: n_ctx as u32,
            });
        }
        // The last token is always processed: the first one of the reply comes out of it.
        let reused = prompt::common_prefix(&self.context, &tokens).min(tokens.len() - 1);
        let total = tokens.len() as u32;
        for processed in (reused..tokens.len()).step_by(n_batch).skip(1).chain([tokens.len()]) {
            send(&EngineEvent::PromptProgress { id: request.id, processed: processed as u32, total });
        }
        self.context = tokens;
        let mut running = Running {
            id: request.id,
            sampling: request.sampling,
            timings: Timings {
                prompt_tokens: total,
                reused_tokens: reused as u32,
                processed_tokens: total - reused as u32,
                generated_tokens: 0,
                first_token_us: 1000,
                generation_us: 0,
                drafted_tokens: 0,
                accepted_tokens: 0,
            },
            is_cancelled: false,
        };
        let reason = self.write(&script, &mut running, n_ctx)?;
        Ok((reason, running.timings))
    }

    fn write(&mut self, script: &Script, running: &mut Running, n_ctx: usize) -> Result<FinishReason, GenerateError> {
        for position in script.written.. {
            match script.happening(position) {
                Some(Happening::Wait) => self.wait_for_steering(running),
                Some(Happening::Hang) => hang(),
                Some(Happening::Abort) => abort(),
                Some(Happening::Exit) => exit(3),
                Some(Happening::Nonsense) => speak_nonsense(),
                Some(Happening::Fail) => return Err(GenerateError::Decode { status: -3 }),
                None => {}
            }
            self.take_requests(running, script.pause);
            if running.is_cancelled {
                return Ok(FinishReason::Cancelled);
            }
            if running.sampling.max_tokens.is_some_and(|limit| running.timings.generated_tokens >= limit) {
                return Ok(FinishReason::MaxTokens);
            }
            let Some(piece) = script.pieces.get(position) else { break };
            if self.context.len() >= n_ctx {
                return Ok(FinishReason::ContextFull);
            }
            self.context.push(piece.text.clone());
            running.timings.generated_tokens += 1;
            running.timings.generation_us += 1000;
            let (mut reasoning, mut content) = (piece.text.clone(), String::new());
            if !piece.is_thinking {
                std::mem::swap(&mut reasoning, &mut content);
            }
            let generated = running.timings.generated_tokens;
            send(&EngineEvent::Text { id: running.id, reasoning, content, generated });
        }
        Ok(FinishReason::EndOfTurn)
    }

    /// Takes in what arrives in this time, and all that is there already.
    fn take_requests(&mut self, running: &mut Running, time: Duration) {
        let until = Instant::now() + time;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let request = if left.is_zero() {
                match self.requests.try_recv() {
                    Ok(request) => request,
                    Err(TryRecvError::Empty) => return,
                    Err(TryRecvError::Disconnected) => exit(0),
                }
            } else {
                match self.requests.recv_timeout(left) {
                    Ok(request) => request,
                    Err(RecvTimeoutError::Timeout) => return,
                    Err(RecvTimeoutError::Disconnected) => exit(0),
                }
            };
            self.take_request(request, running);
            if running.is_cancelled {
                return;
            }
        }
    }

    fn wait_for_steering(&mut self, running: &mut Running) {
        loop {
            let Ok(request) = self.requests.recv() else { exit(0) };
            if self.take_request(request, running) {
                return;
            }
        }
    }

    /// Takes one request in; whether it was about the running reply.
    fn take_request(&mut self, request: EngineRequest, running: &mut Running) -> bool {
        match request {
            EngineRequest::Cancel { id } if id == running.id => running.is_cancelled = true,
            EngineRequest::UpdateSampling { id, sampling } if id == running.id => {
                running.sampling = sampling;
                send(&EngineEvent::SamplingApplied { id, from_token: running.timings.generated_tokens });
            }
            EngineRequest::Cancel { id } => {
                let is_it = |request: &EngineRequest| matches!(request, EngineRequest::Generate(it) if it.id == id);
                if let Some(index) = self.waiting.iter().position(is_it) {
                    self.waiting.remove(index);
                    let timings = Timings::default();
                    send(&EngineEvent::Finished { id, reason: FinishReason::Cancelled, timings });
                }
                return false;
            }
            EngineRequest::Generate(_) => {
                self.waiting.push_back(request);
                return false;
            }
            request => {
                self.answer(request);
                return false;
            }
        }
        true
    }
}

fn send(event: &EngineEvent) {
    if write_frame(&mut std::io::stdout().lock(), event, MAX_EVENT_BYTES).is_err() {
        exit(0)
    }
}

fn speak_nonsense() {
    let mut output = std::io::stdout().lock();
    let _ = output.write_all(b"\x05\0\0\0hello").and_then(|()| output.flush());
}

/// As a failed assertion of llama.cpp does.
pub(super) fn abort() -> ! {
    eprintln!("scripted engine: GGML_ASSERT(false) failed");
    std::process::abort()
}

/// As a system without memory does.
fn kill() -> ! {
    let killed = Command::new("sh").args(["-c", "kill -9 $PPID"]).status();
    eprintln!("scripted engine: {killed:?}");
    hang()
}

pub(super) fn hang() -> ! {
    std::thread::sleep(HANG);
    exit(5)
}

fn processor() -> DeviceInfo {
    DeviceInfo {
        name: "CPU".to_owned(),
        description: "scripted".to_owned(),
        kind: DeviceKind::Cpu,
        memory_free: 1 << 30,
        memory_total: 2 << 30,
    }
}

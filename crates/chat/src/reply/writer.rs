//! The task that writes one reply.

use std::pin::pin;
use std::time::{Duration, Instant};

use engawa_engine_client::protocol::{
    ContinueFinal, Decoding, FinishReason, GenerateRequest, PromptMessage, RequestId, Sampling, Timings,
};
use engawa_engine_client::{ExitCause, ExitReport, Reply, ReplyEvent};
use engawa_store::{ConversationId, MessageEnd, MessageId, Status, StoreError};
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::draft::Draft;
use super::running::{Orders, Slot};
use crate::chat::Chat;
use crate::context_window::{block_to_drop, fits_surely, reserve};
use crate::conversation::ContextUse;
use crate::model::{Answering, ModelError};
use crate::{ChatError, ChatEvent, ReplyError, prompt};

/// The shortest time between two events that show text: about a frame of a screen.
const SHOW_INTERVAL: Duration = Duration::from_millis(16);
/// The time between two writes of a growing reply: what was shown longer ago survives anything.
const STORE_INTERVAL: Duration = Duration::from_millis(150);
/// How long a cancelled reply may take to end: milliseconds on a CPU, one batch on a GPU. Then its engine is ended.
const CANCEL_TIMEOUT: Duration = Duration::from_millis(2500);
/// The time between two attempts to store a finished reply on a disk that refuses.
const RETRY_INTERVAL: Duration = Duration::from_secs(2);
/// Attempts to fit a prompt: each drops a block of messages.
const FIT_ATTEMPTS: usize = 4;

/// What to write.
pub(crate) struct ReplyJob {
    /// The message that grows; it is stored already.
    pub(crate) message: MessageId,
    /// What it goes on from; `None` for a new reply.
    pub(crate) written: Option<Draft>,
    /// The settings at its start.
    pub(crate) sampling: Sampling,
}

/// How a reply ended.
struct End {
    status: Status,
    error: Option<ReplyError>,
    timings: Option<Timings>,
}

impl End {
    fn stopped() -> Self {
        Self { status: Status::Stopped, error: None, timings: None }
    }

    fn failed(error: impl Into<ReplyError>) -> Self {
        Self { status: Status::Failed, error: Some(error.into()), timings: None }
    }

    fn lost(report: ExitReport) -> Self {
        match report.cause {
            // The model was replaced or unloaded.
            ExitCause::Stopped => Self::stopped(),
            _ => Self::failed(report),
        }
    }
}

/// Writes one reply and stores it.
pub(crate) struct ReplyWriter {
    chat: Chat,
    conversation: ConversationId,
    message: MessageId,
    continue_final: ContinueFinal,
    sampling: Sampling,
    draft: Draft,
    orders: Orders,
    n_ctx: Option<u32>,
}

impl ReplyWriter {
    pub(crate) fn new(chat: Chat, conversation: ConversationId, job: ReplyJob, orders: Orders) -> Self {
        let continue_final = if job.written.is_some() { ContinueFinal::LastMessage } else { ContinueFinal::NewTurn };
        let draft = job.written.unwrap_or_default();
        let (message, sampling) = (job.message, job.sampling);
        Self { chat, conversation, message, continue_final, sampling, draft, orders, n_ctx: None }
    }

    /// Writes and stores; `slot` keeps other replies out of the conversation until then.
    pub(crate) async fn run(mut self, slot: Slot) {
        let end = self.write().await;
        self.draft.end_thinking(Instant::now());
        self.show();
        let unsaved = self.store(end).await;
        drop(slot);
        // After the slot is free, so that whoever hears of the end can send at once.
        self.announce_end(unsaved);
    }

    async fn write(&mut self) -> End {
        let mut stop = self.orders.stop.clone();
        let chat = self.chat.clone();
        let answering = tokio::select! {
            biased;
            () = stopped(&mut stop) => return End::stopped(),
            answering = chat.shared.models.answering() => answering,
        };
        let answering = match answering {
            Ok(answering) => answering,
            Err(error) => return End::failed(unavailable(error)),
        };
        self.n_ctx = Some(answering.model.info.n_ctx);
        let messages = {
            let mut building = pin!(self.prompt(&answering));
            tokio::select! {
                biased;
                () = stopped(&mut stop) => {
                    // An engine that does not even count would keep the next reply waiting as well. Beside another
                    // reply it may only be busy.
                    if chat.running_replies() == 1 && timeout(CANCEL_TIMEOUT, building).await.is_err() {
                        answering.engine.kill_unresponsive();
                    }
                    return End::stopped();
                }
                messages = &mut building => messages,
            }
        };
        let messages = match messages {
            Ok(messages) => messages,
            Err(end) => return end,
        };
        if let Some(sampling) = *self.orders.sampling.borrow_and_update() {
            self.sampling = sampling;
        }
        let reply = answering.engine.generate(GenerateRequest {
            id: RequestId(0),
            owner: Some(self.conversation.to_string()),
            messages,
            tools: Vec::new(),
            continue_final: self.continue_final,
            sampling: self.sampling,
            decoding: Decoding::default(),
            stop: Vec::new(),
        });
        drop(answering);
        self.follow(reply).await
    }

    /// The messages that the model gets. Where not all fit, the oldest leave.
    async fn prompt(&self, answering: &Answering) -> Result<Vec<PromptMessage>, End> {
        let stored = |error: StoreError| End::failed(ReplyError::GenerationFailed { reason: error.to_string() });
        let store = self.chat.store();
        let mut branch = store.path_to(self.message).map_err(stored)?;
        if self.continue_final == ContinueFinal::NewTurn {
            // The reply itself, still empty.
            branch.pop();
        }
        let conversation = store.conversation(self.conversation).map_err(stored)?;
        let character = conversation.character_id.as_deref().and_then(|id| self.chat.character(id));
        let info = &answering.model.info;
        let reserve = reserve(info.n_ctx, self.sampling.max_tokens);
        let mut first = conversation.first_in_context;
        for _ in 0..FIT_ATTEMPTS {
            let visible = prompt::visible(&branch, first);
            let built = prompt::build(character.as_ref(), &visible, &info.template);
            if fits_surely(&built.messages, info.n_ctx, reserve) {
                return Ok(built.messages);
            }
            let count = answering.engine.count_prompt(built.messages.clone()).await;
            let count = count.map_err(End::lost)?.map_err(End::failed)?;
            let Some(dropped) = block_to_drop(&built.messages, &count, info.n_ctx, reserve) else {
                return Ok(built.messages);
            };
            let spoken: Vec<MessageId> = built.sources.iter().copied().flatten().collect();
            let Some(&oldest) = spoken.get(dropped) else { return Ok(built.messages) };
            first = Some(oldest);
            store.set_first_in_context(self.conversation, first).map_err(stored)?;
            self.chat.emit(ChatEvent::ContextTrimmed { conversation: self.conversation, first_in_context: oldest });
        }
        let visible = prompt::visible(&branch, first);
        Ok(prompt::build(character.as_ref(), &visible, &info.template).messages)
    }

    /// Takes the reply in until its last event.
    async fn follow(&mut self, reply: Reply) -> End {
        let Reply { mut events, control } = reply;
        let mut show = interval(SHOW_INTERVAL);
        show.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut store = interval(STORE_INTERVAL);
        store.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut stop = self.orders.stop.clone();
        let mut stopping = false;
        let mut give_up_at = tokio::time::Instant::now();
        let mut last_shown: Option<Instant> = None;
        loop {
            tokio::select! {
                event = events.recv() => {
                    let Some(event) = event else { return End::stopped() };
                    if let Some(end) = self.take(event, stopping) {
                        return end;
                    }
                    if last_shown.is_none_or(|shown| shown.elapsed() >= SHOW_INTERVAL) && self.show() {
                        last_shown = Some(Instant::now());
                    }
                }
                () = stopped(&mut stop), if !stopping => {
                    stopping = true;
                    give_up_at = tokio::time::Instant::now() + CANCEL_TIMEOUT;
                    control.cancel();
                }
                () = tokio::time::sleep_until(give_up_at), if stopping => {
                    control.end_engine();
                    give_up_at += CANCEL_TIMEOUT;
                }
                Ok(()) = self.orders.sampling.changed() => {
                    if let Some(sampling) = *self.orders.sampling.borrow_and_update() {
                        control.update_sampling(sampling);
                    }
                }
                _ = show.tick() => {
                    if self.show() {
                        last_shown = Some(Instant::now());
                    }
                }
                _ = store.tick() => self.checkpoint().await,
            }
        }
    }

    /// Takes one event in; the end, if it is the last.
    fn take(&mut self, event: ReplyEvent, stopping: bool) -> Option<End> {
        let (conversation, message) = (self.conversation, self.message);
        match event {
            ReplyEvent::PromptProgress { processed, total } => {
                self.chat.emit(ChatEvent::PromptProgress { conversation, message, processed, total });
                None
            }
            ReplyEvent::Text { reasoning, content, generated } => {
                self.draft.push(&reasoning, &content, generated, Instant::now());
                None
            }
            // Chats offer no tools and ask for no probabilities.
            ReplyEvent::ToolsCalled { .. } | ReplyEvent::TokenChosen(_) => None,
            ReplyEvent::SamplingApplied { from_token } => {
                self.chat.emit(ChatEvent::SamplingApplied { conversation, message, from_token });
                None
            }
            ReplyEvent::Finished { reason, timings } => {
                if let Some(size) = self.n_ctx {
                    let used = timings.prompt_tokens + timings.generated_tokens;
                    self.chat.remember_context(conversation, ContextUse { used, size });
                }
                let status = match reason {
                    FinishReason::EndOfTurn | FinishReason::StopText | FinishReason::ToolCalls => Status::Complete,
                    FinishReason::MaxTokens | FinishReason::ContextFull => Status::Length,
                    FinishReason::Cancelled => Status::Stopped,
                };
                Some(End { status, error: None, timings: Some(timings) })
            }
            ReplyEvent::Failed(error) => Some(End::failed(error)),
            // The person wanted it to end; that the engine had to be ended for it is in the log and the model's state.
            ReplyEvent::Lost(_) if stopping => Some(End::stopped()),
            ReplyEvent::Lost(report) => Some(End::lost(report)),
        }
    }

    /// Tells what was written since the last time; whether there was something.
    fn show(&mut self) -> bool {
        let Some((reasoning, content)) = self.draft.take_unshown() else { return false };
        self.chat.emit(ChatEvent::ReplyWritten {
            conversation: self.conversation,
            message: self.message,
            reasoning,
            content,
            generated: self.draft.generated,
        });
        true
    }

    async fn checkpoint(&mut self) {
        if !self.draft.needs_storing() {
            return;
        }
        let (content, reasoning) = (self.draft.content.clone(), self.draft.reasoning.clone());
        let message = self.message;
        let stored = self.blocking(move |chat| chat.store().checkpoint_message(message, &content, &reasoning)).await;
        if let Err(error) = stored {
            self.saving_failed(&error);
        }
    }

    /// Stores the finished reply, again and again while the disk is full.
    ///
    /// What could not be stored for another reason is returned, so that at least what is shown is whole.
    async fn store(&self, end: End) -> Option<MessageEnd> {
        let message_end = MessageEnd {
            status: end.status,
            content: self.draft.content.clone(),
            reasoning: self.draft.reasoning.clone(),
            reasoning_ms: self.draft.thought_ms(),
            error: end.error.and_then(|error| serde_json::to_value(error).ok()),
            timings: end.timings.and_then(|timings| serde_json::to_value(timings).ok()),
            ended_at: self.chat.now(),
        };
        loop {
            let (message, stored) = (self.message, message_end.clone());
            match self.blocking(move |chat| chat.store().finish_message(message, &stored)).await {
                Ok(()) => return None,
                Err(error @ (StoreError::DiskFull | StoreError::ReadOnly | StoreError::Locked)) => {
                    self.saving_failed(&error);
                    tokio::time::sleep(RETRY_INTERVAL).await;
                }
                Err(error) => {
                    self.saving_failed(&error);
                    return Some(message_end);
                }
            }
        }
    }

    fn announce_end(&self, unsaved: Option<MessageEnd>) {
        let path = self.chat.store().path_with_branches(self.message);
        let message = path.ok().and_then(|mut path| path.pop());
        if let Some(mut message) = message {
            if let Some(end) = unsaved {
                let shown = &mut message.message;
                (shown.status, shown.content, shown.reasoning) = (end.status, end.content, end.reasoning);
                (shown.error, shown.timings, shown.reasoning_ms) = (end.error, end.timings, end.reasoning_ms);
            }
            self.chat.emit(ChatEvent::ReplyFinished {
                conversation: self.conversation,
                message: Box::new(message),
                context: self.chat.context_use(self.conversation),
            });
        }
        if let Err(error) = self.chat.announce(self.conversation) {
            tracing::warn!(%error, "while announcing a conversation");
        }
    }

    fn saving_failed(&self, error: &StoreError) {
        tracing::warn!(%error, "a reply could not be stored");
        let disk_full = matches!(error, StoreError::DiskFull);
        self.chat.emit(ChatEvent::SavingFailed { reason: error.to_string(), disk_full });
    }

    async fn blocking(
        &self,
        work: impl FnOnce(&Chat) -> Result<(), StoreError> + Send + 'static,
    ) -> Result<(), StoreError> {
        let chat = self.chat.clone();
        match tokio::task::spawn_blocking(move || work(&chat)).await {
            Ok(result) => result,
            Err(error) => Err(StoreError::Damaged(error.to_string())),
        }
    }
}

/// Resolves when the person wants the reply to end.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    if stop.wait_for(|stop| *stop).await.is_err() {
        // Nobody can stop it any more; it ends by itself.
        std::future::pending::<()>().await;
    }
}

fn unavailable(error: ChatError) -> ReplyError {
    match error {
        ChatError::Model(ModelError::EngineEnded(report)) => report.into(),
        ChatError::Model(ModelError::EndsTooOften) => ReplyError::EngineLimit,
        error => ReplyError::ModelUnavailable { reason: error.to_string() },
    }
}

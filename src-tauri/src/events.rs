//! From the application's events to batches for the page: a reply's text becomes HTML here, piece by piece.

use std::collections::HashMap;
use std::time::Duration;

use engawa_chat::{ChatEvent, MessageId, ModelError, ModelState, Status};
use engawa_markup::{Breaks, StreamRenderer};
use tauri::ipc::Channel;
use tauri::{AppHandle, Manager};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::Instant;

use crate::desktop::Desktop;
use crate::settings::{LastModel, SettingsFile};
use crate::wire::{Characters, Event, Message, Notice, UiError};

/// The time that events gather before they go to the page together: about a frame.
const GATHER_TIME: Duration = Duration::from_millis(16);

/// Passes events on until the page is gone.
pub(crate) async fn forward(app: AppHandle, mut events: Receiver<ChatEvent>, channel: Channel<Vec<Event>>) {
    let mut translator = Translator::default();
    loop {
        let mut batch = Vec::new();
        let desktop = app.state::<Desktop>();
        match events.recv().await {
            Ok(event) => translator.translate(&desktop, event, &mut batch),
            Err(RecvError::Lagged(missed)) => tracing::warn!(missed, "the page missed events"),
            Err(RecvError::Closed) => return,
        }
        let until = Instant::now() + GATHER_TIME;
        while let Ok(Ok(event)) = tokio::time::timeout_at(until, events.recv()).await {
            translator.translate(&desktop, event, &mut batch);
        }
        if channel.send(batch).is_err() {
            return;
        }
    }
}

/// Turns events into what the page understands.
#[derive(Default)]
struct Translator {
    replies: HashMap<MessageId, StreamRenderer>,
}

impl Translator {
    fn translate(&mut self, desktop: &Desktop, event: ChatEvent, batch: &mut Vec<Event>) {
        let characters = Characters::new(&desktop.chat, desktop.language());
        match event {
            ChatEvent::ConversationChanged(summary) => {
                batch.push(Event::ConversationChanged { conversation: characters.summary(summary) });
            }
            ChatEvent::ConversationRemoved(id) => {
                batch.push(Event::ConversationRemoved { conversation_id: id.to_string() });
            }
            ChatEvent::MessageAdded { conversation, message } => {
                let is_streaming = message.message.status == Status::Streaming;
                let (id, content) = (message.message.id, message.message.content.clone());
                let conversation_id = conversation.to_string();
                let message = Message::new(&message, &characters);
                batch.push(Event::MessageAdded { conversation_id: conversation_id.clone(), message });
                if is_streaming {
                    let mut renderer = StreamRenderer::new(Breaks::Soft);
                    if !content.is_empty() {
                        // A reply that goes on: the page shows it from its start again.
                        batch.push(reply_text(&mut renderer, conversation_id, id, &content, String::new(), 0));
                    }
                    self.replies.insert(id, renderer);
                }
            }
            ChatEvent::PromptProgress { conversation, message, processed, total } => {
                batch.push(Event::PromptProgress {
                    conversation_id: conversation.to_string(),
                    message_id: message.to_string(),
                    processed,
                    total,
                });
            }
            ChatEvent::ReplyWritten { conversation, message, reasoning, content, generated } => {
                // A page that joins late shows what is stored and appends what follows, until the reply ends.
                let renderer = self.replies.entry(message).or_insert_with(|| StreamRenderer::new(Breaks::Soft));
                batch.push(reply_text(renderer, conversation.to_string(), message, &content, reasoning, generated));
            }
            ChatEvent::ReplyFinished { conversation, message, context } => {
                self.replies.remove(&message.message.id);
                batch.push(Event::ReplyFinished {
                    conversation_id: conversation.to_string(),
                    message: Message::new(&message, &characters),
                    context: context.map(Into::into),
                });
            }
            ChatEvent::SamplingApplied { conversation, message, from_token } => {
                batch.push(Event::SamplingApplied {
                    conversation_id: conversation.to_string(),
                    message_id: message.to_string(),
                    from_token,
                });
            }
            ChatEvent::ContextTrimmed { conversation, first_in_context } => {
                batch.push(Event::ContextTrimmed {
                    conversation_id: conversation.to_string(),
                    first_in_context: first_in_context.to_string(),
                });
            }
            ChatEvent::ModelChanged(state) => {
                remember(&desktop.settings, &state);
                // Only the latest progress of a batch is worth showing.
                if let Some(Event::ModelState { .. }) = batch.last() {
                    batch.pop();
                }
                batch.push(Event::ModelState { model: (&state).into() });
                batch.extend(adjusted(&state));
            }
            ChatEvent::LoadRefused(error) => {
                batch.push(Event::Notice { notice: Notice::error("load-refused", error.into()) });
            }
            ChatEvent::SavingFailed { reason, disk_full } => {
                let code = if disk_full { "disk_full" } else { "store_failed" };
                let error = UiError::new(code, "The reply could not be saved.").with_report(reason);
                batch.push(Event::Notice { notice: Notice::error("saving", error) });
            }
        }
    }
}

/// What to tell of a model that was not loaded as it was asked for.
fn adjusted(state: &ModelState) -> Option<Event> {
    let ModelState::Ready(model) = state else { return None };
    let asked = model.asked.as_ref()?;
    let news = if model.lasting == *asked {
        UiError::new("load_fitted", "The model was loaded with what fits the memory that is free.")
    } else {
        UiError::new("load_adjusted", "The model was loaded with safer settings.")
    };
    Some(Event::Notice { notice: Notice::info("load-adjusted", news) })
}

fn reply_text(
    renderer: &mut StreamRenderer,
    conversation_id: String,
    message: MessageId,
    content: &str,
    reasoning: String,
    generated_tokens: u32,
) -> Event {
    let update = renderer.push(content);
    Event::ReplyText {
        conversation_id,
        message_id: message.to_string(),
        settled: update.settled,
        tail: update.tail,
        reasoning,
        generated_tokens,
    }
}

/// Keeps which model was used last, and whether it can be loaded by itself next time.
fn remember(settings: &SettingsFile, state: &ModelState) {
    match state {
        ModelState::Ready(model) => {
            tracing::info!(architecture = model.info.architecture, n_ctx = model.info.n_ctx, "a model is ready");
            settings.set_load_settings(&model.path, model.lasting.clone());
            settings.set_last_model(Some(&LastModel {
                path: model.path.clone(),
                settings: model.lasting.clone(),
                worked: true,
            }));
        }
        ModelState::Failed { path, error: ModelError::EngineEnded(_) | ModelError::EndsTooOften, .. } => {
            if let Some(last) = settings.last_model().filter(|last| last.path == *path) {
                settings.set_last_model(Some(&LastModel { worked: false, ..last }));
            }
        }
        ModelState::None | ModelState::Loading(_) | ModelState::Failed { .. } => {}
    }
}

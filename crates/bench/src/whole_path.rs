//! Engawa without its window: engine child, pipe, application, database and rendering.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, bail};
use engawa_chat::{
    BranchedMessage, Chat, ChatConfig, ChatEvent, ConversationId, EngineProgram, LoadSettings, ModelState,
    SamplingName, Speculation, Timings,
};
use engawa_markup::{Breaks, StreamRenderer};
use tokio::sync::broadcast::Receiver;

use crate::bare_loop::{BATCH, CONTEXT, THREADS};

/// The settings of the comparisons.
pub(crate) fn settings(speculation: Speculation, n_threads: u32) -> LoadSettings {
    LoadSettings { n_ctx: CONTEXT, n_batch: BATCH, n_threads, speculation, ..LoadSettings::default() }
}

/// The application with a database of its own.
pub(crate) struct WholePath {
    pub(crate) chat: Chat,
    events: Receiver<ChatEvent>,
}

/// A reply as whoever reads it saw it.
pub(crate) struct Observed {
    /// From the request to the first text.
    pub(crate) first_text: Duration,
    /// From the first text to the end.
    pub(crate) writing: Duration,
    pub(crate) timings: Timings,
    pub(crate) message: BranchedMessage,
    /// Bytes of HTML made on the way.
    pub(crate) html_bytes: usize,
}

impl WholePath {
    pub(crate) fn open(folder: &Path) -> anyhow::Result<Self> {
        let config = ChatConfig {
            data_folder: folder.to_owned(),
            engine: EngineProgram::new(std::env::current_exe().context("while looking for this program")?),
            clock: Arc::new(|| {
                let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
            }),
        };
        let chat = Chat::open(config).context("while opening a database")?;
        let events = chat.subscribe();
        Ok(Self { chat, events })
    }

    /// Loads a model with the settings of the comparison.
    pub(crate) async fn load(&mut self, path: &Path) -> anyhow::Result<()> {
        self.load_with(path, LoadSettings::default().speculation, THREADS).await
    }

    /// As [`Self::load`], with or without drafts and with as many threads.
    pub(crate) async fn load_with(
        &mut self,
        path: &Path,
        speculation: Speculation,
        n_threads: u32,
    ) -> anyhow::Result<()> {
        self.chat.load_model(path, settings(speculation, n_threads)).await?;
        loop {
            match self.chat.model() {
                ModelState::Ready(_) => return Ok(()),
                ModelState::Failed { error, .. } => return Err(error.into()),
                ModelState::Loading(_) | ModelState::None => {}
            }
            self.events.recv().await?;
        }
    }

    /// A conversation whose replies have this many tokens.
    pub(crate) fn conversation(&self, reply_tokens: u32) -> anyhow::Result<ConversationId> {
        let id = self.chat.create_conversation(None)?.conversation.id;
        self.chat.set_sampling(id, SamplingName::MaxTokens, Some(f64::from(reply_tokens)))?;
        Ok(id)
    }

    /// Lets a conversation's replies be the most probable ones.
    pub(crate) fn greedy(&self, id: ConversationId) -> anyhow::Result<()> {
        self.chat.set_sampling(id, SamplingName::Temperature, Some(0.0))?;
        self.chat.set_sampling(id, SamplingName::RepeatPenalty, Some(1.0))?;
        Ok(())
    }

    /// Begins a reply and watches it, rendering as the window does.
    pub(crate) async fn observe(
        &mut self,
        begin: impl FnOnce(&Chat) -> anyhow::Result<()>,
    ) -> anyhow::Result<Observed> {
        // What happened before is not this reply's.
        self.events = self.chat.subscribe();
        let begun = Instant::now();
        begin(&self.chat)?;
        let mut renderer = StreamRenderer::new(Breaks::Soft);
        let mut first = None;
        let mut html_bytes = 0;
        loop {
            match self.events.recv().await? {
                ChatEvent::ReplyWritten { content, .. } => {
                    let update = renderer.push(&content);
                    html_bytes += update.settled.len() + update.tail.map_or(0, |tail| tail.len());
                    first.get_or_insert_with(Instant::now);
                }
                ChatEvent::ReplyFinished { message, .. } => {
                    let first = first.context("a reply had no text")?;
                    let timings = message.message.timings.clone().context("a reply has no timings")?;
                    let timings = timings_from(&timings)?;
                    return Ok(Observed {
                        first_text: first - begun,
                        writing: first.elapsed(),
                        timings,
                        message: *message,
                        html_bytes,
                    });
                }
                ChatEvent::ModelChanged(ModelState::Failed { error, .. }) => bail!("{error}"),
                _ => {}
            }
        }
    }

    /// Sends a text in all conversations and waits for all replies; gives the tokens per second of all together, from
    /// the first text of any to the end of the last.
    pub(crate) async fn write_at_once(&mut self, ids: &[ConversationId], text: &str) -> anyhow::Result<f64> {
        self.events = self.chat.subscribe();
        for &id in ids {
            self.chat.send(id, text)?;
        }
        let (mut first, mut tokens, mut ended) = (None, 0, 0);
        while ended < ids.len() {
            match self.events.recv().await? {
                ChatEvent::ReplyWritten { .. } => {
                    first.get_or_insert_with(Instant::now);
                }
                ChatEvent::ReplyFinished { message, .. } => {
                    let timings = message.message.timings.clone().context("a reply has no timings")?;
                    tokens += timings_from(&timings)?.generated_tokens;
                    ended += 1;
                }
                ChatEvent::ModelChanged(ModelState::Failed { error, .. }) => bail!("{error}"),
                _ => {}
            }
        }
        let first = first.context("no reply had text")?;
        Ok(f64::from(tokens) / first.elapsed().as_secs_f64())
    }
}

fn timings_from(value: &serde_json::Value) -> anyhow::Result<Timings> {
    serde_json::from_value(value.clone()).context("while reading timings")
}

//! Which conversations have a reply that is being written, and how to reach it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use engawa_engine_client::protocol::Sampling;
use engawa_store::ConversationId;
use tokio::sync::watch;

use super::writer::{ReplyJob, ReplyWriter};
use crate::ChatError;
use crate::chat::Chat;

/// How long the app waits at its end for replies to be stopped and stored.
const SHUT_DOWN_TIMEOUT: Duration = Duration::from_secs(4);

/// The replies that are being written: one per conversation at most.
#[derive(Default)]
pub(crate) struct RunningReplies {
    running: Mutex<HashMap<ConversationId, Arc<Running>>>,
}

/// The way to a running reply.
pub(crate) struct Running {
    stop: watch::Sender<bool>,
    /// What was set since it began; `None` until something is.
    sampling: watch::Sender<Option<Sampling>>,
    /// Closes when the reply is stored.
    done: watch::Sender<()>,
}

/// What a reply hears while it is written.
pub(crate) struct Orders {
    pub(crate) stop: watch::Receiver<bool>,
    pub(crate) sampling: watch::Receiver<Option<Sampling>>,
}

/// The right to write a reply in a conversation; given back when dropped.
pub(crate) struct Slot {
    chat: Chat,
    conversation: ConversationId,
    running: Arc<Running>,
}

impl Slot {
    /// Begins to write.
    pub(crate) fn start(self, chat: &Chat, job: ReplyJob) {
        let orders = Orders { stop: self.running.stop.subscribe(), sampling: self.running.sampling.subscribe() };
        let writer = ReplyWriter::new(chat.clone(), self.conversation, job, orders);
        tokio::spawn(writer.run(self));
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.chat.shared.replies.lock().remove(&self.conversation);
    }
}

impl RunningReplies {
    fn lock(&self) -> MutexGuard<'_, HashMap<ConversationId, Arc<Running>>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn get(&self, conversation: ConversationId) -> Option<Arc<Running>> {
        self.lock().get(&conversation).cloned()
    }
}

impl Chat {
    /// Ends the reply that is being written in a conversation, if there is one; what was written is kept.
    pub fn stop_reply(&self, conversation: ConversationId) {
        if let Some(running) = self.shared.replies.get(conversation) {
            running.stop.send_replace(true);
        }
    }

    /// Whether a reply is being written in a conversation.
    pub fn is_replying(&self, conversation: ConversationId) -> bool {
        self.shared.replies.get(conversation).is_some()
    }

    /// How many replies are being written.
    pub(crate) fn running_replies(&self) -> usize {
        self.shared.replies.lock().len()
    }

    pub(crate) fn reserve(&self, conversation: ConversationId) -> Result<Slot, ChatError> {
        let mut all = self.shared.replies.lock();
        if all.contains_key(&conversation) {
            return Err(ChatError::Busy);
        }
        let running = Arc::new(Running {
            stop: watch::Sender::new(false),
            sampling: watch::Sender::new(None),
            done: watch::Sender::new(()),
        });
        all.insert(conversation, Arc::clone(&running));
        drop(all);
        Ok(Slot { chat: self.clone(), conversation, running })
    }

    pub(crate) fn update_running(&self, conversation: ConversationId, sampling: Sampling) {
        if let Some(running) = self.shared.replies.get(conversation) {
            running.sampling.send_replace(Some(sampling));
        }
    }

    pub(crate) async fn stop_all_replies(&self) {
        let all: Vec<_> = self.shared.replies.lock().values().cloned().collect();
        for running in &all {
            running.stop.send_replace(true);
        }
        let mut waiting: Vec<_> = all.iter().map(|running| running.done.subscribe()).collect();
        drop(all);
        let stored = async {
            for done in &mut waiting {
                // An error is the end: the sender went with the slot.
                while done.changed().await.is_ok() {}
            }
        };
        if tokio::time::timeout(SHUT_DOWN_TIMEOUT, stored).await.is_err() {
            tracing::warn!("the app ends while a reply is still being stopped");
        }
    }
}

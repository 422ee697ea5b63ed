//! What a person does in a conversation: send, stop, try again, edit, continue, choose a branch.

use engawa_catalog::presets::Character;
use engawa_store::{Conversation, ConversationId, Message, MessageId, NewMessage, Role, Status, StoreError};

use crate::chat::Chat;
use crate::conversation::ConversationView;
use crate::prompt::{PERSON, is_empty};
use crate::reply::{Draft, ReplyJob};
use crate::sampling::{SamplingOverrides, SamplingView};
use crate::{ChatError, ChatEvent};

/// The largest message, in bytes: more than any context of today holds, less than what slows the window down.
const MAX_MESSAGE_BYTES: usize = 8 << 20;

/// The longest title made from a message, in characters.
const TITLE_LENGTH: usize = 48;

impl Chat {
    /// Sends a message; it is durable when this returns, and the reply follows as events. Blocks on the disk; must be
    /// called inside a tokio runtime, like everything below that begins a reply.
    ///
    /// # Errors
    /// [`ChatError::EmptyMessage`], [`ChatError::MessageTooLong`], [`ChatError::NoModel`], [`ChatError::Model`],
    /// [`ChatError::Busy`], [`ChatError::Store`]. Nothing was stored then.
    pub fn send(&self, id: ConversationId, text: &str) -> Result<(), ChatError> {
        check_text(text)?;
        self.shared.models.check_available()?;
        let slot = self.reserve(id)?;
        let conversation = self.store().conversation(id)?;
        let character = self.current_character(&conversation);
        let mut parent = conversation.active_leaf;
        if parent.is_none()
            && let Some(character) = character.as_ref()
            && let greeting = character.greeting(PERSON)
            && !greeting.is_empty()
        {
            let greeting = self.spoken(id, None, Role::Assistant, &greeting, Some(character));
            parent = Some(self.add(&greeting)?.id);
        }
        let message = self.add(&self.spoken(id, parent, Role::User, text, None))?;
        if conversation.title.is_empty() && self.store().set_title_if_default(id, &title_from(text))? {
            self.announce(id)?;
        }
        if let Err(error) = self.begin_reply(slot, &conversation, message.id) {
            // The message itself is stored: an error would make the person send it again.
            tracing::warn!(%error, "a message was stored, but no reply could begin");
            let disk_full = matches!(error, ChatError::Store(StoreError::DiskFull));
            self.emit(ChatEvent::SavingFailed { reason: error.to_string(), disk_full });
        }
        Ok(())
    }

    /// Writes another reply beside this one.
    ///
    /// # Errors
    /// As for [`Chat::send`], and [`ChatError::NotAReply`].
    pub fn retry(&self, id: ConversationId, message: MessageId) -> Result<ConversationView, ChatError> {
        let reply = self.message_of(id, message)?;
        let (Role::Assistant, Some(parent)) = (reply.role, reply.parent_id) else { return Err(ChatError::NotAReply) };
        self.shared.models.check_available()?;
        let slot = self.reserve(id)?;
        let conversation = self.store().conversation(id)?;
        self.begin_reply(slot, &conversation, parent)?;
        self.open_conversation(id)
    }

    /// Puts a message with other text beside this one; for a message of the person a reply follows.
    ///
    /// # Errors
    /// As for [`Chat::send`].
    pub fn edit(&self, id: ConversationId, message: MessageId, text: &str) -> Result<ConversationView, ChatError> {
        check_text(text)?;
        let old = self.message_of(id, message)?;
        if old.role == Role::User {
            self.shared.models.check_available()?;
        }
        let slot = self.reserve(id)?;
        let conversation = self.store().conversation(id)?;
        let edited = NewMessage {
            author_name: old.author_name,
            author_emoji: old.author_emoji,
            character_id: old.character_id,
            model: old.model,
            ..NewMessage::new(id, old.parent_id, old.role, text, self.now())
        };
        let edited = self.add(&edited)?;
        if old.role == Role::User {
            self.begin_reply(slot, &conversation, edited.id)?;
        }
        self.open_conversation(id)
    }

    /// Goes on with a reply that was stopped, cut by a limit or broken off. It must be the last message shown.
    ///
    /// # Errors
    /// As for [`Chat::send`], and [`ChatError::NotAReply`].
    pub fn continue_reply(&self, id: ConversationId, message: MessageId) -> Result<(), ChatError> {
        // First, so that what is read is what the reply before it wrote to its end.
        let slot = self.reserve(id)?;
        let reply = self.message_of(id, message)?;
        let conversation = self.store().conversation(id)?;
        if reply.role != Role::Assistant || conversation.active_leaf != Some(message) || reply.parent_id.is_none() {
            return Err(ChatError::NotAReply);
        }
        self.shared.models.check_available()?;
        self.store().resume_message(message)?;
        self.announce_message(id, message)?;
        let sampling = self.sampling_of(&conversation).to_engine();
        // A reply without a word is not in the prompt: there is nothing to go on from.
        let is_begun = !is_empty(&reply);
        let written = is_begun.then(|| Draft::continued(reply.content, reply.reasoning, reply.reasoning_ms));
        slot.start(self, ReplyJob { message, written, sampling });
        Ok(())
    }

    /// Shows the branch that runs through a message.
    ///
    /// # Errors
    /// [`ChatError::Store`].
    pub fn select_branch(&self, id: ConversationId, message: MessageId) -> Result<ConversationView, ChatError> {
        self.message_of(id, message)?;
        let leaf = self.store().latest_leaf_below(message)?;
        self.store().set_active_leaf(id, Some(leaf))?;
        self.open_conversation(id)
    }

    /// A message, if it is in this conversation.
    fn message_of(&self, id: ConversationId, message: MessageId) -> Result<Message, ChatError> {
        let found = self.store().message(message)?;
        if found.conversation_id == id {
            Ok(found)
        } else {
            Err(engawa_store::StoreError::NotFound(engawa_store::Record::Message).into())
        }
    }

    fn current_character(&self, conversation: &Conversation) -> Option<Character> {
        conversation.character_id.as_deref().and_then(|id| self.character(id))
    }

    fn sampling_of(&self, conversation: &Conversation) -> SamplingView {
        let character = self.current_character(conversation);
        SamplingView::resolve(&SamplingOverrides::from_json(&conversation.sampling), character.as_ref())
    }

    fn spoken(
        &self,
        id: ConversationId,
        parent: Option<MessageId>,
        role: Role,
        text: &str,
        character: Option<&Character>,
    ) -> NewMessage {
        NewMessage {
            author_name: character.map(|character| character.card().data.name.clone()),
            author_emoji: character.map(|character| character.emoji().to_owned()),
            character_id: character.map(|character| character.id().to_owned()),
            ..NewMessage::new(id, parent, role, text, self.now())
        }
    }

    fn add(&self, message: &NewMessage) -> Result<Message, ChatError> {
        let added = self.store().insert_message(message)?;
        self.announce_message(added.conversation_id, added.id)?;
        Ok(added)
    }

    pub(crate) fn announce_message(&self, id: ConversationId, message: MessageId) -> Result<(), ChatError> {
        if let Some(message) = self.store().path_with_branches(message)?.pop() {
            self.emit(ChatEvent::MessageAdded { conversation: id, message: Box::new(message) });
        }
        Ok(())
    }

    /// Adds an empty reply below `parent` and begins to write it.
    fn begin_reply(
        &self,
        slot: crate::reply::Slot,
        conversation: &Conversation,
        parent: MessageId,
    ) -> Result<(), ChatError> {
        let sampling = self.sampling_of(conversation);
        let character = self.current_character(conversation);
        let reply = NewMessage {
            status: Status::Streaming,
            model: self.shared.models.name(),
            sampling: Some(sampling.to_json()),
            ..self.spoken(conversation.id, Some(parent), Role::Assistant, "", character.as_ref())
        };
        let path = self.shared.models.path().map(|path| path.to_string_lossy().into_owned());
        self.store().set_model(conversation.id, path.as_deref())?;
        // Nothing may fail between the empty reply and the task that writes it.
        let message = self.store().insert_message(&reply)?.id;
        let announced = self.announce_message(conversation.id, message).and_then(|()| self.announce(conversation.id));
        if let Err(error) = announced {
            tracing::warn!(%error, "while announcing a reply");
        }
        slot.start(self, ReplyJob { message, written: None, sampling: sampling.to_engine() });
        Ok(())
    }
}

fn check_text(text: &str) -> Result<(), ChatError> {
    if text.trim().is_empty() {
        return Err(ChatError::EmptyMessage);
    }
    if text.len() > MAX_MESSAGE_BYTES {
        return Err(ChatError::MessageTooLong { bytes: text.len(), limit: MAX_MESSAGE_BYTES });
    }
    Ok(())
}

/// The first line that says something, cut where it is too long for a list.
fn title_from(text: &str) -> String {
    let line = text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
    let mut title: String = line.chars().take(TITLE_LENGTH).collect();
    if line.chars().nth(TITLE_LENGTH).is_some() {
        title.push('…');
    }
    title
}

#[cfg(test)]
mod tests {
    use super::title_from;

    #[test]
    fn a_title_is_the_first_line_that_says_something() {
        assert_eq!(title_from("\n  縁側について教えて。\n長い話"), "縁側について教えて。");
        assert_eq!(title_from(&"あ".repeat(60)), format!("{}…", "あ".repeat(48)));
    }
}

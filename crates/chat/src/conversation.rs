//! Conversations as they are shown: made, opened, named, searched, put in the bin.

use engawa_catalog::presets::Character;
use engawa_store::{BranchedMessage, Conversation, ConversationId, ConversationSummary, MessageId};

use crate::chat::Chat;
use crate::sampling::{SamplingName, SamplingOverrides, SamplingView};
use crate::{ChatError, ChatEvent};

/// Tokens in the model's context.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ContextUse {
    /// Taken by the prompt and the reply.
    pub used: u32,
    /// In all.
    pub size: u32,
}

/// A conversation on its chosen branch.
#[derive(Debug, Clone)]
pub struct ConversationView {
    /// As it is kept.
    pub conversation: Conversation,
    /// Who answers from the next message on.
    pub character: Option<Character>,
    /// Settings and where they come from.
    pub sampling: SamplingView,
    /// The chosen branch, oldest first.
    pub messages: Vec<BranchedMessage>,
    /// The oldest message of the branch that the model still sees; `None` while it sees all.
    pub first_in_context: Option<MessageId>,
    /// As of the last reply since the app was started.
    pub context: Option<ContextUse>,
}

impl Chat {
    /// The conversations, the last used first.
    ///
    /// # Errors
    /// [`ChatError::Store`], here and below.
    pub fn conversations(&self) -> Result<Vec<ConversationSummary>, ChatError> {
        Ok(self.store().conversations()?)
    }

    /// Conversations that have all words of the query in their title or a message.
    pub fn search(&self, query: &str) -> Result<Vec<ConversationSummary>, ChatError> {
        Ok(self.store().search_conversations(query)?.into_iter().map(|hit| hit.conversation).collect())
    }

    /// Makes an empty conversation.
    ///
    /// # Errors
    /// Also [`ChatError::UnknownCharacter`].
    pub fn create_conversation(&self, character: Option<&str>) -> Result<ConversationView, ChatError> {
        let character = character.map(|id| self.known_character(id)).transpose()?;
        let conversation = self.store().create_conversation("", self.now())?;
        if let Some(character) = character {
            self.store().set_character(conversation.id, Some(character.id()))?;
        }
        self.announce(conversation.id)?;
        self.open_conversation(conversation.id)
    }

    /// Reads a conversation on its chosen branch.
    pub fn open_conversation(&self, id: ConversationId) -> Result<ConversationView, ChatError> {
        let conversation = self.store().conversation(id)?;
        let messages = match conversation.active_leaf {
            Some(leaf) => self.store().path_with_branches(leaf)?,
            None => Vec::new(),
        };
        let character = conversation.character_id.as_deref().and_then(|id| self.character(id));
        let sampling = SamplingView::resolve(&SamplingOverrides::from_json(&conversation.sampling), character.as_ref());
        // On another branch the mark may not be among the messages: there all are seen until the next reply.
        let first_in_context =
            conversation.first_in_context.filter(|first| messages.iter().any(|entry| entry.message.id == *first));
        let context = self.context_use(id);
        Ok(ConversationView { conversation, character, sampling, messages, first_in_context, context })
    }

    /// Gives a conversation a name that no generated one replaces.
    pub fn rename_conversation(&self, id: ConversationId, title: &str) -> Result<(), ChatError> {
        self.store().rename(id, title.trim())?;
        self.announce(id)
    }

    /// Puts a conversation in the bin; a reply that is being written there is stopped.
    pub fn delete_conversation(&self, id: ConversationId) -> Result<(), ChatError> {
        self.stop_reply(id);
        self.store().delete(id, self.now())?;
        self.shared.models.forget(id);
        self.emit(ChatEvent::ConversationRemoved(id));
        Ok(())
    }

    /// Takes a conversation out of the bin.
    pub fn restore_conversation(&self, id: ConversationId) -> Result<(), ChatError> {
        self.store().restore(id)?;
        self.announce(id)
    }

    /// Chooses who answers from the next message on.
    ///
    /// # Errors
    /// Also [`ChatError::UnknownCharacter`].
    pub fn set_character(&self, id: ConversationId, character: Option<&str>) -> Result<ConversationView, ChatError> {
        let character = character.map(|id| self.known_character(id)).transpose()?;
        self.store().set_character(id, character.as_ref().map(Character::id))?;
        self.announce(id)?;
        self.open_conversation(id)
    }

    /// Sets one sampling setting of a conversation; a reply that is being written goes on with it at once.
    ///
    /// # Errors
    /// Also [`ChatError::SamplingOutOfRange`].
    pub fn set_sampling(
        &self,
        id: ConversationId,
        name: SamplingName,
        value: Option<f64>,
    ) -> Result<SamplingView, ChatError> {
        self.change_sampling(id, |overrides| overrides.set(name, value))
    }

    /// Gives a setting back to the character or the default.
    pub fn reset_sampling(&self, id: ConversationId, name: SamplingName) -> Result<SamplingView, ChatError> {
        self.change_sampling(id, |overrides| {
            overrides.reset(name);
            Ok(())
        })
    }

    fn change_sampling(
        &self,
        id: ConversationId,
        change: impl FnOnce(&mut SamplingOverrides) -> Result<(), ChatError>,
    ) -> Result<SamplingView, ChatError> {
        let conversation = self.store().conversation(id)?;
        let mut overrides = SamplingOverrides::from_json(&conversation.sampling);
        change(&mut overrides)?;
        self.store().set_sampling(id, &overrides.to_json())?;
        let character = conversation.character_id.as_deref().and_then(|id| self.character(id));
        let view = SamplingView::resolve(&overrides, character.as_ref());
        self.update_running(id, view.to_engine());
        Ok(view)
    }

    /// Tells the shells what lists show of a conversation now; nothing of one in the bin, which no list shows.
    pub(crate) fn announce(&self, id: ConversationId) -> Result<(), ChatError> {
        let Conversation { title, character_id, updated_at, deleted_at, .. } = self.store().conversation(id)?;
        if deleted_at.is_none() {
            self.emit(ChatEvent::ConversationChanged(ConversationSummary { id, title, character_id, updated_at }));
        }
        Ok(())
    }
}

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use rusqlite::Transaction;

use crate::conversations::{self, Conversation};
use crate::error::{Result, StoreError};
use crate::id::{ConversationId, MessageId};
use crate::messages::{self, Message, Status};
use crate::open::Store;

/// A conversation with the messages of all its branches, as it is exported and imported.
#[derive(Clone, Debug, PartialEq)]
pub struct ConversationTree {
    /// The conversation; its leaf and its first message in context are among `messages`.
    pub conversation: Conversation,
    /// In any order; `sequence` says which of two siblings is the elder, and is given anew by the store.
    pub messages: Vec<Message>,
}

impl Store {
    /// Adds a whole conversation and returns the id it has here.
    ///
    /// Ids that are free are kept, the others are made anew; all messages are put into the imported conversation,
    /// whatever `conversation_id` they carry. It is never in the bin, and no message of it is streaming.
    ///
    /// # Errors
    /// [`StoreError::NotATree`] where a parent is missing, an id occurs twice or the messages form a circle.
    pub fn import_conversation(&self, tree: &ConversationTree) -> Result<ConversationId> {
        let order = parents_first(&tree.messages).ok_or(StoreError::NotATree)?;
        self.write(|transaction| {
            let conversation_id = free_conversation_id(transaction, &tree.conversation)?;
            conversations::insert(
                transaction,
                &Conversation {
                    id: conversation_id,
                    deleted_at: None,
                    active_leaf: None,
                    first_in_context: None,
                    ..tree.conversation.clone()
                },
            )?;
            let mut new_ids: HashMap<MessageId, MessageId> = HashMap::new();
            for message in order {
                let id = free_message_id(transaction, message)?;
                new_ids.insert(message.id, id);
                messages::insert(
                    transaction,
                    &Message {
                        id,
                        conversation_id,
                        parent_id: message.parent_id.and_then(|parent| new_ids.get(&parent).copied()),
                        status: match message.status {
                            Status::Streaming => Status::Interrupted,
                            status => status,
                        },
                        ..message.clone()
                    },
                )?;
            }
            let new_id = |id: Option<MessageId>| id.and_then(|id| new_ids.get(&id).copied());
            transaction.execute(
                "UPDATE conversations SET active_leaf = ?2, first_in_context = ?3 WHERE id = ?1",
                rusqlite::params![
                    conversation_id,
                    new_id(tree.conversation.active_leaf),
                    new_id(tree.conversation.first_in_context)
                ],
            )?;
            Ok(conversation_id)
        })
    }
}

/// The messages by `sequence`, but never a child before its parent; `None` where they are not a forest.
fn parents_first(messages: &[Message]) -> Option<Vec<&Message>> {
    let mut index_of = HashMap::new();
    for (index, message) in messages.iter().enumerate() {
        if index_of.insert(message.id, index).is_some() {
            return None;
        }
    }
    let mut children: HashMap<usize, Vec<usize>> = HashMap::new();
    let mut ready = BinaryHeap::new();
    for (index, message) in messages.iter().enumerate() {
        match message.parent_id {
            None => ready.push(Reverse((message.sequence, index))),
            Some(parent) => children.entry(*index_of.get(&parent)?).or_default().push(index),
        }
    }
    let mut order = Vec::with_capacity(messages.len());
    while let Some(Reverse((_, index))) = ready.pop() {
        order.push(&messages[index]);
        let below = children.remove(&index).unwrap_or_default();
        ready.extend(below.into_iter().map(|child| Reverse((messages[child].sequence, child))));
    }
    (order.len() == messages.len()).then_some(order)
}

fn free_conversation_id(transaction: &Transaction<'_>, conversation: &Conversation) -> Result<ConversationId> {
    let mut statement = transaction.prepare_cached("SELECT 1 FROM conversations WHERE id = ?1")?;
    let taken = statement.exists([conversation.id])?;
    Ok(if taken { ConversationId::new(conversation.created_at) } else { conversation.id })
}

fn free_message_id(transaction: &Transaction<'_>, message: &Message) -> Result<MessageId> {
    let mut statement = transaction.prepare_cached("SELECT 1 FROM messages WHERE id = ?1")?;
    let taken = statement.exists([message.id])?;
    Ok(if taken { MessageId::new(message.created_at) } else { message.id })
}

//! The messages of a conversation as a tree: the way to a message, and the branches along it.

use rusqlite::Row;

use crate::error::{Record, Result, StoreError};
use crate::id::MessageId;
use crate::messages::{self, Message};
use crate::open::Store;

/// A message and the others that stand beside it under the same parent.
#[derive(Clone, Debug, PartialEq)]
pub struct BranchedMessage {
    /// The message.
    pub message: Message,
    /// Its place among its siblings.
    pub branch: Branch,
}

/// Where a message stands among its siblings, in the order in which they were added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Branch {
    /// From 0.
    pub index: u32,
    /// At least 1: the message itself counts.
    pub count: u32,
    /// The elder sibling next to it.
    pub previous: Option<MessageId>,
    /// The younger sibling next to it.
    pub next: Option<MessageId>,
}

/// The rows from a leaf up to the root. A parent was added before its child, which also ends the climb in a damaged file.
const PATH: &str = "
    WITH RECURSIVE path (sequence, conversation_id, parent_id) AS (
        SELECT sequence, conversation_id, parent_id FROM messages WHERE id = ?1
        UNION ALL
        SELECT parent.sequence, parent.conversation_id, parent.parent_id
        FROM path JOIN messages AS parent
            ON parent.conversation_id = path.conversation_id AND parent.id = path.parent_id
        WHERE parent.sequence < path.sequence
    )";

impl Store {
    /// Reads the messages from the root to `leaf`, both included.
    pub fn path_to(&self, leaf: MessageId) -> Result<Vec<Message>> {
        let sql = format!("{PATH} SELECT messages.* FROM path JOIN messages USING (sequence) ORDER BY sequence");
        self.query_path(&sql, leaf, messages::from_row)
    }

    /// Reads the messages from the root to `leaf` with the siblings of each, in one query.
    pub fn path_with_branches(&self, leaf: MessageId) -> Result<Vec<BranchedMessage>> {
        let sibling = "FROM messages AS sibling
            WHERE sibling.conversation_id = path.conversation_id AND sibling.parent_id IS path.parent_id";
        let sql = format!(
            "{PATH} SELECT messages.*,
                (SELECT count(*) {sibling}) AS branch_count,
                (SELECT count(*) {sibling} AND sibling.sequence < path.sequence) AS branch_index,
                (SELECT id {sibling} AND sibling.sequence < path.sequence
                    ORDER BY sibling.sequence DESC LIMIT 1) AS previous_branch,
                (SELECT id {sibling} AND sibling.sequence > path.sequence
                    ORDER BY sibling.sequence LIMIT 1) AS next_branch
            FROM path JOIN messages USING (sequence) ORDER BY sequence"
        );
        self.query_path(&sql, leaf, |row| {
            Ok(BranchedMessage {
                message: messages::from_row(row)?,
                branch: Branch {
                    index: row.get("branch_index")?,
                    count: row.get("branch_count")?,
                    previous: row.get("previous_branch")?,
                    next: row.get("next_branch")?,
                },
            })
        })
    }

    /// Lists the messages directly below `parent`, in the order in which they were added.
    ///
    /// A message that does not exist has no children.
    pub fn children(&self, parent: MessageId) -> Result<Vec<MessageId>> {
        self.query_ids(
            "SELECT child.id FROM messages AS parent JOIN messages AS child
                ON child.conversation_id = parent.conversation_id AND child.parent_id = parent.id
             WHERE parent.id = ?1 ORDER BY child.sequence",
            parent,
        )
    }

    /// Lists the messages under the same parent, `message` included, in the order in which they were added.
    ///
    /// A message that does not exist has no siblings.
    pub fn siblings(&self, message: MessageId) -> Result<Vec<MessageId>> {
        self.query_ids(
            "SELECT sibling.id FROM messages AS message JOIN messages AS sibling
                ON sibling.conversation_id = message.conversation_id AND sibling.parent_id IS message.parent_id
             WHERE message.id = ?1 ORDER BY sibling.sequence",
            message,
        )
    }

    /// Finds the end of the branch through `message` that was written to last; `message` itself if nothing is below it.
    pub fn latest_leaf_below(&self, message: MessageId) -> Result<MessageId> {
        // Of a subtree, the message that was added last cannot have children, which would be younger.
        let leaves = self.query_ids(
            "WITH RECURSIVE subtree (sequence, conversation_id, id) AS (
                SELECT sequence, conversation_id, id FROM messages WHERE id = ?1
                UNION ALL
                SELECT child.sequence, child.conversation_id, child.id
                FROM subtree JOIN messages AS child
                    ON child.conversation_id = subtree.conversation_id AND child.parent_id = subtree.id
                WHERE child.sequence > subtree.sequence
            )
            SELECT id FROM subtree ORDER BY sequence DESC LIMIT 1",
            message,
        )?;
        leaves.first().copied().ok_or(StoreError::NotFound(Record::Message))
    }

    fn query_path<T>(
        &self,
        sql: &str,
        leaf: MessageId,
        from_row: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>> {
        let path: Vec<T> = self.read(|connection| {
            let mut statement = connection.prepare_cached(sql)?;
            Ok(statement.query_map([leaf], from_row)?.collect::<rusqlite::Result<_>>()?)
        })?;
        if path.is_empty() { Err(StoreError::NotFound(Record::Message)) } else { Ok(path) }
    }

    fn query_ids(&self, sql: &str, message: MessageId) -> Result<Vec<MessageId>> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached(sql)?;
            let ids = statement.query_map([message], |row| row.get(0))?;
            Ok(ids.collect::<rusqlite::Result<_>>()?)
        })
    }
}

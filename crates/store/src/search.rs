use std::collections::HashSet;

use rusqlite::{Row, ToSql};

use crate::conversations::{self, ConversationSummary};
use crate::error::Result;
use crate::id::MessageId;
use crate::open::Store;

/// At most this many conversations are returned.
const LIMIT: usize = 200;

/// How many characters an excerpt shows before the word that was found, and how many it shows in all.
const EXCERPT_BEFORE: usize = 20;
const EXCERPT_LENGTH: usize = 100;

/// A conversation in which something was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SearchHit {
    /// The conversation.
    pub conversation: ConversationSummary,
    /// The latest message that has all the words; `None` where only the title has them.
    pub message: Option<MessageId>,
    /// A part of that message, from shortly before a word that was found.
    pub excerpt: Option<String>,
}

impl Store {
    /// Finds the conversations whose title, or one of whose messages, has all the words of `query` (upper and lower case
    /// alike), the last used first. Conversations in the bin and messages still being written are not found.
    ///
    /// Words are what white space separates. The index is of groups of three characters, so a word may be a part of
    /// another one, as Japanese needs; words of one or two characters are looked for without the index.
    pub fn search_conversations(&self, query: &str) -> Result<Vec<SearchHit>> {
        let words: Vec<&str> = query.split_whitespace().collect();
        if words.is_empty() {
            return Ok(Vec::new());
        }
        let mut hits = self.search_messages(&words)?;
        let found: HashSet<_> = hits.iter().map(|hit| hit.conversation.id).collect();
        hits.extend(self.search_titles(&words)?.into_iter().filter(|hit| !found.contains(&hit.conversation.id)));
        hits.sort_by_key(|hit| std::cmp::Reverse((hit.conversation.updated_at, hit.conversation.id)));
        hits.truncate(LIMIT);
        Ok(hits)
    }

    fn search_titles(&self, words: &[&str]) -> Result<Vec<SearchHit>> {
        let patterns: Vec<String> = words.iter().map(|word| like_pattern(word)).collect();
        let conditions = vec![r"title LIKE ? ESCAPE '\'"; words.len()].join(" AND ");
        let sql = format!(
            "SELECT id, title, character_id, updated_at FROM conversations
             WHERE deleted_at IS NULL AND {conditions} ORDER BY updated_at DESC LIMIT {LIMIT}"
        );
        self.query_hits(&sql, &patterns, |row| {
            Ok(SearchHit { conversation: conversations::summary_from_row(row)?, message: None, excerpt: None })
        })
    }

    fn search_messages(&self, words: &[&str]) -> Result<Vec<SearchHit>> {
        let (long, short): (Vec<&str>, Vec<&str>) = words.iter().partition(|word| word.chars().count() >= 3);
        let mut conditions = Vec::new();
        let mut parameters = Vec::new();
        if !long.is_empty() {
            conditions.push("sequence IN (SELECT rowid FROM message_index WHERE message_index MATCH ?)");
            parameters.push(index_query(&long));
        }
        for word in short {
            conditions.push(r"status <> 'streaming' AND content LIKE ? ESCAPE '\'");
            parameters.push(like_pattern(word));
        }
        // The bare columns are those of the row that has the maximum: sqlite.org/lang_select.html#bareagg.
        let sql = format!(
            "SELECT conversations.id, title, conversations.character_id, updated_at, message_id, content
             FROM (
                SELECT conversation_id, id AS message_id, content, max(sequence)
                FROM messages WHERE {} GROUP BY conversation_id
             ) JOIN conversations ON conversations.id = conversation_id
             WHERE deleted_at IS NULL ORDER BY updated_at DESC LIMIT {LIMIT}",
            conditions.join(" AND ")
        );
        self.query_hits(&sql, &parameters, |row| {
            let content = String::from_utf8_lossy(row.get_ref("content")?.as_bytes().unwrap_or_default());
            Ok(SearchHit {
                conversation: conversations::summary_from_row(row)?,
                message: Some(row.get("message_id")?),
                excerpt: Some(excerpt(&content, words)),
            })
        })
    }

    fn query_hits(
        &self,
        sql: &str,
        parameters: &[String],
        from_row: impl FnMut(&Row<'_>) -> rusqlite::Result<SearchHit>,
    ) -> Result<Vec<SearchHit>> {
        let parameters: Vec<&dyn ToSql> = parameters.iter().map(|parameter| parameter as &dyn ToSql).collect();
        self.read(|connection| {
            let mut statement = connection.prepare_cached(sql)?;
            let hits = statement.query_map(parameters.as_slice(), from_row)?;
            Ok(hits.collect::<rusqlite::Result<_>>()?)
        })
    }
}

/// All words as phrases, so that nothing in them is taken for an operator.
fn index_query(words: &[&str]) -> String {
    let phrases: Vec<String> = words.iter().map(|word| format!("\"{}\"", word.replace('"', "\"\""))).collect();
    phrases.join(" AND ")
}

fn like_pattern(word: &str) -> String {
    let mut pattern = String::from("%");
    for character in word.chars() {
        if matches!(character, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(character);
    }
    pattern.push('%');
    pattern
}

fn excerpt(content: &str, words: &[&str]) -> String {
    let characters: Vec<char> = content.chars().collect();
    let first = words.iter().filter_map(|word| position(&characters, word)).min().unwrap_or(0);
    let start = first.saturating_sub(EXCERPT_BEFORE);
    let end = characters.len().min(start + EXCERPT_LENGTH);
    let mut text = String::new();
    if start > 0 {
        text.push('…');
    }
    text.extend(characters[start..end].iter().map(
        |character| {
            if character.is_whitespace() { ' ' } else { *character }
        },
    ));
    if end < characters.len() {
        text.push('…');
    }
    text
}

/// Where `word` begins in the text, upper and lower case alike.
fn position(characters: &[char], word: &str) -> Option<usize> {
    let word: Vec<char> = word.chars().collect();
    characters
        .windows(word.len())
        .position(|window| window.iter().zip(&word).all(|(left, right)| left.to_lowercase().eq(right.to_lowercase())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_what_people_type() {
        assert_eq!(index_query(&["a\"b", "NOT"]), r#""a""b" AND "NOT""#);
        assert_eq!(like_pattern(r"5%_\"), r"%5\%\_\\%");
    }

    #[test]
    fn excerpts_begin_before_the_word() {
        assert_eq!(excerpt("短い文です", &["文"]), "短い文です");
        let long = format!("{}ここに\n目印{}", "前".repeat(40), "後".repeat(100));
        assert_eq!(excerpt(&long, &["目印"]), format!("…{}ここに 目印{}…", "前".repeat(16), "後".repeat(78)));
    }
}

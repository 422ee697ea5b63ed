//! Messages to tokens, with control tokens from the template only.
//!
//! A template mixes its own control tokens with text written by people. Before it runs, each place in a message
//! where a control token could be read gets a break character that occurs nowhere else; after it ran, the prompt is
//! cut at the breaks and each part becomes tokens by itself. `<|im_end|>` typed by a person so stays ten characters.

use std::sync::Arc;

use aho_corasick::AhoCorasick;
use engawa_engine_protocol::{Constraint, ContinueFinal, GenerateError, PromptMessage, Role, ToolDefinition};
use serde_json::{Value, json};

use crate::grammar::{Origin, check_grammar};
use crate::llama::{AppliedTemplate, LlamaError, Templates, TextKind, Token, Vocabulary, schema_to_grammar};
use crate::media::{Shown, TokenizedMedia, is_shown};

/// Characters that Unicode reserves for use inside a program, so that text hardly ever has one.
const BREAKS: std::ops::RangeInclusive<char> = '\u{fdd0}'..='\u{fdef}';

/// The most that is kept of a template's refusal, in characters.
const REASON_LENGTH: usize = 500;

/// Bytes of a JSON schema.
const LONGEST_SCHEMA: usize = 256 << 10;
/// What llama.cpp's way to a grammar takes in no time, of a schema: properties of an object, bytes of a name, and references.
const MOST_PROPERTIES: usize = 200;
const LONGEST_NAME: usize = 500;
const MOST_REFERENCES: usize = 500;

/// Finds texts that would be read as control tokens.
pub(crate) struct MarkerGuard {
    /// For text of people: control tokens, and hand-made tokens that look like markers.
    people: AhoCorasick,
    /// For text of the model: control tokens only, since `<think>` in a reply is its own.
    model: AhoCorasick,
}

/// The messages of a conversation, and the media in all of them, in their order.
#[derive(Clone, Copy)]
pub(crate) struct Said<'a> {
    pub(crate) messages: &'a [PromptMessage],
    pub(crate) media: &'a [Arc<TokenizedMedia>],
}

/// A prompt as tokens, and what its reply needs.
pub(crate) struct Prompt {
    pub(crate) tokens: Vec<Token>,
    /// What stands among the tokens and is no text.
    pub(crate) shown: Vec<Arc<Shown>>,
    pub(crate) applied: AppliedTemplate,
    /// What the reply begins with already; empty for a new one.
    pub(crate) written: String,
}

impl MarkerGuard {
    /// Collects the markers of a vocabulary.
    ///
    /// # Errors
    /// When llama.cpp can't name a token.
    pub(crate) fn new(vocabulary: Vocabulary<'_>) -> Result<Self, LlamaError> {
        let mut control = Vec::new();
        let mut all = Vec::new();
        for token in 0..vocabulary.len() {
            let is_control = vocabulary.is_control(token);
            if !is_control && !vocabulary.is_user_defined(token) {
                continue;
            }
            let Ok(text) = String::from_utf8(vocabulary.piece(token, true)?) else { continue };
            if text.chars().count() < 2 {
                continue;
            }
            if is_control {
                control.push(text.clone());
                all.push(text);
            } else if looks_like_marker(&text) {
                all.push(text);
            }
        }
        let build = |markers: &[String]| AhoCorasick::new(markers).map_err(|error| LlamaError(error.to_string()));
        Ok(Self { people: build(&all)?, model: build(&control)? })
    }

    /// The text with a break inside every marker.
    fn protect(&self, text: &str, role: Role, break_character: char) -> String {
        let markers = if role == Role::Assistant { &self.model } else { &self.people };
        // After the first character of each marker, also of those that overlap.
        let mut cuts: Vec<usize> = markers
            .find_overlapping_iter(text)
            .filter_map(|found| Some(found.start() + text[found.start()..].chars().next()?.len_utf8()))
            .collect();
        cuts.sort_unstable();
        cuts.dedup();
        let mut protected = String::with_capacity(text.len() + cuts.len() * 3);
        let mut from = 0;
        for cut in cuts {
            protected.push_str(&text[from..cut]);
            protected.push(break_character);
            from = cut;
        }
        protected.push_str(&text[from..]);
        protected
    }
}

/// Hand-made tokens are markers (`<tool_call>`, `[INST]`, `<think>`) or just frequent text (runs of spaces, HTML tags).
fn looks_like_marker(text: &str) -> bool {
    let enclosed = (text.starts_with('<') && text.ends_with('>')) || (text.starts_with('[') && text.ends_with(']'));
    let name = text.trim_matches(['<', '>', '[', ']', '/']);
    enclosed
        && (name.contains(['|', '_', '｜'])
            || (!name.is_empty() && name.chars().all(|character| character.is_ascii_uppercase()))
            || ["think", "tool", "tools", "reasoning", "image", "audio", "video"].contains(&name))
}

/// Turns messages into the tokens of a prompt.
///
/// # Errors
/// [`GenerateError::TemplateRefused`], [`GenerateError::Tokenize`] and [`GenerateError::Constraint`].
pub(crate) fn build_prompt(
    templates: &Templates<'_>,
    vocabulary: Vocabulary<'_>,
    guard: &MarkerGuard,
    said: Said<'_>,
    tools: &[ToolDefinition],
    constraint: Option<&Constraint>,
    continue_final: ContinueFinal,
) -> Result<Prompt, GenerateError> {
    let messages = said.messages;
    check_constraint(constraint, tools)?;
    check_tools(tools).map_err(|reason| GenerateError::TemplateRefused { reason })?;
    // JSON keeps these characters as they are.
    let texts =
        |message: &PromptMessage| json!([message.content, message.reasoning, message.tool_calls, message.tool_call_id]);
    let all_text = json!([messages.iter().map(texts).collect::<Value>(), tools]).to_string();
    let mut unused = BREAKS.filter(|&candidate| !all_text.contains(candidate));
    let (Some(break_character), Some(place)) = (unused.next(), unused.next()) else {
        return Err(GenerateError::Tokenize { reason: "the text uses every character reserved for marking".into() });
    };
    let marks = Marks { guard, break_character, place };
    let (turns, begun) = match (continue_final, messages.split_last()) {
        (ContinueFinal::LastMessage, Some((last, turns))) => (turns, Some(last)),
        _ => (messages, None),
    };
    let refused =
        |error: LlamaError| GenerateError::TemplateRefused { reason: error.0.chars().take(REASON_LENGTH).collect() };
    let mut request = template_request(&marks, turns, tools, constraint)?;
    let mut applied = templates.apply(&request).map_err(refused)?;
    let offered = offers(tools, Value::clone);
    if !tools.is_empty() && request["tools"] != offered {
        // Calls are written and read without the breaks.
        request["tools"] = offered;
        let unbroken = templates.apply(&request).map_err(refused)?;
        (applied.grammar, applied.description) = (unbroken.grammar, unbroken.description);
    }
    if let Some(grammar) = applied.grammar.as_ref().and_then(|grammar| grammar["text"].as_str()) {
        let origin = if constraint.is_none() { Origin::Calls } else { Origin::Request };
        match check_grammar(grammar, origin) {
            Ok(()) => {}
            // A call can be read without.
            Err(_) if constraint.is_none() => applied.grammar = None,
            Err(error) => return Err(constraint_error(error)),
        }
    }
    let written = begun.map(|message| written_text(&applied, message)).unwrap_or_default();
    let text = applied.prompt.clone() + &marks.protect(&written, Role::Assistant);
    let (tokens, shown) = marks.tokenize(&text, vocabulary, said.media)?;
    Ok(Prompt { tokens, shown, applied, written })
}

/// What is put into a conversation before a template sees it, and found again in what that made of it.
struct Marks<'a> {
    guard: &'a MarkerGuard,
    /// Here a text is cut, so that nothing is read across.
    break_character: char,
    /// Around the number of a medium.
    place: char,
}

impl Marks<'_> {
    fn protect(&self, text: &str, role: Role) -> String {
        self.guard.protect(text, role, self.break_character)
    }

    /// A message's text with the places of its media, which are numbered from `first` on.
    fn content(&self, message: &PromptMessage, first: usize) -> Result<String, GenerateError> {
        let mut text = String::new();
        let mut from = 0;
        for (number, media) in (first..).zip(&message.media) {
            let Some(before) = message.content.get(from..media.at) else {
                let number = u32::try_from(number).unwrap_or(u32::MAX);
                return Err(GenerateError::MediaUnreadable { number, reason: "its place is not in the text".into() });
            };
            text.push_str(&self.protect(before, message.role));
            text.push_str(&format!("{0}{number}{0}", self.place));
            from = media.at;
        }
        text.push_str(&self.protect(&message.content[from..], message.role));
        Ok(text)
    }

    /// The tokens of what a template made, with those of the media in their places.
    fn tokenize(
        &self,
        text: &str,
        vocabulary: Vocabulary<'_>,
        media: &[Arc<TokenizedMedia>],
    ) -> Result<(Vec<Token>, Vec<Arc<Shown>>), GenerateError> {
        let (mut tokens, mut shown) = (Vec::new(), Vec::new());
        let mut placed = 0;
        for (index, part) in text.split(self.place).enumerate() {
            if index % 2 == 1 {
                // Templates leave text as it is; one that does not can't have media.
                let media = part.parse::<usize>().ok().and_then(|number| media.get(number));
                let media = media.ok_or_else(|| refused_media("it changed the place of a picture or a sound"))?;
                tokens.extend(&media.tokens);
                shown.extend(media.shown.iter().cloned());
                placed += 1;
                continue;
            }
            for (cut, part) in part.split(self.break_character).enumerate() {
                let kind = if index + cut == 0 { TextKind::PromptStart } else { TextKind::PromptPart };
                tokens.extend(vocabulary.tokenize(part, kind).map_err(tokenize_error)?);
            }
        }
        if placed != media.len() || tokens.last().is_some_and(|&token| is_shown(token)) {
            return Err(refused_media("it left out a picture or a sound, or nothing stands behind it"));
        }
        Ok((tokens, shown))
    }
}

fn refused_media(reason: &str) -> GenerateError {
    GenerateError::TemplateRefused { reason: reason.into() }
}

/// What the model had written of a message, as it wrote it: thinking between its tags, then the reply.
///
/// llama.cpp's own continuation puts empty thinking where there was none; the model would see another beginning
/// than the one it wrote, and nothing of it could be taken from the cache.
fn written_text(applied: &AppliedTemplate, message: &PromptMessage) -> String {
    let AppliedTemplate { prompt, thinking_start, thinking_end, .. } = applied;
    if thinking_start.is_empty() || thinking_end.is_empty() {
        return message.content.clone();
    }
    // Some templates open thinking themselves.
    let is_open = prompt.trim_end().ends_with(thinking_start.as_str());
    if message.reasoning.is_empty() && !is_open {
        return message.content.clone();
    }
    let mut text = if is_open { String::new() } else { format!("{thinking_start}\n") };
    text.push_str(&message.reasoning);
    if !message.content.is_empty() {
        text.push_str(&format!("\n{thinking_end}\n\n{}", message.content));
    }
    text
}

/// The number of tokens of each message's text and media alone.
///
/// # Errors
/// [`GenerateError::Tokenize`].
pub(crate) fn count_messages(vocabulary: Vocabulary<'_>, said: Said<'_>) -> Result<Vec<u32>, GenerateError> {
    let mut media = said.media.iter();
    said.messages
        .iter()
        .map(|message| {
            let shown: usize = media.by_ref().take(message.media.len()).map(|media| media.tokens.len()).sum();
            let count = vocabulary.tokenize(&message.content, TextKind::Plain).map_err(tokenize_error)?.len()
                + vocabulary.tokenize(&message.reasoning, TextKind::Plain).map_err(tokenize_error)?.len()
                + shown;
            Ok(u32::try_from(count).unwrap_or(u32::MAX))
        })
        .collect()
}

fn tokenize_error(error: LlamaError) -> GenerateError {
    GenerateError::Tokenize { reason: error.0 }
}

fn template_request(
    marks: &Marks<'_>,
    messages: &[PromptMessage],
    tools: &[ToolDefinition],
    constraint: Option<&Constraint>,
) -> Result<Value, GenerateError> {
    let mut media = 0;
    let messages = messages.iter().map(|message| {
        let first = media;
        media += message.media.len();
        template_message(marks, message, first)
    });
    let messages: Vec<_> = messages.collect::<Result<_, _>>()?;
    let mut request = json!({ "messages": messages });
    if !tools.is_empty() {
        request["tools"] = offers(tools, |tool| protect_json(marks, tool));
    }
    match constraint {
        None => {}
        Some(Constraint::Grammar(grammar)) => request["grammar"] = grammar.as_str().into(),
        Some(Constraint::JsonSchema(schema)) => request["json_schema"] = schema.as_str().into(),
    }
    Ok(request)
}

/// The tools as templates take them.
fn offers(tools: &[ToolDefinition], form: impl Fn(&Value) -> Value) -> Value {
    tools.iter().map(|tool| json!({ "type": "function", "function": form(&json!(tool)) })).collect()
}

/// Checks a constraint by itself, before a template sees it.
fn check_constraint(constraint: Option<&Constraint>, tools: &[ToolDefinition]) -> Result<(), GenerateError> {
    match constraint {
        None => Ok(()),
        Some(Constraint::Grammar(_)) if !tools.is_empty() => {
            Err(constraint_error("a grammar can't be used with tools"))
        }
        Some(Constraint::Grammar(grammar)) => check_grammar(grammar, Origin::Request).map_err(constraint_error),
        Some(Constraint::JsonSchema(schema)) => {
            if schema.len() > LONGEST_SCHEMA {
                return Err(constraint_error(format!("the schema is longer than {} KiB", LONGEST_SCHEMA >> 10)));
            }
            // Refuses what is nested too deep, too: llama.cpp calls itself for each level.
            let parsed: Value = serde_json::from_str(schema).map_err(constraint_error)?;
            check_schema(&parsed).map_err(constraint_error)?;
            let grammar = schema_to_grammar(schema).map_err(|error| constraint_error(error.0))?;
            check_grammar(&grammar, Origin::Request).map_err(constraint_error)
        }
    }
}

/// Checks tools before a template sees them: it makes a grammar of their parameters.
fn check_tools(tools: &[ToolDefinition]) -> Result<(), String> {
    let bytes: usize = tools.iter().map(|tool| json!(tool).to_string().len()).sum();
    if bytes > LONGEST_SCHEMA {
        return Err(format!("the tools are longer than {} KiB", LONGEST_SCHEMA >> 10));
    }
    tools.iter().try_for_each(|tool| {
        let name = &tool.name;
        check_schema(&tool.parameters).map_err(|reason| format!("of the tool {name:?}, {reason}"))
    })
}

/// Refuses what llama.cpp would take for ever to make a grammar of, or call itself too often for. Values that were read from
/// JSON are not nested deeper than its reader allows.
fn check_schema(schema: &Value) -> Result<(), String> {
    let (mut waiting, mut references) = (vec![schema], 0);
    while let Some(value) = waiting.pop() {
        match value {
            Value::Array(items) => waiting.extend(items),
            Value::Object(fields) => {
                references += usize::from(fields.contains_key("$ref"));
                if fields.len() > MOST_PROPERTIES {
                    return Err(format!("an object of the schema has more than {MOST_PROPERTIES} properties"));
                }
                if fields.keys().any(|name| name.len() > LONGEST_NAME) {
                    return Err(format!("a name in the schema is longer than {LONGEST_NAME} bytes"));
                }
                waiting.extend(fields.values());
            }
            _ => {}
        }
        if references > MOST_REFERENCES {
            return Err(format!("the schema has more than {MOST_REFERENCES} references"));
        }
    }
    Ok(())
}

pub(crate) fn constraint_error(reason: impl std::fmt::Display) -> GenerateError {
    GenerateError::Constraint { reason: reason.to_string().chars().take(REASON_LENGTH).collect() }
}

fn template_message(marks: &Marks<'_>, message: &PromptMessage, first_media: usize) -> Result<Value, GenerateError> {
    let protect = |text: &str| marks.protect(text, message.role);
    let role = match message.role {
        Role::System => "system",
        Role::User => "user",
        Role::Assistant => "assistant",
        Role::Tool => "tool",
    };
    let mut value = json!({ "role": role, "content": marks.content(message, first_media)? });
    if !message.reasoning.is_empty() {
        value["reasoning_content"] = protect(&message.reasoning).into();
    }
    if !message.tool_calls.is_empty() {
        let calls = message.tool_calls.iter().map(|call| {
            let function = json!({ "name": protect(&call.name), "arguments": protect(&call.arguments) });
            json!({ "type": "function", "id": call.id, "function": function })
        });
        value["tool_calls"] = calls.collect();
    }
    if message.role == Role::Tool {
        value["tool_call_id"] = message.tool_call_id.as_str().into();
    }
    Ok(value)
}

/// A definition whose every text, names of properties included, is kept from being read as a control token.
fn protect_json(marks: &Marks<'_>, value: &Value) -> Value {
    let protect = |text: &str| marks.protect(text, Role::User);
    match value {
        Value::String(text) => protect(text).into(),
        Value::Array(items) => items.iter().map(|item| protect_json(marks, item)).collect(),
        Value::Object(fields) => {
            fields.iter().map(|(name, value)| (protect(name), protect_json(marks, value))).collect()
        }
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guard(control: &[&str], marker_like: &[&str]) -> MarkerGuard {
        let all: Vec<_> = control.iter().chain(marker_like).collect();
        MarkerGuard { people: AhoCorasick::new(all).unwrap(), model: AhoCorasick::new(control).unwrap() }
    }

    #[test]
    fn every_marker_is_broken_also_where_two_overlap() {
        let guard = guard(&["<|im_end|>", "|><|"], &["<think>"]);
        assert_eq!(guard.protect("a <|im_end|><|x <think>", Role::User, '#'), "a <#|im_end|#><|x <#think>");
        assert_eq!(guard.protect("a <think> b", Role::Assistant, '#'), "a <think> b");
        assert_eq!(guard.protect("<|im_end|>", Role::Assistant, '#'), "<#|im_end|>");
        assert_eq!(guard.protect("plain 縁側", Role::System, '#'), "plain 縁側");
    }

    #[test]
    fn frequent_text_is_no_marker() {
        for marker in ["<tool_call>", "</think>", "[INST]", "[/INST]", "<|user|>", "<start_of_turn>"] {
            assert!(looks_like_marker(marker), "{marker}");
        }
        for text in ["\n\n", "  ", "<h1>", "</table>", "<>", "[]", "[ ]"] {
            assert!(!looks_like_marker(text), "{text:?}");
        }
    }
}

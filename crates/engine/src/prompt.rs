//! Messages to tokens, with control tokens from the template only.
//!
//! A template mixes its own control tokens with text written by people. Before it runs, each place in a message
//! where a control token could be read gets a break character that occurs nowhere else; after it ran, the prompt is
//! cut at the breaks and each part becomes tokens by itself. `<|im_end|>` typed by a person so stays ten characters.

use aho_corasick::AhoCorasick;
use engawa_engine_protocol::{Constraint, ContinueFinal, GenerateError, PromptMessage, Role, ToolDefinition};
use serde_json::{Value, json};

use crate::grammar::{Origin, check_grammar};
use crate::llama::{AppliedTemplate, LlamaError, Templates, TextKind, Token, Vocabulary, schema_to_grammar};

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

/// A prompt as tokens, and what its reply needs.
pub(crate) struct Prompt {
    pub(crate) tokens: Vec<Token>,
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
    messages: &[PromptMessage],
    tools: &[ToolDefinition],
    constraint: Option<&Constraint>,
    continue_final: ContinueFinal,
) -> Result<Prompt, GenerateError> {
    check_constraint(constraint, tools)?;
    check_tools(tools).map_err(|reason| GenerateError::TemplateRefused { reason })?;
    // JSON keeps these characters as they are.
    let all_text = json!([messages, tools]).to_string();
    let break_character = BREAKS.into_iter().find(|&candidate| !all_text.contains(candidate)).ok_or_else(|| {
        GenerateError::Tokenize { reason: "the text uses every character reserved for marking".into() }
    })?;
    let (turns, begun) = match (continue_final, messages.split_last()) {
        (ContinueFinal::LastMessage, Some((last, turns))) => (turns, Some(last)),
        _ => (messages, None),
    };
    let refused =
        |error: LlamaError| GenerateError::TemplateRefused { reason: error.0.chars().take(REASON_LENGTH).collect() };
    let mut request = template_request(guard, turns, tools, constraint, break_character);
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
    let prompt = applied.prompt.clone() + &guard.protect(&written, Role::Assistant, break_character);
    let mut tokens = Vec::new();
    for (index, part) in prompt.split(break_character).enumerate() {
        let kind = if index == 0 { TextKind::PromptStart } else { TextKind::PromptPart };
        tokens.extend(vocabulary.tokenize(part, kind).map_err(tokenize_error)?);
    }
    Ok(Prompt { tokens, applied, written })
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

/// The number of tokens of each message's text alone.
///
/// # Errors
/// [`GenerateError::Tokenize`].
pub(crate) fn count_messages(
    vocabulary: Vocabulary<'_>,
    messages: &[PromptMessage],
) -> Result<Vec<u32>, GenerateError> {
    messages
        .iter()
        .map(|message| {
            let count = vocabulary.tokenize(&message.content, TextKind::Plain).map_err(tokenize_error)?.len()
                + vocabulary.tokenize(&message.reasoning, TextKind::Plain).map_err(tokenize_error)?.len();
            Ok(u32::try_from(count).unwrap_or(u32::MAX))
        })
        .collect()
}

fn tokenize_error(error: LlamaError) -> GenerateError {
    GenerateError::Tokenize { reason: error.0 }
}

fn template_request(
    guard: &MarkerGuard,
    messages: &[PromptMessage],
    tools: &[ToolDefinition],
    constraint: Option<&Constraint>,
    break_character: char,
) -> Value {
    let messages: Vec<_> = messages.iter().map(|message| template_message(guard, message, break_character)).collect();
    let mut request = json!({ "messages": messages });
    if !tools.is_empty() {
        request["tools"] = offers(tools, |tool| protect_json(guard, tool, break_character));
    }
    match constraint {
        None => {}
        Some(Constraint::Grammar(grammar)) => request["grammar"] = grammar.as_str().into(),
        Some(Constraint::JsonSchema(schema)) => request["json_schema"] = schema.as_str().into(),
    }
    request
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

fn template_message(guard: &MarkerGuard, message: &PromptMessage, break_character: char) -> Value {
    let protect = |text: &str| guard.protect(text, message.role, break_character);
    let role = match message.role {
        Role::System => "system",
        Role::User => "user",
        Role::Assistant => "assistant",
        Role::Tool => "tool",
    };
    let mut value = json!({ "role": role, "content": protect(&message.content) });
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
    value
}

/// A definition whose every text, names of properties included, is kept from being read as a control token.
fn protect_json(guard: &MarkerGuard, value: &Value, break_character: char) -> Value {
    let protect = |text: &str| guard.protect(text, Role::User, break_character);
    match value {
        Value::String(text) => protect(text).into(),
        Value::Array(items) => items.iter().map(|item| protect_json(guard, item, break_character)).collect(),
        Value::Object(fields) => {
            fields.iter().map(|(name, value)| (protect(name), protect_json(guard, value, break_character))).collect()
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

//! What scripted models say, computed by a plain reference instead of an engine.

#![expect(clippy::unwrap_used, clippy::cast_possible_truncation, reason = "a test may fail")]

mod reference;
mod vocabulary;

use engawa_testkit::tokenizer::MESSAGE_END;
use engawa_testkit::{Scope, ScriptedFile, ScriptedModel, TestkitError};
use reference::Reference;
use tempfile::TempDir;
use vocabulary::Vocabulary;

struct Talk {
    _folder: TempDir,
    file: ScriptedFile,
    reference: Reference,
    vocabulary: Vocabulary,
}

/// What the model said and how sure it was.
struct Said {
    bytes: Vec<u8>,
    pieces: Vec<Vec<u8>>,
    ended: bool,
    least_margin: f32,
}

impl Talk {
    fn new(model: &ScriptedModel) -> Self {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("scripted.gguf");
        let file = model.write(&path).unwrap();
        let (reference, vocabulary) = (Reference::load(&path), Vocabulary::load(&path));
        Self { _folder: folder, file, reference, vocabulary }
    }

    /// Continues a prompt greedily.
    fn say(&mut self, prompt: &str, limit: usize) -> Said {
        self.reference.clear();
        self.vocabulary.encode(prompt).into_iter().for_each(|token| self.reference.decode(token));
        let mut said = Said { bytes: Vec::new(), pieces: Vec::new(), ended: false, least_margin: f32::MAX };
        while said.pieces.len() < limit {
            let logits = self.reference.logits();
            let token = (0..logits.len()).max_by(|left, right| logits[*left].total_cmp(&logits[*right])).unwrap();
            let second =
                (0..logits.len()).filter(|other| *other != token).map(|other| logits[other]).fold(f32::MIN, f32::max);
            said.least_margin = said.least_margin.min(logits[token] - second);
            if token as u32 == self.vocabulary.id(MESSAGE_END) {
                said.ended = true;
                break;
            }
            let piece = self.vocabulary.bytes(token as u32);
            said.bytes.extend(&piece);
            said.pieces.push(piece);
            self.reference.decode(token as u32);
        }
        said
    }

    /// Replies to the last of some messages, the user's and the assistant's in turn.
    fn reply(&mut self, messages: &[&str]) -> String {
        let said = self.say(&prompt(messages), 2000);
        assert!(said.ended, "the reply has an end");
        assert!(said.least_margin > 20.0, "the margin is only {}", said.least_margin);
        String::from_utf8(said.bytes).unwrap()
    }
}

fn prompt(messages: &[&str]) -> String {
    let roles = ["user", "assistant"].into_iter().cycle();
    let turns = messages.iter().zip(roles).map(|(text, role)| format!("<|im_start|>{role}\n{text}<|im_end|>\n"));
    turns.collect::<Vec<_>>().concat() + "<|im_start|>assistant\n"
}

const MARKDOWN: &str =
    "# 見出し\n\n- one\n- two\n\n| a | b |\n|---|---|\n| 1 | 2 |\n| 1 | 2 |\n\n```rust\nfn main() {}\n```\n";
const THINKING: &str = "<think>\nThe user wants to know the time.\n</think>\n\nIt is noon.";
const CALL: &str = "<think>\nI will look.\n</think>\n\n<tool_call>\n{\"name\": \"look_up\", \"arguments\": {\"city\": \"京都\"}}\n</tool_call>";

fn long_reply() -> String {
    let lines = (1..=150).map(|number| format!("{number}番目の文です。Предложение номер {number}. 😀🎭👨‍👩‍👧\n"));
    lines.collect::<Vec<_>>().concat()
}

#[test]
fn recites_every_kind_of_text() {
    let long = long_reply();
    assert!(long.chars().count() > 2000);
    let rules = [
        ("weather", "It is sunny."),
        ("天気", "べ、別にあなたのために調べたわけじゃないんだからね！☀️"),
        ("погода", "Сегодня солнечно."),
        ("table", MARKDOWN),
        ("time", THINKING),
        ("call", CALL),
        ("long", &long),
        ("silence", ""),
        ("yes", "OK"),
        ("sure", "OK"),
        ("letter", "A"),
        ("repeat", "ababababababababababab"),
        ("tags", "<think><think></think>"),
    ];
    for split_utf8 in [false, true] {
        let model = ScriptedModel::new("What do you mean?").split_utf8(split_utf8);
        let model = rules.iter().fold(model, |model, (trigger, reply)| model.rule(*trigger, *reply));
        let mut talk = Talk::new(&model);
        assert_eq!(talk.reply(&["hello"]), "What do you mean?");
        for (trigger, reply) in rules {
            assert_eq!(talk.reply(&[&format!("Please: {trigger}!\nNow.")]), reply, "for {trigger}");
        }
        assert_eq!(talk.file.reply_tokens.len(), 1 + rules.len());
    }
}

#[test]
fn tags_are_single_tokens() {
    let mut talk = Talk::new(&ScriptedModel::new(CALL));
    let pieces = talk.say(&prompt(&["go"]), 100).pieces;
    for tag in ["<think>", "</think>", "<tool_call>", "</tool_call>"] {
        assert_eq!(pieces.iter().filter(|piece| *piece == tag.as_bytes()).count(), 1, "{tag}");
    }
}

#[test]
fn tokens_end_inside_characters_when_asked() {
    let text = "縁側でお茶を飲みます😀。";
    let mut talk = Talk::new(&ScriptedModel::new(text).split_utf8(true));
    let said = talk.say(&prompt(&["go"]), 100);
    assert_eq!(said.bytes, text.as_bytes());
    assert!(said.pieces.iter().any(|piece| std::str::from_utf8(piece).is_err()));
}

#[test]
fn the_most_recent_message_with_a_trigger_decides() {
    let mut talk = Talk::new(&ScriptedModel::new("default").rule("alpha", "first").rule("beta", "second"));
    assert_eq!(talk.reply(&["alpha", "first", "beta"]), "second");
    assert_eq!(talk.reply(&["beta", "second", "alpha"]), "first");
    assert_eq!(talk.reply(&["beta", "second", "alpha", "first", "go on"]), "first");
    assert_eq!(talk.reply(&["alpha", "do you mean beta?", "yes"]), "second");
}

#[test]
fn the_rule_listed_last_decides_within_a_message() {
    let mut talk =
        Talk::new(&ScriptedModel::new("default").rule("alpha", "first").rule("beta", "second").rule("gamma", "third"));
    assert_eq!(talk.reply(&["beta alpha"]), "second");
    assert_eq!(talk.reply(&["alpha alpha alpha beta alpha alpha"]), "second");
    assert_eq!(talk.reply(&["gamma beta alpha"]), "third");
}

#[test]
fn overlapping_triggers_are_told_apart() {
    let mut talk =
        Talk::new(&ScriptedModel::new("default").rule("天気予報", "the forecast").rule("天気", "the weather"));
    assert_eq!(talk.reply(&["天気予報を見て"]), "the forecast");
    assert_eq!(talk.reply(&["天気は？"]), "the weather");
}

#[test]
fn with_the_narrow_scope_only_the_last_message_counts() {
    let mut talk = Talk::new(
        &ScriptedModel::new("default").rule("alpha", "first").rule("beta", "second").scope(Scope::LastMessage),
    );
    assert_eq!(talk.reply(&["alpha"]), "first");
    let mut messages = Vec::new();
    for _ in 0..10 {
        messages.extend(["alpha or beta", "second", "nothing"]);
        assert_eq!(talk.reply(&messages), "default", "after {} messages", messages.len());
        messages.push("default");
    }
    messages.push("alpha");
    assert_eq!(talk.reply(&messages), "first", "after {} messages", messages.len());
}

#[test]
fn stays_right_for_sixty_messages() {
    let mut talk = Talk::new(&ScriptedModel::new("default").rule("alpha", "first").rule("beta", "second"));
    let mut messages = Vec::new();
    while messages.len() < 56 {
        messages.extend(["alpha", "first", "beta", "second"]);
    }
    messages.push("alpha");
    assert_eq!(talk.reply(&messages), "first", "after 29 turns");
    messages.extend(["first", "beta"]);
    assert_eq!(talk.reply(&messages), "second", "after 30 turns");
}

#[test]
fn more_rules_than_an_attention_head_holds() {
    let model = (0..70).fold(ScriptedModel::new("default"), |model, number| {
        model.rule(format!("word-{number:02}"), format!("reply number {number}"))
    });
    let mut talk = Talk::new(&model);
    for number in [0, 31, 63, 64, 69] {
        assert_eq!(talk.reply(&[&format!("word-{number:02}")]), format!("reply number {number}"));
    }
}

#[test]
fn a_prompt_without_message_marks_works_too() {
    let mut talk = Talk::new(&ScriptedModel::new("default").rule("alpha", "first"));
    assert_eq!(talk.say("Say alpha:", 10).bytes, b"first");
    assert_eq!(talk.say("Say:", 10).bytes, b"default");
}

#[test]
fn an_endless_reply_does_not_end() {
    let mut talk = Talk::new(&ScriptedModel::new("default").endless_rule("alpha", "again and again "));
    let said = talk.say(&prompt(&["alpha"]), 100);
    assert!(!said.ended);
    assert!(String::from_utf8(said.bytes).unwrap().starts_with(&"again and again ".repeat(5)));
}

#[test]
fn padding_changes_nothing() {
    let mut talk = Talk::new(&ScriptedModel::new("default").rule("alpha", THINKING).padding_layers(2, 500));
    assert_eq!(talk.reply(&["alpha"]), THINKING);
}

#[test]
fn refuses_triggers_that_cannot_be_tokens() {
    let folder = TempDir::new().unwrap();
    for trigger in ["", " ", "<|im_end|>", "Ġthe"] {
        let result = ScriptedModel::new("x").rule(trigger, "y").write(&folder.path().join("x.gguf"));
        assert!(matches!(result, Err(TestkitError::Trigger { .. })), "{trigger:?} gave {result:?}");
    }
}

#[test]
fn refuses_replies_that_are_only_a_line_break() {
    let folder = TempDir::new().unwrap();
    let result = ScriptedModel::new("\n").write(&folder.path().join("x.gguf"));
    assert!(matches!(result, Err(TestkitError::Repeated { .. })), "{result:?}");
}

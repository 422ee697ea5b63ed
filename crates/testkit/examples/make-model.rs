//! Makes a model file by hand.
//!
//! `cargo run -p engawa-testkit --example make-model -- tiny|half-q8 OUT.gguf`
//! `cargo run -p engawa-testkit --example make-model -- scripted SCRIPT.json OUT.gguf`
//!
//! A script: `{"name": "Scripted", "default": "text", "rules": [{"trigger": "word", "reply": "text", "endless": false}], "split_utf8": false,
//! "last_message_only": false, "padding_layers": 0, "padding_length": 8192}`; all but the default may be left out.

#![expect(clippy::print_stdout, reason = "it talks to a person at a terminal")]

use std::path::Path;

use anyhow::{Context, bail};
use engawa_testkit::{RandomModel, Scope, ScriptedModel};

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Script {
    #[serde(default = "default_name")]
    name: String,
    default: String,
    #[serde(default)]
    rules: Vec<Rule>,
    #[serde(default)]
    split_utf8: bool,
    #[serde(default)]
    last_message_only: bool,
    #[serde(default)]
    padding_layers: u32,
    #[serde(default = "default_padding_length")]
    padding_length: u32,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Rule {
    trigger: String,
    reply: String,
    #[serde(default)]
    endless: bool,
}

fn default_name() -> String {
    "Scripted".to_owned()
}

fn default_padding_length() -> u32 {
    8192
}

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["tiny", out] => RandomModel::new().write(Path::new(out))?,
        ["half-q8", out] => RandomModel::half_billion().write(Path::new(out))?,
        ["scripted", script, out] => make_scripted(Path::new(script), Path::new(out))?,
        _ => bail!("usage: make-model tiny OUT | half-q8 OUT | scripted SCRIPT OUT"),
    }
    Ok(())
}

fn make_scripted(script: &Path, out: &Path) -> anyhow::Result<()> {
    let text = std::fs::read_to_string(script).with_context(|| format!("while reading {}", script.display()))?;
    let script: Script = serde_json::from_str(&text).with_context(|| format!("while reading {}", script.display()))?;
    let scope = if script.last_message_only { Scope::LastMessage } else { Scope::Conversation };
    let mut model = ScriptedModel::new(script.default).name(script.name).scope(scope).split_utf8(script.split_utf8);
    for rule in script.rules {
        model = if rule.endless {
            model.endless_rule(rule.trigger, rule.reply)
        } else {
            model.rule(rule.trigger, rule.reply)
        };
    }
    if script.padding_layers > 0 {
        model = model.padding_layers(script.padding_layers, script.padding_length);
    }
    let file = model.write(out)?;
    println!("{}: {} tokens, replies of {:?} tokens", out.display(), file.vocabulary, file.reply_tokens);
    Ok(())
}

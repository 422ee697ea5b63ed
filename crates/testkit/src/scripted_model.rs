//! A model whose weights are set by hand, so that it recites.
//!
//! Two blocks of the llama architecture do it. All positions are equal to them (the rotary factors are infinite),
//! so what they know about order comes from counting messages:
//!
//! 1. The first block's attention looks at the marks that open and close messages, the opening ones with the value 1,
//!    the closing ones with -1. Within message number `n` the mean is `1 / (2n - 1)`: the *age*, smaller in
//!    later messages.
//! 2. The second block's attention looks at trigger tokens, the more the smaller their age, and copies which rules
//!    they belong to. Its feed-forward part keeps the last of several rules and opens the reply: one feature
//!    for each pair of a rule and a *junction* (an ordinary token, after which a reply begins, or a tag in it).
//! 3. Every other token of a reply occurs in one place of one reply. Its embedding is a code word, and the
//!    output matrix holds that word at the token which follows.
//!
//! A large constant in every embedding (the ballast) makes the normalisations nearly the identity.

mod code;
mod layout;
mod pieces;
mod plan;
mod weights;

use std::path::Path;

use crate::TestkitError;
use crate::gguf::Writer;
use crate::template::Template;
use pieces::Cuts;
use plan::{Ending, Plan, Rule};

/// How far back a trigger counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Scope {
    /// The most recent message that holds a trigger decides, whoever wrote it; reliable for 60 messages.
    #[default]
    Conversation,
    /// Only the message before the reply counts, else the default reply comes; reliable for 40 messages.
    LastMessage,
}

/// Builds a model that recites given replies, chosen by trigger words.
///
/// In the deciding message (see [`Scope`]) the rule that was listed last wins. Without a trigger the default reply
/// comes. Then the model ends its message. A trigger is found as a part of a word too, with upper and lower case
/// told apart, and where two triggers overlap the longer one is found.
///
/// Replies are exact with greedy sampling and up to temperature 1.0 with any other setting; at 1.5 and above they
/// may go astray, unless `top_p`, `min_p` or `top_k` cut the unlikely tokens off. Tags such as `<think>` come as one token where
/// they occur first in a reply. The prompt must reach the model as tokens of its own vocabulary with messages between
/// `<|im_start|>` and `<|im_end|>`; without those marks all triggers are equally recent.
/// The KV cache must be F16 or F32: in a quantised one the order of messages blurs after a few turns.
#[derive(Debug, Clone)]
pub struct ScriptedModel {
    name: String,
    rules: Vec<Rule>,
    scope: Scope,
    cuts: Cuts,
    context_length: u32,
    template: Template,
    sharpness: f32,
    padding: Option<Padding>,
}

/// Blocks that cost time and change nothing.
#[derive(Debug, Clone, Copy)]
struct Padding {
    layers: u32,
    feed_forward: u32,
}

/// What a scripted file holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScriptedFile {
    /// The number of tokens in the vocabulary.
    pub vocabulary: usize,
    /// The number of tokens of every reply without the end mark: the default first, then in the order of the rules.
    pub reply_tokens: Vec<usize>,
}

impl ScriptedModel {
    /// Starts a model that always gives one reply.
    #[must_use]
    pub fn new(default_reply: impl Into<String>) -> Self {
        Self {
            name: "Scripted".to_owned(),
            rules: vec![Rule { trigger: String::new(), reply: default_reply.into(), ending: Ending::Stop }],
            scope: Scope::default(),
            cuts: Cuts::default(),
            context_length: 8192,
            template: Template::default(),
            sharpness: 24.0,
            padding: None,
        }
    }

    /// Adds a reply to a trigger; of two triggers in one message the later rule's wins.
    #[must_use]
    pub fn rule(self, trigger: impl Into<String>, reply: impl Into<String>) -> Self {
        self.add_rule(trigger.into(), reply.into(), Ending::Stop)
    }

    /// Adds a reply that begins again when it is over and so never ends.
    #[must_use]
    pub fn endless_rule(self, trigger: impl Into<String>, reply: impl Into<String>) -> Self {
        self.add_rule(trigger.into(), reply.into(), Ending::Repeat)
    }

    fn add_rule(mut self, trigger: String, reply: String, ending: Ending) -> Self {
        self.rules.push(Rule { trigger, reply, ending });
        self
    }

    /// Sets the name in the metadata.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Sets how far back a trigger counts.
    #[must_use]
    pub fn scope(mut self, scope: Scope) -> Self {
        self.scope = scope;
        self
    }

    /// Lets tokens begin and end inside a character of several bytes, as real models' tokens for emoji do.
    #[must_use]
    pub fn split_utf8(mut self, split_utf8: bool) -> Self {
        self.cuts = if split_utf8 { Cuts::Bytes } else { Cuts::Characters };
        self
    }

    /// Makes each word of the replies one token, the space in front of it included, wherever it stands: a prompt that
    /// quotes a reply has the same tokens. The words should be all different.
    #[must_use]
    pub fn quotable(mut self) -> Self {
        self.cuts = Cuts::Words;
        self
    }

    /// Sets the context length that the model says it was trained for, in tokens.
    #[must_use]
    pub fn context_length(mut self, context_length: u32) -> Self {
        self.context_length = context_length;
        self
    }

    /// Sets the chat template.
    #[must_use]
    pub fn template(mut self, template: Template) -> Self {
        self.template = template;
        self
    }

    /// Sets by how much the right token's logit exceeds all the others, 24 as it is.
    ///
    /// A smaller number makes the reply go astray at lower temperatures.
    #[must_use]
    pub fn sharpness(mut self, sharpness: f32) -> Self {
        self.sharpness = sharpness;
        self
    }

    /// Makes every token slower by `layers` blocks of zeros; all blocks get feed-forward parts of the given length.
    ///
    /// For every token `dimension · feed_forward` numbers are read three times: at about one byte in each of these blocks and
    /// at four in the two that recite (the dimension is 200 to 500). 8 blocks of 8192 take some 5 to 15 ms on
    /// a desktop processor. On disk the zeros are a hole.
    #[must_use]
    pub fn padding_layers(mut self, layers: u32, feed_forward: u32) -> Self {
        self.padding = Some(Padding { layers, feed_forward: feed_forward.next_multiple_of(32).max(32) });
        self
    }

    /// Writes the model, replacing what was there.
    ///
    /// # Errors
    /// [`TestkitError::Trigger`] if a trigger is empty or a control token, [`TestkitError::TooLong`] or
    /// [`TestkitError::Repeated`] if the replies cannot be cut into distinct tokens, [`TestkitError::Io`] if the file cannot be written.
    pub fn write(&self, path: &Path) -> Result<ScriptedFile, TestkitError> {
        let plan = Plan::new(&self.rules, self.cuts)?;
        let summary = ScriptedFile { vocabulary: plan.tokenizer.len(), reply_tokens: plan.reply_tokens.clone() };
        let mut writer = Writer::new();
        writer.set("general.architecture", "llama").set("general.name", self.name.as_str());
        plan.tokenizer.describe(&mut writer);
        self.template.describe(&mut writer);
        writer.set("llama.context_length", self.context_length);
        weights::add(&mut writer, &plan, self);
        writer.write(path)?;
        Ok(summary)
    }
}

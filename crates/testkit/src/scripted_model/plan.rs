use super::code::Code;
use super::pieces::{Cuts, Cutter};
use crate::TestkitError;
use crate::tokenizer::{MESSAGE_END, TAGS, TokenKind, Tokenizer, to_token_text};

/// A reply and what brings it about; the trigger of the default is empty.
#[derive(Debug, Clone)]
pub(super) struct Rule {
    pub(super) trigger: String,
    pub(super) reply: String,
    pub(super) ending: Ending,
}

/// What comes after the last token of a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    Stop,
    Repeat,
}

/// What a token says about the token that follows it in a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Signal {
    /// The rule decides: the token is junction number `n`.
    Junction(usize),
    /// It follows from the token alone: the code word with this number.
    Word(usize),
    /// It is a token which several others lead to: target number `n`.
    Target(usize),
}

/// A junction at which a rule goes on with a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Opening {
    pub(super) junction: usize,
    pub(super) rule: usize,
    pub(super) token: u32,
}

/// The vocabulary of a scripted model and the way through it.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) tokenizer: Tokenizer,
    /// The signal of every token.
    pub(super) signals: Vec<Signal>,
    /// The trigger token of every rule but the default.
    pub(super) triggers: Vec<u32>,
    pub(super) openings: Vec<Opening>,
    /// The token after every code word.
    pub(super) after_word: Vec<u32>,
    /// The end mark, then the tags.
    pub(super) targets: Vec<u32>,
    pub(super) code: Code,
    pub(super) reply_tokens: Vec<usize>,
}

/// Junction number 0: any token that can end a prompt. The tags come after it, in their order.
const START: usize = 0;
pub(super) const JUNCTIONS: usize = 1 + TAGS.len();

/// A part of a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Tag(usize),
    Piece(u32),
}

impl Plan {
    pub(super) fn new(rules: &[Rule], cuts: Cuts) -> Result<Self, TestkitError> {
        let mut tokenizer = Tokenizer::trained();
        let triggers =
            rules[1..].iter().map(|rule| add_trigger(&mut tokenizer, &rule.trigger)).collect::<Result<Vec<_>, _>>()?;
        let replies = add_replies(&mut tokenizer, rules, cuts);

        let target = |text| tokenizer.id(text).expect("training adds the control tokens and the tags");
        let targets: Vec<u32> = std::iter::once(MESSAGE_END).chain(TAGS).map(target).collect();
        let signals = (0..tokenizer.len() as u32).map(|id| first_signal(&tokenizer, &targets, id)).collect();
        let mut plan = Self {
            reply_tokens: replies.iter().map(Vec::len).collect(),
            tokenizer,
            signals,
            triggers,
            openings: Vec::new(),
            after_word: Vec::new(),
            targets,
            code: Code::with_words(0).expect("the smallest family has words"),
        };
        let mut linked = vec![false; plan.signals.len()];
        for (rule, reply) in replies.iter().enumerate() {
            plan.link(rule, reply, rules[rule].ending, &mut linked)?;
        }
        plan.start_at_unused_tags();
        let needed = plan.after_word.len();
        plan.code = Code::with_words(needed).ok_or(TestkitError::TooLong { needed, limit: Code::LIMIT })?;
        Ok(plan)
    }

    /// Makes every token of a reply lead to the one after it.
    fn link(&mut self, rule: usize, reply: &[Step], ending: Ending, linked: &mut [bool]) -> Result<(), TestkitError> {
        let end = self.targets[0];
        let first = reply.first().map_or(end, |step| self.token(*step));
        self.openings.push(Opening { junction: START, rule, token: first });
        for (index, step) in reply.iter().enumerate() {
            let next = match (reply.get(index + 1), ending) {
                (Some(next), _) => self.token(*next),
                (None, Ending::Stop) => end,
                (None, Ending::Repeat) => first,
            };
            match *step {
                Step::Tag(tag) => self.openings.push(Opening { junction: 1 + tag, rule, token: next }),
                Step::Piece(token) => self.link_piece(token, next, linked)?,
            }
        }
        Ok(())
    }

    /// Lets a tag that no reply contains begin a reply, like any other token.
    fn start_at_unused_tags(&mut self) {
        for tag in 0..TAGS.len() {
            let junction = 1 + tag;
            if self.openings.iter().all(|opening| opening.junction != junction) {
                self.signals[self.targets[junction] as usize] = Signal::Junction(START);
            }
        }
    }

    fn link_piece(&mut self, token: u32, next: u32, linked: &mut [bool]) -> Result<(), TestkitError> {
        if self.tokenizer.text(token) == to_token_text(b"\n") {
            // It ends the generation prompt and must begin replies.
            return Err(TestkitError::Repeated { text: "\n".to_owned() });
        }
        let target = self.targets.iter().position(|target| *target == next);
        let signal = target.map_or(Signal::Word(self.after_word.len()), Signal::Target);
        let index = token as usize;
        if std::mem::replace(&mut linked[index], true) && self.signals[index] != signal {
            return Err(TestkitError::Repeated { text: self.tokenizer.text(token).to_owned() });
        }
        self.signals[index] = signal;
        if target.is_none() {
            self.after_word.push(next);
        }
        Ok(())
    }

    fn token(&self, step: Step) -> u32 {
        match step {
            Step::Tag(tag) => self.targets[1 + tag],
            Step::Piece(token) => token,
        }
    }
}

/// Returns what a token says before any reply uses it.
fn first_signal(tokenizer: &Tokenizer, targets: &[u32], id: u32) -> Signal {
    match targets.iter().position(|target| *target == id) {
        Some(target) if target > 0 => Signal::Junction(target),
        _ if tokenizer.kind(id) == TokenKind::Control => Signal::Target(0),
        _ => Signal::Junction(START),
    }
}

fn add_trigger(tokenizer: &mut Tokenizer, trigger: &str) -> Result<u32, TestkitError> {
    let refuse = |why| Err(TestkitError::Trigger { trigger: trigger.to_owned(), why });
    if trigger.trim().is_empty() {
        return refuse("it is empty");
    }
    let Some(id) = tokenizer.id(trigger) else {
        return Ok(tokenizer.push(trigger.to_owned(), TokenKind::UserDefined));
    };
    match tokenizer.kind(id) {
        TokenKind::Normal if to_token_text(trigger.as_bytes()) == trigger => tokenizer.promote(id),
        TokenKind::UserDefined => {}
        TokenKind::Normal => return refuse("it is how the vocabulary spells other bytes"),
        TokenKind::Control => return refuse("it is a control token"),
    }
    Ok(id)
}

/// A stretch of a reply: a tag, or the text between two.
enum Stretch<'a> {
    Tag(usize),
    Text(&'a str),
}

/// Cuts all the replies, the shortest texts first: they have the fewest ways to be cut.
fn add_replies(tokenizer: &mut Tokenizer, rules: &[Rule], cuts: Cuts) -> Vec<Vec<Step>> {
    let replies: Vec<Vec<Stretch>> = rules.iter().map(|rule| split_at_tags(&rule.reply)).collect();
    let mut texts: Vec<(usize, usize, &str)> = Vec::new();
    for (rule, stretches) in replies.iter().enumerate() {
        for (place, stretch) in stretches.iter().enumerate() {
            if let Stretch::Text(text) = stretch {
                texts.push((rule, place, text));
            }
        }
    }
    texts.sort_by_key(|(_, _, text)| text.len());

    let mut cutter = Cutter::new(cuts);
    let mut steps: Vec<Vec<Vec<Step>>> = replies
        .iter()
        .map(|stretches| {
            stretches
                .iter()
                .map(|stretch| if let Stretch::Tag(tag) = stretch { vec![Step::Tag(*tag)] } else { Vec::new() })
                .collect()
        })
        .collect();
    for (rule, place, text) in texts {
        let pieces = cutter.cut(text, |token| tokenizer.id(token).is_some());
        let kind = if cuts == Cuts::Words { TokenKind::UserDefined } else { TokenKind::Normal };
        steps[rule][place] = pieces.iter().map(|piece| Step::Piece(find_or_add(tokenizer, piece, kind))).collect();
    }
    steps.into_iter().map(|stretches| stretches.concat()).collect()
}

fn find_or_add(tokenizer: &mut Tokenizer, piece: &[u8], kind: TokenKind) -> u32 {
    let text = to_token_text(piece);
    if let Some(id) = tokenizer.id(&text) {
        return id;
    }
    // Those tokens are looked for in plain text as they are.
    let as_it_is = String::from_utf8(piece.to_vec()).ok().filter(|_| kind == TokenKind::UserDefined);
    let text = as_it_is.unwrap_or(text);
    tokenizer.id(&text).unwrap_or_else(|| tokenizer.push(text, kind))
}

/// Splits a reply at the first occurrence of every tag; further ones are spelled as text.
fn split_at_tags(reply: &str) -> Vec<Stretch<'_>> {
    let mut found: Vec<(usize, usize)> =
        TAGS.iter().enumerate().filter_map(|(tag, text)| Some((reply.find(text)?, tag))).collect();
    found.sort_unstable();
    let mut stretches = Vec::new();
    let mut start = 0;
    for (position, tag) in found {
        if position > start {
            stretches.push(Stretch::Text(&reply[start..position]));
        }
        stretches.push(Stretch::Tag(tag));
        start = position + TAGS[tag].len();
    }
    if start < reply.len() {
        stretches.push(Stretch::Text(&reply[start..]));
    }
    stretches
}

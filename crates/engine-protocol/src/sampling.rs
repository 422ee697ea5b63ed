//! Sampling settings, fully resolved.

use serde::{Deserialize, Serialize};

/// How the next token is chosen. The names and neutral values are llama.cpp's.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Sampling {
    /// 0 chooses the most probable token always.
    pub temperature: f32,
    /// Keeps the k most probable tokens; 0 keeps all.
    pub top_k: i32,
    /// Keeps the most probable tokens that together reach this probability, 0..=1; 1 keeps all.
    pub top_p: f32,
    /// Drops tokens less probable than this share of the best one, 0..=1; 0 keeps all.
    pub min_p: f32,
    /// Locally typical sampling, 0..=1; 1 is off.
    pub typical_p: f32,
    /// Divides the score of tokens seen in the window; 1 is off.
    pub repeat_penalty: f32,
    /// Subtracts per occurrence in the window; 0 is off.
    pub frequency_penalty: f32,
    /// Subtracts once for tokens in the window; 0 is off.
    pub presence_penalty: f32,
    /// Tokens that the three penalties look back on; 0 is off, -1 the whole context.
    pub repeat_last_n: i32,
    /// How far dynamic temperature goes up and down from [`Self::temperature`] with the entropy; 0 is off.
    pub dynatemp_range: f32,
    /// How the entropy maps to the dynamic temperature.
    pub dynatemp_exponent: f32,
    /// Keeps tokens whose logit is within this many standard deviations of the best; -1 is off.
    pub top_n_sigma: f32,
    /// How often the most probable tokens above [`Self::xtc_threshold`] are left out, 0..=1; 0 is off.
    pub xtc_probability: f32,
    /// 0..=1; above 0.5 XTC is off.
    pub xtc_threshold: f32,
    /// DRY: subtracts `multiplier × base ^ (length of the repetition - allowed length)`; 0 is off.
    pub dry_multiplier: f32,
    /// At least 1.
    pub dry_base: f32,
    /// Repetitions up to this many tokens are free.
    pub dry_allowed_length: i32,
    /// Tokens that DRY looks back on; 0 is off, -1 the whole context.
    pub dry_penalty_last_n: i32,
    /// With Mirostat only the temperature is used beside it.
    pub mirostat: Mirostat,
    /// Mirostat's target entropy.
    pub mirostat_tau: f32,
    /// Mirostat's learning rate.
    pub mirostat_eta: f32,
    /// Adaptive-p: tokens about this probable are chosen, 0..=1; negative is off. In place of the last draw, so not with Mirostat.
    pub adaptive_target: f32,
    /// How much of what adaptive-p has seen it keeps with each token, 0..=0.99.
    pub adaptive_decay: f32,
    /// `None` draws a new one for each reply.
    pub seed: Option<u32>,
    /// Tokens of the reply at most; `None` is no limit but the context.
    pub max_tokens: Option<u32>,
}

/// Which Mirostat keeps the entropy of replies (Basu et al. 2020, arXiv:2007.14966).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mirostat {
    /// None.
    Off,
    /// The first.
    V1,
    /// The simpler second.
    V2,
}

/// How tokens are chosen beyond [`Sampling`]; the same for the whole reply.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Decoding {
    /// The samplers in their order; those that are left out are off. Empty is llama.cpp's order.
    pub samplers: Vec<SamplerKind>,
    /// Texts behind which DRY begins anew; empty is llama.cpp's: line end, colon, quote, asterisk.
    pub dry_sequence_breakers: Vec<String>,
    /// What is added to the scores of tokens.
    pub logit_bias: Vec<LogitBias>,
    /// What the reply must be.
    pub constraint: Option<Constraint>,
    /// Tells the probabilities of the tokens that are written, each with so many others; at most 100.
    pub logprobs: Option<u32>,
}

/// A sampler, by llama.cpp's names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SamplerKind {
    /// Repetition, frequency and presence penalty.
    Penalties,
    /// DRY.
    Dry,
    /// Top-n-sigma.
    TopNSigma,
    /// Top-k.
    TopK,
    /// Locally typical sampling.
    #[serde(rename = "typ_p")]
    TypicalP,
    /// Top-p.
    TopP,
    /// Min-p.
    MinP,
    /// XTC.
    Xtc,
    /// Temperature, also the dynamic one.
    Temperature,
    /// For text between two others: joins tokens that begin alike, and ends where the model is not sure.
    Infill,
}

/// What is added to a token's score.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct LogitBias {
    /// The token's number in the model's vocabulary.
    pub token: i32,
    /// `None` bans it.
    pub bias: Option<f32>,
}

/// A form that a reply must have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Constraint {
    /// A grammar in llama.cpp's notation (GBNF) with a rule `root`, for all that is written; at most 256 KiB. Not together
    /// with tools.
    Grammar(String),
    /// A JSON schema as text; the reply is JSON that fits it, behind thinking where the model's template marks that. At
    /// most 256 KiB.
    JsonSchema(String),
}

/// A token that was written, and how probable it was before any sampler.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TokenLogprob {
    /// The token's number.
    pub token: i32,
    /// Its text; may be a part of a character.
    pub bytes: Vec<u8>,
    /// The natural logarithm of its probability; at least -9999.
    pub logprob: f32,
    /// The most probable tokens at its place, the best first: empty inside these.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub top: Vec<TokenLogprob>,
}

impl Default for Sampling {
    fn default() -> Self {
        Self {
            temperature: 0.8,
            top_k: 40,
            top_p: 0.95,
            min_p: 0.05,
            typical_p: 1.0,
            repeat_penalty: 1.1,
            frequency_penalty: 0.0,
            presence_penalty: 0.0,
            repeat_last_n: 64,
            dynatemp_range: 0.0,
            dynatemp_exponent: 1.0,
            top_n_sigma: -1.0,
            xtc_probability: 0.0,
            xtc_threshold: 0.1,
            dry_multiplier: 0.0,
            dry_base: 1.75,
            dry_allowed_length: 2,
            dry_penalty_last_n: 64,
            mirostat: Mirostat::Off,
            mirostat_tau: 5.0,
            mirostat_eta: 0.1,
            adaptive_target: -1.0,
            adaptive_decay: 0.9,
            seed: None,
            max_tokens: None,
        }
    }
}

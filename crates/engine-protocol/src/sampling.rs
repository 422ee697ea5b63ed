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
    /// `None` draws a new one for each reply.
    pub seed: Option<u32>,
    /// Tokens of the reply at most; `None` is no limit but the context.
    pub max_tokens: Option<u32>,
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
            seed: None,
            max_tokens: None,
        }
    }
}

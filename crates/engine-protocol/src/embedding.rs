//! Texts as vectors, and documents by relevance.

use serde::{Deserialize, Serialize};

use crate::RequestId;

/// What a model is loaded for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// To write replies.
    #[default]
    Replies,
    /// To turn texts into vectors ([`EmbedRequest`]).
    Embeddings {
        /// How a text's vectors become one; `None` is what the model's file says, else [`Pooling::Mean`].
        pooling: Option<Pooling>,
    },
    /// To score documents by a query ([`RankRequest`]); the model must have been made for it.
    Ranking,
}

/// How the vectors of a text's tokens become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pooling {
    /// Their mean.
    Mean,
    /// That of the first token.
    Cls,
    /// That of the last token.
    Last,
}

/// Asks for the vectors of texts. Answered by an `Embedded` for each text in order, then `Measured`; or `RequestFailed`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EmbedRequest {
    /// Names this request in all that follows.
    pub id: RequestId,
    /// Each has to fit the context.
    pub texts: Vec<String>,
    /// Whether vectors get the length 1, so that a dot product is the cosine of their angle.
    pub normalize: bool,
}

/// Asks how relevant documents are to a query. Answered by a `Ranked` for each document in order, then `Measured`; or
/// `RequestFailed`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RankRequest {
    /// Names this request in all that follows.
    pub id: RequestId,
    /// What is looked for.
    pub query: String,
    /// Each has to fit the context together with the query.
    pub documents: Vec<String>,
}

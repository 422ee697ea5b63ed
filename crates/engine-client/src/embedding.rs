//! Vectors of texts, and scores of documents.

use engawa_engine_protocol::{EmbedRequest, EngineRequest, GenerateError, RankRequest, RequestId};
use tokio::sync::oneshot;

use crate::{Engine, ExitReport};

/// The vectors of texts.
#[derive(Debug, Clone, PartialEq)]
pub struct Embeddings {
    /// One for each text, in their order, `[n_texts][n_embd]`.
    pub vectors: Vec<Vec<f32>>,
    /// Tokens of all texts.
    pub tokens: u32,
}

/// How relevant documents are to a query.
#[derive(Debug, Clone, PartialEq)]
pub struct Ranking {
    /// One for each document, in their order; higher is more relevant.
    pub scores: Vec<f32>,
    /// Tokens of all documents, each with the query.
    pub tokens: u32,
}

/// Where the vectors of a request are gathered; a score is a vector of one number.
pub(crate) struct Gathering {
    pub(crate) vectors: Vec<Vec<f32>>,
    pub(crate) answer: oneshot::Sender<Result<Embeddings, GenerateError>>,
}

impl Engine {
    /// Turns texts into vectors; `normalize` gives them the length 1. Dropping the future cancels it.
    ///
    /// # Errors
    /// The engine ended (outer), or it could not be done (inner).
    pub async fn embed(
        &self,
        texts: Vec<String>,
        normalize: bool,
    ) -> Result<Result<Embeddings, GenerateError>, ExitReport> {
        self.gather(|id| EngineRequest::Embed(EmbedRequest { id, texts, normalize })).await
    }

    /// Scores documents by a query. Dropping the future cancels it.
    ///
    /// # Errors
    /// The engine ended (outer), or it could not be done (inner).
    pub async fn rank(
        &self,
        query: String,
        documents: Vec<String>,
    ) -> Result<Result<Ranking, GenerateError>, ExitReport> {
        let gathered = self.gather(|id| EngineRequest::Rank(RankRequest { id, query, documents })).await?;
        Ok(gathered.map(|Embeddings { vectors, tokens }| Ranking { scores: vectors.concat(), tokens }))
    }

    async fn gather(
        &self,
        request: impl FnOnce(RequestId) -> EngineRequest,
    ) -> Result<Result<Embeddings, GenerateError>, ExitReport> {
        let id = self.new_id();
        let (answer, gathered) = oneshot::channel();
        self.routes().expect_vectors(id, answer);
        let unwanted = CancelOnDrop { engine: self, id };
        self.send(request(id));
        let gathered = self.answer(gathered).await;
        std::mem::forget(unwanted);
        gathered
    }
}

struct CancelOnDrop<'engine> {
    engine: &'engine Engine,
    id: RequestId,
}

impl Drop for CancelOnDrop<'_> {
    fn drop(&mut self) {
        self.engine.routes().forget_vectors(self.id);
        self.engine.send(EngineRequest::Cancel { id: self.id });
    }
}

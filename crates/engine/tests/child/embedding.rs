//! Models that turn texts into vectors and score documents.

use std::sync::Arc;

use engawa_engine_client::protocol::{GenerateError, LoadError, LoadSettings, Pooling, Purpose};
use engawa_engine_client::{Engine, ReplyEvent};
use engawa_testkit::{Architecture, RandomModel, ScriptedModel};

use crate::support::{ModelFile, finish_or_lose, load_for, patiently, request, settings, start, user};

async fn engine_for(architecture: Architecture, purpose: Purpose) -> (Arc<Engine>, ModelFile) {
    let file =
        ModelFile::new(|path| RandomModel::new().architecture(architecture).context_length(256).write(path).unwrap());
    let engine = start().await;
    load_for(&engine, &file, settings(), purpose).await.unwrap();
    (engine, file)
}

async fn embed(engine: &Engine, texts: &[&str]) -> Result<Vec<Vec<f32>>, GenerateError> {
    let texts = texts.iter().map(|&text| text.to_owned()).collect();
    Ok(patiently(engine.embed(texts, true)).await.unwrap()?.vectors)
}

fn cosine(one: &[f32], other: &[f32]) -> f32 {
    one.iter().zip(other).map(|(one, other)| one * other).sum()
}

#[tokio::test]
async fn a_text_has_the_same_vector_alone_and_among_others() {
    let any = Purpose::Embeddings { pooling: None };
    let (engine, _file) = engine_for(Architecture::Bert, any).await;
    let texts: Vec<String> =
        (0..20).map(|number| format!("text number {number} of the porch, 縁側 {number}")).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let together = embed(&engine, &texts).await.unwrap();
    assert_eq!(together.len(), 20);
    for (text, vector) in texts.iter().zip(&together) {
        assert_eq!(vector.len(), 64);
        assert!((cosine(vector, vector) - 1.0).abs() < 1e-4, "the length is 1");
        let alone = embed(&engine, &[text]).await.unwrap();
        assert!(cosine(vector, &alone[0]) > 0.9999, "{text}");
    }
    assert!(cosine(&together[0], &together[1]) < 0.9999, "different texts have different vectors");
}

#[tokio::test]
async fn how_vectors_become_one_can_be_chosen_also_for_a_model_that_writes() {
    let mut vectors = Vec::new();
    for pooling in [None, Some(Pooling::Mean), Some(Pooling::Cls), Some(Pooling::Last)] {
        let (engine, _file) = engine_for(Architecture::Llama, Purpose::Embeddings { pooling }).await;
        vectors.push(embed(&engine, &["the porch looks out over the garden"]).await.unwrap().remove(0));
    }
    assert!(cosine(&vectors[0], &vectors[1]) > 0.9999, "the mean, where the file says nothing");
    assert!(cosine(&vectors[1], &vectors[2]) < 0.99 && cosine(&vectors[2], &vectors[3]) < 0.99, "{vectors:?}");
}

#[tokio::test]
async fn documents_are_scored_one_by_one() {
    let (engine, _file) = engine_for(Architecture::Reranker, Purpose::Ranking).await;
    let rank = async |documents: &[&str]| {
        let documents = documents.iter().map(|&document| document.to_owned()).collect();
        patiently(engine.rank("what is a porch?".to_owned(), documents)).await.unwrap().unwrap().scores
    };
    let scores = rank(&["a part of a house", "雨", "a kind of rain"]).await;
    assert_eq!(scores.len(), 3);
    assert!((rank(&["雨"]).await[0] - scores[1]).abs() < 1e-4);
    assert!((scores[0] - scores[2]).abs() > 1e-6);
}

#[tokio::test]
async fn what_does_not_fit_is_an_error_and_the_next_request_is_answered() {
    let (engine, _file) = engine_for(Architecture::Bert, Purpose::Embeddings { pooling: None }).await;
    let long = "too long ".repeat(400);
    let error = embed(&engine, &["short", &long]).await.unwrap_err();
    assert!(matches!(error, GenerateError::ContextTooSmall { context_size: 256, .. }), "{error:?}");
    let ranked = patiently(engine.rank("query".into(), vec!["document".into()])).await.unwrap();
    assert_eq!(ranked, Err(GenerateError::WrongPurpose));
    let reply = finish_or_lose(engine.generate(request(&[user("hello")]))).await.unwrap_err();
    assert!(matches!(reply, ReplyEvent::Failed(GenerateError::WrongPurpose)), "{reply:?}");
    assert_eq!(embed(&engine, &[]).await, Ok(Vec::new()));
    assert_eq!(embed(&engine, &["short"]).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_model_is_refused_for_what_it_was_not_made_for() {
    let refused = async |file: &ModelFile, purpose: Purpose| {
        let engine = start().await;
        let error = load_for(&engine, file, LoadSettings { n_ctx: 256, ..settings() }, purpose).await.unwrap_err();
        assert!(matches!(error, LoadError::Refused { .. }), "{error:?}");
    };
    let bert = ModelFile::new(|path| RandomModel::new().architecture(Architecture::Bert).write(path).unwrap());
    let reranker = ModelFile::new(|path| RandomModel::new().architecture(Architecture::Reranker).write(path).unwrap());
    refused(&bert, Purpose::Replies).await;
    refused(&bert, Purpose::Ranking).await;
    refused(&reranker, Purpose::Embeddings { pooling: None }).await;
    refused(&ModelFile::scripted(&ScriptedModel::new("x")), Purpose::Ranking).await;
}

#[tokio::test]
async fn a_request_that_is_not_wanted_any_more_is_left() {
    let (engine, _file) = engine_for(Architecture::Bert, Purpose::Embeddings { pooling: None }).await;
    let many = vec!["the porch looks out over the garden ".repeat(20); 20_000];
    let left = tokio::time::timeout(std::time::Duration::from_millis(200), engine.embed(many, true)).await;
    assert!(left.is_err(), "so many texts take longer");
    assert_eq!(embed(&engine, &["short"]).await.unwrap().len(), 1);
}

//! `LoRA` adapters over a model's weights.

use engawa_engine_client::protocol::{Adapter, LoadError, LoadSettings, Sampling};
use engawa_testkit::{Fault, RandomAdapter, RandomModel};

use crate::support::{ModelFile, estimate, finish, load, request, settings, start, user};

fn model() -> ModelFile {
    ModelFile::new(|path| RandomModel::new().write(path).unwrap())
}

fn with(adapters: &[(&ModelFile, f32)]) -> LoadSettings {
    let adapters = adapters.iter().map(|(file, scale)| Adapter { path: file.path.clone(), scale: *scale }).collect();
    LoadSettings { adapters, ..settings() }
}

/// How likely the first token was, of all in the model's vocabulary: enough to tell two sets of weights apart.
async fn first_chances(file: &ModelFile, settings: LoadSettings) -> Vec<f32> {
    let engine = start().await;
    load(&engine, file, settings).await.unwrap();
    let mut asked = request(&[user("Tell me about porches.")]);
    asked.sampling = Sampling { temperature: 0.0, max_tokens: Some(1), ..Sampling::default() };
    asked.decoding.logprobs = Some(5);
    let chosen = finish(engine.generate(asked)).await.chosen;
    chosen[0].top.iter().map(|token| token.logprob).collect()
}

#[tokio::test]
async fn an_adapter_changes_what_is_said_by_its_scale() {
    let file = model();
    let adapter = ModelFile::new(|path| RandomAdapter::new().write(path).unwrap());
    let plain = first_chances(&file, settings()).await;
    assert_eq!(first_chances(&file, with(&[(&adapter, 0.0)])).await, plain);
    let whole = first_chances(&file, with(&[(&adapter, 1.0)])).await;
    let half = first_chances(&file, with(&[(&adapter, 0.5)])).await;
    assert!(whole != plain && half != plain && whole != half, "{plain:?} {half:?} {whole:?}");
    // Two halves are a whole, but for rounding.
    let two = first_chances(&file, with(&[(&adapter, 0.25), (&adapter, 0.25)])).await;
    assert!(two.iter().zip(&half).all(|(two, half)| (two - half).abs() < 1e-3), "{two:?} {half:?}");
}

#[tokio::test]
async fn what_is_no_adapter_of_the_model_is_named_and_why() {
    let file = model();
    let adapter = |adapter: RandomAdapter| ModelFile::new(|path| adapter.write(path).unwrap());
    let check = async |wrong: ModelFile, expected: &str| {
        let error = load(&*start().await, &file, with(&[(&wrong, 1.0)])).await.unwrap_err();
        let LoadError::Adapter { file, reason } = error else { panic!("{error:?}") };
        assert_eq!(file, "model.gguf");
        assert!(reason.contains(expected), "{reason:?} lacks {expected:?}");
    };
    let check = async |wrong: ModelFile, expected: &str, in_advance: Option<&str>| {
        let told = estimate(&*start().await, &file, with(&[(&wrong, 1.0)])).await;
        match (told, in_advance) {
            (Err(LoadError::Adapter { reason, .. }), Some(part)) => assert!(reason.contains(part), "{reason:?}"),
            (Ok(_), None) => {}
            other => panic!("{other:?}"),
        }
        check(wrong, expected).await;
    };
    check(adapter(RandomAdapter::new().dimension(128)), "incorrect shape", Some("another shape")).await;
    check(adapter(RandomAdapter::new().layers(3)), "does not exist in base model", None).await;
    check(adapter(RandomAdapter::new().architecture("qwen2")), "arch mismatch", Some("another architecture")).await;
    check(model(), "general.type", Some("general.type")).await;
    check(ModelFile::new(|path| Fault::HtmlPage.write(path).unwrap()), "not a GGUF", Some("not a GGUF")).await;
    check(ModelFile::new(|_| {}), "does not exist", Some("does not exist")).await;
    check(adapter(RandomAdapter::new()).cut(), "", Some("end is missing")).await;
}

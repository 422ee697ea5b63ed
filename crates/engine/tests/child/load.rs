//! Loading, and files that can't be loaded.

use engawa_engine_client::LoadEvent;
use engawa_engine_client::protocol::{
    Fit, FlashAttention, KvType, LoadError, LoadRequest, LoadSettings, Mmap, Purpose, TemplateSource,
};
use engawa_testkit::gguf::TensorType;
use engawa_testkit::{Fault, RandomModel, RandomProjector, ScriptedModel};

use crate::support::{ModelFile, estimate, load, load_fitted, patiently, say, settings, start, user};

async fn error_of(file: &ModelFile) -> LoadError {
    load(&*start().await, file, settings()).await.unwrap_err()
}

#[tokio::test]
async fn a_loaded_model_describes_itself() {
    let file = ModelFile::scripted(&ScriptedModel::new("x").context_length(4096));
    let engine = start().await;
    let info = load(&engine, &file, settings()).await.unwrap();
    assert_eq!((info.architecture.as_str(), info.n_ctx, info.n_ctx_train), ("llama", 2048, 4096));
    assert_eq!((info.n_gpu_layer, info.devices.len()), (0, 0), "no GPU is used on a machine without one");
    assert_eq!(info.template.source, TemplateSource::File);
    assert!(info.template.accepts_assistant_first);
    assert!(info.n_threads >= 1);
}

#[tokio::test]
async fn files_that_are_no_models_are_told_apart() {
    let fault = |fault: Fault| ModelFile::new(|path| fault.write(path).unwrap());
    assert_eq!(error_of(&fault(Fault::HtmlPage)).await, LoadError::NotGguf);
    assert_eq!(error_of(&fault(Fault::Empty)).await, LoadError::NotGguf);
    let unknown = LoadError::UnknownArchitecture { architecture: "engawa-unheard-of".into() };
    assert_eq!(error_of(&fault(Fault::UnknownArchitecture)).await, unknown);
    for cut in [Fault::HeaderCut, Fault::DataCut] {
        let error = error_of(&fault(cut)).await;
        assert!(matches!(error, LoadError::Refused { .. }), "{cut:?}: {error:?}");
    }
    let missing = ModelFile::new(|_| {});
    assert_eq!(error_of(&missing).await, LoadError::NotFound);
    let folder = ModelFile::new(|path| std::fs::create_dir(path).unwrap());
    assert_eq!(error_of(&folder).await, LoadError::NotGguf);
}

#[tokio::test]
async fn a_model_without_a_usable_template_gets_chatml() {
    for fault in [Fault::NoTemplate, Fault::BrokenTemplate] {
        let file = ModelFile::new(|path| fault.write(path).unwrap());
        let engine = start().await;
        let info = load(&engine, &file, settings()).await.unwrap();
        assert_eq!(info.template.source, TemplateSource::ChatMl, "{fault:?}");
        say(&engine, &[user("hello")]).await;
    }
}

#[tokio::test]
async fn an_estimate_tells_what_a_load_takes_and_leaves_the_engine_free() {
    let model = RandomModel::new().context_length(8192).tensor_type(TensorType::Q8_0);
    let file = ModelFile::new(|path| model.write(path).unwrap());
    let engine = start().await;
    let told = estimate(&engine, &file, LoadSettings { n_ctx: 1024, ..settings() }).await.unwrap();
    let [host] = told.devices.as_slice() else { panic!("{told:?}") };
    // Keys and values of 2 layers with one head of 32, 2 bytes each.
    assert_eq!(host.context, 1024 * 2 * 2 * 32 * 2);
    let file_bytes = std::fs::metadata(&file.path).unwrap().len();
    assert!(host.weights > file_bytes / 2 && host.weights <= file_bytes, "{host:?}");
    assert!(host.compute > 0 && host.memory_free > 0 && host.memory_free <= host.memory_total, "{host:?}");
    assert_eq!((told.n_layer, told.n_gpu_layer), (3, 0));

    let context = async |n_ctx| {
        let told = estimate(&engine, &file, LoadSettings { n_ctx, ..settings() }).await.unwrap();
        told.devices[0].context
    };
    assert_eq!(context(65_536).await, 64 * host.context, "a large one is reckoned from small ones");
    assert_eq!(context(0).await, 8 * host.context, "0 is what the model was trained with");

    let page = ModelFile::new(|path| Fault::HtmlPage.write(path).unwrap());
    assert_eq!(estimate(&engine, &page, settings()).await, Err(LoadError::NotGguf));
    let cut = ModelFile::new(|path| Fault::HeaderCut.write(path).unwrap());
    assert!(matches!(estimate(&engine, &cut, settings()).await, Err(LoadError::Refused { .. })));
    load(&engine, &file, settings()).await.unwrap();
    assert!(matches!(estimate(&engine, &file, settings()).await, Err(LoadError::Refused { .. })));
}

#[tokio::test]
async fn weights_that_the_processor_stores_in_its_own_order_are_counted() {
    let model = RandomModel::new().dimension(256).heads(4).feed_forward(512).tensor_type(TensorType::Q4K);
    let file = ModelFile::new(|path| model.write(path).unwrap());
    let told = estimate(&*start().await, &file, settings()).await.unwrap();
    let file_bytes = std::fs::metadata(&file.path).unwrap().len();
    assert!(told.devices[0].weights > file_bytes / 2, "{told:?} of {file_bytes}");
}

/// Settings with a projector that takes so many bytes of memory: a load reckons with the length of its file, most of which is
/// a hole.
fn beside_projector(projector: &ModelFile, length: u64, settings: LoadSettings) -> LoadSettings {
    std::fs::File::options().write(true).open(&projector.path).unwrap().set_len(length).unwrap();
    LoadSettings { projector: Some(projector.path.clone()), ..settings }
}

fn projector(dimension: u32) -> ModelFile {
    ModelFile::new(|path| RandomProjector::new().dimension(dimension).write(path).unwrap())
}

#[tokio::test]
async fn more_memory_than_there_is_is_an_error_before_anything_is_taken() {
    let file = ModelFile::new(|path| RandomModel::new().write(path).unwrap());
    let projector = projector(64);
    let asked = beside_projector(&projector, 1 << 42, settings());
    let engine = start().await;
    assert_eq!(estimate(&engine, &file, settings()).await.unwrap().fit, Fit::Fits);
    assert_eq!(estimate(&engine, &file, asked.clone()).await.unwrap().fit, Fit::TooLarge);
    let error = load(&engine, &file, asked).await.unwrap_err();
    let LoadError::NotEnoughMemory { needed: Some(needed), available } = error else { panic!("{error:?}") };
    assert!(needed > available && available > 0, "{needed} {available}");
}

#[tokio::test]
async fn a_context_beyond_the_training_is_the_first_to_go_when_memory_lacks() {
    let file = ModelFile::new(|path| RandomModel::new().layers(8).context_length(4096).write(path).unwrap());
    let asked = LoadSettings { n_ctx: u32::MAX, mmap: Mmap::Off, ..settings() };
    let engine = start().await;
    let (info, fitted) = load_fitted(&engine, &file, asked.clone(), Purpose::Replies).await.unwrap();
    assert_eq!((info.n_ctx, fitted), (4096, Some(LoadSettings { n_ctx: 4096, ..asked })));
    say(&engine, &[user("hello")]).await;
}

#[tokio::test]
async fn weights_are_read_into_large_pages_only_where_memory_is_plentiful() {
    let file = ModelFile::new(|path| RandomModel::new().write(path).unwrap());
    let projector = projector(64);
    let engine = start().await;
    let with = async |settings: LoadSettings| estimate(&engine, &file, settings).await.unwrap().devices[0].clone();
    let mapped = with(LoadSettings { mmap: Mmap::On, ..settings() }).await;
    let read = with(LoadSettings { mmap: Mmap::Off, ..settings() }).await;
    assert!(mapped.mapped > 0 && read.mapped == 0, "{mapped:?} {read:?}");
    assert_eq!(mapped.weights, read.weights);
    let pages = std::fs::read_to_string("/sys/kernel/mm/transparent_hugepage/enabled").unwrap_or_default();
    let expected = if pages.contains("[never]") || pages.is_empty() { mapped.mapped } else { 0 };
    assert_eq!(with(settings()).await.mapped, expected, "{pages}");
    let most_of_it = mapped.memory_free / 3 * 2;
    let scarce = with(beside_projector(&projector, most_of_it, settings())).await;
    assert_eq!(scarce.mapped, mapped.mapped);
}

#[tokio::test]
async fn what_costs_least_goes_until_a_model_fits() {
    // 32 KiB of keys and values a token, 4 GiB with all of the context.
    let model = RandomModel::new().dimension(512).heads(8).kv_heads(8).layers(16).context_length(1 << 17);
    let file = ModelFile::new(|path| model.write(path).unwrap());
    let projector = projector(512);
    let engine = start().await;
    let free = estimate(&engine, &file, settings()).await.unwrap().devices[0].memory_free;
    assert!(free > 4 << 30, "this test needs 4 GiB of free memory");
    let fit = async |left: u64, asked: LoadSettings| {
        let asked = beside_projector(&projector, free.saturating_sub(left), asked);
        (asked.clone(), estimate(&engine, &file, asked).await.unwrap())
    };

    let whole = LoadSettings { n_ctx: 0, use_mlock: true, ..settings() };
    let (asked, told) = fit(13 << 28, whole.clone()).await;
    let quantized =
        LoadSettings { n_ctx: 1 << 17, use_mlock: false, type_k: KvType::Q8_0, type_v: KvType::Q8_0, ..asked };
    assert_eq!(told.fit, Fit::Adjusted(Box::new(quantized.clone())));
    let whole_context = told.devices[0].context;

    let (_, told) = fit(2 << 30, whole).await;
    let Fit::Adjusted(shortened) = &told.fit else { panic!("{told:?}") };
    assert_eq!(shortened.type_k, KvType::Q8_0);
    assert!(shortened.n_ctx > 1 << 15 && shortened.n_ctx < 1 << 17, "{shortened:?}");
    assert!(told.devices[0].context < whole_context, "{told:?}");

    // Flash attention is off: the cache stays as it is.
    let asked = LoadSettings { flash_attention: FlashAttention::Off, n_ctx: 1 << 17, ..settings() };
    let (asked, told) = fit(3 << 29, asked).await;
    let Fit::Adjusted(shortened) = &told.fit else { panic!("{told:?}") };
    assert_eq!(**shortened, LoadSettings { n_ctx: shortened.n_ctx, ..asked.clone() });
    let (info, fitted) = load_fitted(&engine, &file, asked, Purpose::Replies).await.unwrap();
    let fitted = fitted.unwrap().n_ctx;
    assert!(info.n_ctx == fitted && (2048..1 << 16).contains(&fitted), "{fitted}");
    say(&engine, &[user("hello")]).await;
}

#[tokio::test]
async fn a_load_can_be_cancelled() {
    // 400 MB of weights that are read, not mapped: long enough to be cancelled.
    let large = RandomModel::new().dimension(1024).heads(8).kv_heads(8).feed_forward(4096).layers(6);
    let file = ModelFile::new(|path| large.tensor_type(TensorType::F32).write(path).unwrap());
    let engine = start().await;
    let settings = LoadSettings { mmap: Mmap::Off, ..settings() };
    let request = LoadRequest::new(file.path.clone(), settings);
    let mut events = engine.load(request);
    engine.cancel_load();
    loop {
        match patiently(events.recv()).await {
            Some(LoadEvent::Progress(_)) => {}
            Some(LoadEvent::Failed(error)) => break assert_eq!(error, LoadError::Cancelled),
            other => panic!("{other:?}"),
        }
    }
    // The engine's one load is over: it ends by itself.
    patiently(engine.exited()).await;
}

#[tokio::test]
async fn kv_types_and_flash_attention_are_taken() {
    let model = RandomModel::new().dimension(64).heads(2).kv_heads(2);
    let file = ModelFile::new(|path| model.write(path).unwrap());
    for (type_k, type_v, flash_attention) in
        [(KvType::Q8_0, KvType::Q8_0, FlashAttention::Auto), (KvType::F16, KvType::F16, FlashAttention::Off)]
    {
        let engine = start().await;
        load(&engine, &file, LoadSettings { type_k, type_v, flash_attention, ..settings() }).await.unwrap();
        say(&engine, &[user("hello")]).await;
    }
    let impossible = LoadSettings { type_v: KvType::Q8_0, flash_attention: FlashAttention::Off, ..settings() };
    let error = load(&*start().await, &file, impossible).await.unwrap_err();
    assert!(matches!(error, LoadError::Refused { .. }), "{error:?}");
}

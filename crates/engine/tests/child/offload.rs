//! Layers on a GPU: the engine with ggml's Vulkan back end, on the device that Mesa computes in software.
//!
//! `cargo xtask test` builds the back end, names it in `ENGAWA_VULKAN_BACKEND` and runs these tests.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use engawa_engine_client::protocol::{DeviceKind, GpuSplit, LoadSettings, Sampling, SplitMode};
use engawa_engine_client::{Engine, EngineProgram};
use engawa_testkit::RandomModel;

use crate::support::{ModelFile, estimate, finish, load, request, start_program, user};

const DRIVER: &str = "/usr/share/vulkan/icd.d/lvp_icd.x86_64.json";

/// An engine of its own folder, so that no other test meets the back end.
struct Stage {
    folder: tempfile::TempDir,
}

impl Stage {
    fn new() -> Self {
        let stage = Self { folder: tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap() };
        let executable = Path::new(env!("CARGO_BIN_EXE_engawa-engine"));
        let built = executable.parent().unwrap();
        link(executable, stage.folder.path());
        link_libraries(built, stage.folder.path());
        let backends = stage.folder.path().join("backends");
        link_libraries(&built.join("backends"), &backends);
        let vulkan = std::env::var_os("ENGAWA_VULKAN_BACKEND").expect("`cargo xtask test` names the back end");
        let _ = fs::remove_file(backends.join("libggml-vulkan.so"));
        link(Path::new(&vulkan), &backends);
        stage
    }

    async fn engine(&self) -> Arc<Engine> {
        self.engine_with("0").await
    }

    /// `devices`: the numbers of devices, as ggml takes them; one that is named twice is two.
    async fn engine_with(&self, devices: &str) -> Arc<Engine> {
        let mut program = EngineProgram::new(self.folder.path().join("engawa-engine"));
        // ggml leaves devices in software alone unless they are named.
        program.environment =
            vec![("GGML_VK_VISIBLE_DEVICES".into(), devices.into()), ("VK_DRIVER_FILES".into(), DRIVER.into())];
        start_program(&program).await
    }
}

fn link(file: &Path, folder: &Path) {
    fs::create_dir_all(folder).unwrap();
    let target = folder.join(file.file_name().unwrap());
    // Another disk has no links to this one.
    fs::hard_link(file, &target).or_else(|_| fs::copy(file, &target).map(drop)).unwrap();
}

fn link_libraries(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() && path.to_string_lossy().contains(".so") {
            link(&path, to);
        }
    }
}

fn model() -> ModelFile {
    ModelFile::new(|path| RandomModel::new().layers(16).dimension(256).heads(4).kv_heads(4).write(path).unwrap())
}

fn settings(n_gpu_layers: i32, n_ctx: u32) -> LoadSettings {
    LoadSettings { n_gpu_layers, n_ctx, ..LoadSettings::default() }
}

/// The text that is likeliest by the loaded model.
async fn write(engine: &Arc<Engine>, max_tokens: u32) -> String {
    let mut asked = request(&[user("Tell me about porches.")]);
    asked.sampling = Sampling { temperature: 0.0, max_tokens: Some(max_tokens), ..Sampling::default() };
    finish(engine.generate(asked)).await.content
}

#[tokio::test]
#[ignore = "needs the Vulkan back end"]
async fn all_layers_some_and_none_write_the_same() {
    let stage = Stage::new();
    let file = model();
    let mut texts = Vec::new();
    for (asked, expected) in [(-1, 17), (6, 6), (0, 0)] {
        let engine = stage.engine().await;
        let info = load(&engine, &file, settings(asked, 512)).await.unwrap();
        assert_eq!((info.n_layer, info.n_gpu_layer), (17, expected), "{asked} layers");
        assert_eq!(info.devices.is_empty(), expected == 0);
        texts.push(write(&engine, 40).await);
    }
    assert!(!texts[0].is_empty());
    assert!(texts.iter().all(|text| *text == texts[0]), "{texts:?}");
}

#[tokio::test]
#[ignore = "needs the Vulkan back end"]
async fn the_device_has_a_name_a_kind_and_memory() {
    let devices = Stage::new().engine().await.devices().await.unwrap();
    let gpu = devices.iter().find(|device| device.name == "Vulkan0").unwrap();
    assert!(gpu.description.contains("llvmpipe"), "{gpu:?}");
    assert_ne!(gpu.kind, DeviceKind::Cpu);
    assert!(gpu.memory_free > 0 && gpu.memory_free <= gpu.memory_total, "{gpu:?}");
}

#[tokio::test]
#[ignore = "needs the Vulkan back end"]
async fn what_does_not_fit_the_gpu_stays_with_the_processor() {
    let stage = Stage::new();
    let file = model();
    let engine = stage.engine().await;
    let told = async |n_gpu_layers, n_ctx| estimate(&engine, &file, settings(n_gpu_layers, n_ctx)).await.unwrap();
    let small = told(-1, 512).await;
    let [gpu, host] = small.devices.as_slice() else { panic!("{small:?}") };
    assert_eq!((small.n_layer, small.n_gpu_layer), (17, 17));
    assert!(gpu.weights > 0 && gpu.context > 0 && gpu.compute > 0 && host.name.is_empty(), "{small:?}");

    // As much context as the device has memory; in many layers, because a single tensor has a limit of its own.
    let per_token = gpu.context / 512;
    let huge = told(-1, u32::try_from(gpu.memory_free / per_token).unwrap()).await;
    assert!(huge.n_gpu_layer < 17, "{huge:?}");
    let [gpu, host] = huge.devices.as_slice() else { panic!("{huge:?}") };
    assert!(gpu.context + gpu.weights + gpu.compute < gpu.memory_free && host.context > 0, "{huge:?}");

    let none = told(0, 512).await;
    assert_eq!((none.n_gpu_layer, none.devices.last().unwrap().context), (0, small.devices[0].context));
}

#[tokio::test]
#[ignore = "needs the Vulkan back end"]
async fn experts_stay_with_the_processor_before_whole_layers_do() {
    let stage = Stage::new();
    let shape = RandomModel::new().layers(8).dimension(256).heads(4).kv_heads(4).feed_forward(512).experts(8);
    let file = ModelFile::new(|path| shape.write(path).unwrap());
    let engine = stage.engine().await;
    let told = async |n_ctx| estimate(&engine, &file, settings(-1, n_ctx)).await.unwrap();
    let small = told(512).await;
    let [gpu, host] = small.devices.as_slice() else { panic!("{small:?}") };
    let per_token = gpu.context / 512;
    let (in_all, rest) = (gpu.weights, host.weights);
    // The largest context beside which all weights have room on the device.
    let (mut fits, mut is_short) = (512, u32::try_from(gpu.memory_free / per_token).unwrap());
    while u64::from(is_short - fits) * per_token > 4 << 20 {
        let middle = fits.midpoint(is_short);
        let now = told(middle).await;
        if now.devices.last().unwrap().weights == rest && now.n_gpu_layer == now.n_layer {
            fits = middle;
        } else {
            is_short = middle;
        }
    }
    let n_ctx = is_short + u32::try_from((8 << 20) / per_token).unwrap();
    let told = told(n_ctx).await;
    let [gpu, host] = told.devices.as_slice() else { panic!("{told:?}") };
    assert_eq!((told.n_gpu_layer, told.n_layer), (9, 9), "{told:?}");
    assert!(host.weights > rest && gpu.weights > 0 && gpu.weights < in_all, "{told:?}");
    assert!(gpu.context >= per_token * u64::from(n_ctx), "{told:?}");

    let mut texts = Vec::new();
    for asked in [settings(-1, n_ctx), settings(0, 512)] {
        let engine = stage.engine().await;
        let info = load(&engine, &file, asked.clone()).await.unwrap();
        assert_eq!(info.n_gpu_layer, if asked.n_gpu_layers == 0 { 0 } else { 9 });
        texts.push(write(&engine, 20).await);
    }
    assert!(!texts[0].is_empty() && texts[0] == texts[1], "{texts:?}");
}

#[tokio::test]
#[ignore = "needs the Vulkan back end"]
async fn several_gpus_share_a_model_as_they_are_told() {
    let stage = Stage::new();
    let file = model();
    let engine = stage.engine_with("0,0").await;
    let weights = async |mode, shares: &[f32]| -> Vec<u64> {
        let gpu_split = GpuSplit { mode, main: 1, shares: shares.to_vec() };
        let settings = LoadSettings { gpu_split, ..settings(-1, 512) };
        let told = estimate(&engine, &file, settings).await.unwrap();
        told.devices.iter().filter(|device| !device.name.is_empty()).map(|device| device.weights).collect()
    };
    let [first, second] = weights(SplitMode::Layers, &[3.0, 1.0]).await[..] else { panic!("two devices") };
    assert!(first > 2 * second && second > 0, "{first} {second}");
    let [first, second] = weights(SplitMode::Layers, &[0.0, 1.0]).await[..] else { panic!("two devices") };
    assert!(first == 0 && second > 0, "{first} {second}");
    let one = weights(SplitMode::None, &[]).await;
    assert!(one.len() == 1 && one[0] >= second, "{one:?}");
    for (main, name) in [(0, "Vulkan0"), (1, "Vulkan1")] {
        let gpu_split = GpuSplit { mode: SplitMode::None, main, shares: Vec::new() };
        let told = estimate(&engine, &file, LoadSettings { gpu_split, ..settings(-1, 512) }).await.unwrap();
        assert_eq!((told.devices.len(), told.devices[0].name.as_str()), (2, name));
    }
    // To llama.cpp they are one device then. Vulkan can't compute so, so nothing is loaded here.
    let parts = weights(SplitMode::Tensors, &[]).await;
    assert!(parts.len() == 1 && parts[0] > 0, "{parts:?}");

    let mut texts = Vec::new();
    // Rows are divided where a back end can do that, and go layer by layer where it can't, as with Vulkan.
    for mode in [SplitMode::Layers, SplitMode::Rows] {
        let engine = stage.engine_with("0,0").await;
        let gpu_split = GpuSplit { mode, main: 0, shares: vec![1.0, 1.0] };
        let info = load(&engine, &file, LoadSettings { gpu_split, ..settings(-1, 512) }).await.unwrap();
        assert_eq!((info.n_gpu_layer, info.devices.len()), (17, 2), "{mode:?}");
        texts.push(write(&engine, 16).await);
    }
    assert!(!texts[0].is_empty() && texts[0] == texts[1], "{texts:?}");
}

//! Headers of small models, right and wrong.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

use std::io::Cursor;
use std::path::{Path, PathBuf};

use engawa_catalog::gguf_header::{GgufError, GgufHeader, MetadataValue, ModelSummary};
use engawa_testkit::gguf::{Source, TensorType, Value, Writer};
use engawa_testkit::{Architecture, Fault, RandomModel, ScriptedModel};
use proptest::prelude::*;
use tempfile::TempDir;

fn file(folder: &TempDir, name: &str) -> PathBuf {
    folder.path().join(name)
}

fn summary(write: impl FnOnce(&Path)) -> ModelSummary {
    let folder = TempDir::new().unwrap();
    let path = file(&folder, "some-model.gguf");
    write(&path);
    ModelSummary::new(&GgufHeader::read(&path).unwrap(), &path)
}

#[test]
fn summarises_a_model() {
    let model = RandomModel::new()
        .architecture(Architecture::Qwen2)
        .name("Small")
        .layers(3)
        .dimension(128)
        .heads(4)
        .kv_heads(2)
        .feed_forward(256)
        .vocabulary(1000)
        .context_length(32_768)
        .tensor_type(TensorType::Q8_0)
        .tied(true);
    let block_matrices = 128 * 128 * 2 + 128 * 64 * 2 + 128 * 256 * 3;
    let block_vectors = 128 + 64 + 64 + 128 + 128;
    let (matrices, vectors) = (128 * 1000 + 3 * block_matrices, 128 + 3 * block_vectors);
    assert_eq!(
        summary(|path| model.write(path).unwrap()),
        ModelSummary {
            name: "Small".to_owned(),
            architecture: "qwen2".to_owned(),
            quantization: "Q8_0".to_owned(),
            parameters: matrices + vectors,
            layers: Some(3),
            context_length: Some(32_768),
            embedding_length: Some(128),
            heads: Some(4),
            kv_heads: Some(2),
            key_length: Some(32),
            value_length: Some(32),
            kv_bytes_per_token: Some(3 * 2 * (32 + 32) * 2),
            weight_bytes: matrices / 32 * 34 + vectors * 4,
            has_chat_template: true,
            has_tool_use_template: false,
            split_count: 1,
        }
    );
}

#[test]
fn summarises_a_scripted_model() {
    let found = summary(|path| drop(ScriptedModel::new("Hello").padding_layers(3, 64).write(path).unwrap()));
    assert_eq!((found.architecture.as_str(), found.layers, found.heads), ("llama", Some(5), Some(1)));
    assert_eq!(found.kv_bytes_per_token, Some(5 * 128 * 2));
}

#[test]
fn falls_back_on_file_name_and_largest_type() {
    let found = summary(|path| {
        let mut writer = Writer::new();
        writer
            .set("general.architecture", "odd")
            .set("general.name", " ")
            .set("odd.block_count", 2_u32)
            .set("odd.embedding_length", 64_u32)
            .set("odd.attention.head_count", Value::U32s(vec![2, 4]))
            .set("odd.attention.head_count_kv", Value::I32s(vec![0, 2]))
            .set("tokenizer.chat_template.tool_use", "{{ 1 }}")
            .set("split.count", 3_u32)
            .tensor("small", &[32], TensorType::F32, Source::Zeros)
            .tensor("large", &[32, 40], TensorType::F16, Source::Zeros);
        writer.write(path).unwrap();
    });
    assert_eq!((found.name.as_str(), found.quantization.as_str()), ("some-model", "F16"));
    assert_eq!((found.heads, found.kv_heads, found.key_length), (Some(4), Some(2), Some(16)));
    assert_eq!(found.kv_bytes_per_token, Some(2 * (16 + 16) * 2));
    assert_eq!((found.has_chat_template, found.has_tool_use_template, found.split_count), (false, true, 3));
}

#[test]
fn gives_access_to_values() {
    let folder = TempDir::new().unwrap();
    let path = file(&folder, "model.gguf");
    RandomModel::new().write(&path).unwrap();
    let header = GgufHeader::read(&path).unwrap();
    assert_eq!((header.version, header.file_bytes), (3, path.metadata().unwrap().len()));
    assert_eq!(header.architecture_value("block_count"), Some(&MetadataValue::Unsigned(2)));
    assert!(matches!(header.value("tokenizer.ggml.tokens"), Some(MetadataValue::Array { elements: 500.. })));
    assert_eq!(header.text("tokenizer.chat_template"), Some(engawa_testkit::CHATML));
    let last = header.tensors.last().unwrap();
    assert_eq!((last.name.as_str(), last.shape.as_slice()), ("blk.1.ffn_down.weight", [128, 64].as_slice()));
    assert_eq!(last.position + last.bytes, header.file_bytes);
}

#[test]
fn every_fault_has_its_error() {
    let folder = TempDir::new().unwrap();
    for fault in Fault::ALL {
        let path = file(&folder, &format!("{fault:?}.gguf"));
        fault.write(&path).unwrap();
        let result = GgufHeader::read(&path);
        let as_expected = match fault {
            Fault::HtmlPage | Fault::Empty => matches!(result, Err(GgufError::NotGguf)),
            Fault::HeaderCut => matches!(result, Err(GgufError::Truncated { actual: 200, expected: 201.. })),
            Fault::DataCut => {
                matches!(result, Err(GgufError::Truncated { actual, expected }) if expected == actual + 1000)
            }
            Fault::OldVersion => matches!(result, Err(GgufError::UnsupportedVersion(1))),
            Fault::BigEndian => matches!(result, Err(GgufError::UnsupportedVersion(0x0300_0000))),
            Fault::TensorCount
            | Fault::MetadataCount
            | Fault::StringLength
            | Fault::ArrayLength
            | Fault::TensorOffset
            | Fault::BlockCount => matches!(result, Err(GgufError::Damaged { .. })),
            Fault::UnknownArchitecture | Fault::BrokenTemplate => result.is_ok(),
            Fault::NoTemplate => matches!(&result, Ok(header) if header.text("tokenizer.chat_template").is_none()),
        };
        assert!(as_expected, "{fault:?} gave {result:?}");
    }
}

#[test]
fn refuses_what_is_not_a_file() {
    let folder = TempDir::new().unwrap();
    assert!(matches!(GgufHeader::read(&file(&folder, "absent")), Err(GgufError::NotFound)));
    assert!(matches!(GgufHeader::read(folder.path()), Err(GgufError::NotAFile)));
}

#[cfg(unix)]
#[test]
fn refuses_pipes_and_devices_without_waiting() {
    let folder = TempDir::new().unwrap();
    let pipe = file(&folder, "pipe.gguf");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    assert!(matches!(GgufHeader::read(&pipe), Err(GgufError::NotAFile)));
    assert!(matches!(GgufHeader::read(Path::new("/dev/zero")), Err(GgufError::NotAFile)));
}

/// Writes metadata that is refused.
#[track_caller]
fn refuses(key: &str, value: impl Into<Value>) {
    let folder = TempDir::new().unwrap();
    let path = file(&folder, "model.gguf");
    let mut writer = Writer::new();
    writer.set("general.architecture", "llama").set(key, value);
    writer.write(&path).unwrap();
    let result = GgufHeader::read(&path);
    assert!(matches!(result, Err(GgufError::Damaged { .. })), "{result:?}");
}

#[test]
fn refuses_sizes_that_crash_engines() {
    for alignment in [0, 1, 8, 48, 1 << 31] {
        refuses("general.alignment", alignment);
    }
    for blocks in [0, 513, u32::MAX] {
        refuses("llama.block_count", blocks);
    }
    refuses("llama.block_count", "2");
    refuses("llama.embedding_length", 0);
    refuses("llama.context_length", 1 << 31);
    refuses("", 1);
}

#[test]
fn refuses_the_same_tensor_twice() {
    let folder = TempDir::new().unwrap();
    let path = file(&folder, "model.gguf");
    let mut writer = Writer::new();
    writer.tensor("a", &[1], TensorType::F32, Source::Zeros).tensor("a", &[1], TensorType::F32, Source::Zeros);
    writer.write(&path).unwrap();
    assert!(matches!(GgufHeader::read(&path), Err(GgufError::Damaged { .. })));
}

/// The bytes of a small right file.
fn small_file() -> Vec<u8> {
    let folder = TempDir::new().unwrap();
    let path = file(&folder, "model.gguf");
    let mut writer = Writer::new();
    writer
        .set("general.architecture", "llama")
        .set("llama.block_count", 1_u32)
        .set("llama.attention.head_count", Value::U32s(vec![1, 2, 3]))
        .set("tokenizer.ggml.tokens", Value::Strings(vec!["a".to_owned(), "縁".to_owned()]))
        .set("tokenizer.ggml.scores", Value::F32s(vec![0.0, 1.0]))
        .set("tokenizer.chat_template", "{{ messages }}")
        .tensor("token_embd.weight", &[32, 2], TensorType::Q8_0, Source::Zeros)
        .tensor("output_norm.weight", &[32], TensorType::F32, Source::Zeros);
    writer.write(&path).unwrap();
    std::fs::read(&path).unwrap()
}

#[derive(Debug, Clone)]
enum Mutation {
    Byte(usize, u8),
    Number(usize, u64),
    Cut(usize),
    Remove(usize, usize),
    Repeat(usize, usize),
}

fn mutation() -> impl Strategy<Value = Mutation> {
    let place = 0..4096_usize;
    let number = prop_oneof![
        any::<u64>(),
        Just(u64::MAX),
        Just(1 << 63),
        Just(1 << 32),
        0..100_u64,
        Just(4 << 20),
        Just(65_536)
    ];
    prop_oneof![
        (place.clone(), any::<u8>()).prop_map(|(place, byte)| Mutation::Byte(place, byte)),
        (place.clone(), number).prop_map(|(place, number)| Mutation::Number(place, number)),
        place.clone().prop_map(Mutation::Cut),
        (place.clone(), 1..40_usize).prop_map(|(place, length)| Mutation::Remove(place, length)),
        (place, 1..40_usize).prop_map(|(place, length)| Mutation::Repeat(place, length)),
    ]
}

fn mutate(bytes: &mut Vec<u8>, mutation: &Mutation) {
    if bytes.is_empty() {
        return;
    }
    let length = bytes.len();
    match *mutation {
        Mutation::Byte(place, byte) => bytes[place % length] = byte,
        Mutation::Number(place, number) => {
            let start = place % length;
            let end = (start + 8).min(length);
            bytes[start..end].copy_from_slice(&number.to_le_bytes()[..end - start]);
        }
        Mutation::Cut(place) => bytes.truncate(place % length),
        Mutation::Remove(place, count) => drop(bytes.drain(place % length..(place % length + count).min(length))),
        Mutation::Repeat(place, count) => {
            let start = place % length;
            let copy = bytes[start..(start + count).min(length)].to_vec();
            bytes.splice(start..start, copy);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn mutations_never_panic_and_what_is_kept_fits_the_file(mutations in prop::collection::vec(mutation(), 1..5)) {
        thread_local!(static SMALL: Vec<u8> = small_file());
        let mut bytes = SMALL.with(Clone::clone);
        for mutation in &mutations {
            mutate(&mut bytes, mutation);
        }
        let length = bytes.len();
        if let Ok(header) = GgufHeader::read_from(Cursor::new(&bytes), length as u64) {
            let kept: usize = header.metadata().map(|(key, value)| key.len() + value_bytes(value)).sum();
            // A byte of broken text becomes a replacement character of three, an integer in an array of bytes one of eight.
            prop_assert!(kept <= 8 * length, "{kept} bytes of {length}");
            prop_assert!(header.tensors.iter().all(|tensor| tensor.position + tensor.bytes <= length as u64));
            let _ = ModelSummary::new(&header, Path::new("x.gguf"));
        }
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let mut file = b"GGUF\x03\x00\x00\x00".to_vec();
        file.extend(&bytes);
        let _ = GgufHeader::read_from(Cursor::new(&file), file.len() as u64);
    }
}

fn value_bytes(value: &MetadataValue) -> usize {
    match value {
        MetadataValue::Text(text) => text.len(),
        MetadataValue::Integers(values) => 8 * values.len(),
        _ => 0,
    }
}

/// Everybody may read everything as root: the test then starts itself again as nobody.
#[cfg(target_os = "linux")]
#[test]
fn a_file_that_may_not_be_read_is_told_apart() {
    use std::os::unix::fs::PermissionsExt;
    const LOCKED_FILE: &str = "ENGAWA_TEST_LOCKED_FILE";
    let check = |path: &Path| assert!(matches!(GgufHeader::read(path), Err(GgufError::NoPermission)));
    if let Some(path) = std::env::var_os(LOCKED_FILE) {
        return check(Path::new(&path));
    }
    let folder = TempDir::new().unwrap();
    let path = file(&folder, "locked.gguf");
    RandomModel::new().write(&path).unwrap();
    std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o755)).unwrap();
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o000)).unwrap();
    if std::fs::File::open(&path).is_err() {
        return check(&path);
    }
    let output = std::process::Command::new("setpriv")
        .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "a_file_that_may_not_be_read_is_told_apart"])
        .env(LOCKED_FILE, &path)
        .output()
        .unwrap();
    let report = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && report.contains("1 passed"), "{report}");
}

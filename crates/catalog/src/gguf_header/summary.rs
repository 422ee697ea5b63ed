use std::collections::HashMap;
use std::path::Path;

use super::file_type;
use super::header::GgufHeader;
use super::metadata::MetadataValue;

/// What a person wants to know of a model before it is loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelSummary {
    /// The name in the metadata, else that of the file without its ending.
    pub name: String,
    /// The architecture, such as `qwen2`; empty if the file does not say.
    pub architecture: String,
    /// How most of the weights are stored, such as `Q4_K_M`.
    pub quantization: String,
    /// The number of weights in this file.
    pub parameters: u64,
    /// The number of blocks.
    pub layers: Option<u64>,
    /// The longest context that the model was trained for, in tokens.
    pub context_length: Option<u64>,
    /// The length of the hidden state.
    pub embedding_length: Option<u64>,
    /// The number of attention heads, the largest if blocks differ.
    pub heads: Option<u64>,
    /// The number of key and value heads, the largest if blocks differ.
    pub kv_heads: Option<u64>,
    /// The length of a key.
    pub key_length: Option<u64>,
    /// The length of a value.
    pub value_length: Option<u64>,
    /// About how many bytes an F16 KV cache takes for every token of context. Too high for models with
    /// sliding windows, compressed or recurrent state.
    pub kv_bytes_per_token: Option<u64>,
    /// The size of the weights in bytes.
    pub weight_bytes: u64,
    /// Whether the file carries a chat template.
    pub has_chat_template: bool,
    /// Whether the file carries a second template for tools.
    pub has_tool_use_template: bool,
    /// The number of files that the model is split over, 1 if it is not.
    pub split_count: u64,
}

impl ModelSummary {
    /// Summarises the header of the file at `path`.
    #[must_use]
    pub fn new(header: &GgufHeader, path: &Path) -> Self {
        let number = |key: &str| header.architecture_value(key).and_then(MetadataValue::as_u64);
        let layers = number("block_count");
        let heads = per_layer(header, "attention.head_count", layers);
        let kv_heads = per_layer(header, "attention.head_count_kv", layers).or_else(|| heads.clone());
        let embedding_length = number("embedding_length");
        let head_length = || Some(embedding_length? / largest(heads.as_ref())?.max(1));
        let key_length = number("attention.key_length").or_else(head_length);
        let value_length = number("attention.value_length").or_else(head_length);
        Self {
            name: name(header, path),
            architecture: header.architecture().to_owned(),
            quantization: quantization(header),
            parameters: header.tensors.iter().fold(0, |sum, tensor| sum.saturating_add(tensor.elements())),
            layers,
            context_length: number("context_length"),
            embedding_length,
            heads: largest(heads.as_ref()),
            kv_heads: largest(kv_heads.as_ref()),
            key_length,
            value_length,
            kv_bytes_per_token: kv_bytes(kv_heads.as_ref(), key_length, value_length),
            weight_bytes: header.tensors.iter().fold(0, |sum, tensor| sum.saturating_add(tensor.bytes)),
            has_chat_template: header.text("tokenizer.chat_template").is_some(),
            has_tool_use_template: header.text("tokenizer.chat_template.tool_use").is_some(),
            split_count: header.value("split.count").and_then(MetadataValue::as_u64).unwrap_or(1).max(1),
        }
    }
}

fn name(header: &GgufHeader, path: &Path) -> String {
    let given = header.text("general.name").map(str::trim).filter(|name| !name.is_empty());
    given.map_or_else(|| path.file_stem().unwrap_or_default().to_string_lossy().into_owned(), str::to_owned)
}

fn per_layer(header: &GgufHeader, key: &str, layers: Option<u64>) -> Option<Vec<u64>> {
    header.architecture_value(key)?.per_block(layers?)
}

fn largest(values: Option<&Vec<u64>>) -> Option<u64> {
    values?.iter().copied().max()
}

fn kv_bytes(kv_heads: Option<&Vec<u64>>, key_length: Option<u64>, value_length: Option<u64>) -> Option<u64> {
    const F16_BYTES: u64 = 2;
    let length = key_length?.checked_add(value_length?)?;
    let heads = kv_heads?.iter().try_fold(0_u64, |sum, heads| sum.checked_add(*heads))?;
    heads.checked_mul(length)?.checked_mul(F16_BYTES)
}

/// Returns what the file says of itself, else the type that takes the most bytes.
fn quantization(header: &GgufHeader) -> String {
    let said = header.value("general.file_type").and_then(MetadataValue::as_u64).and_then(file_type::name);
    if let Some(said) = said {
        return said.to_owned();
    }
    let mut bytes: HashMap<&str, u64> = HashMap::new();
    for tensor in &header.tensors {
        let sum = bytes.entry(tensor.tensor_type.name()).or_default();
        *sum = sum.saturating_add(tensor.bytes);
    }
    bytes.into_iter().max_by_key(|(name, bytes)| (*bytes, *name)).map_or_else(String::new, |(name, _)| name.to_owned())
}

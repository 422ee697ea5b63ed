//! A slow, plain llama in F32, to which the files are put without any engine.

use std::collections::HashMap;
use std::path::Path;

use engawa_catalog::gguf_header::{GgufHeader, MetadataValue, TensorInfo};
use half::f16;

/// A matrix by its rows, each with the columns that are not zero.
type Sparse = Vec<Vec<(usize, f32)>>;

pub(crate) struct Reference {
    embedding: Sparse,
    output: Sparse,
    output_norm: Vec<f32>,
    blocks: Vec<Block>,
    heads: usize,
    head_length: usize,
    epsilon: f32,
    dimension: usize,
    /// What the last token left.
    hidden: Vec<f32>,
    keys: Vec<Vec<Vec<f32>>>,
    values: Vec<Vec<Vec<f32>>>,
}

struct Block {
    attention_norm: Vec<f32>,
    query: Sparse,
    key: Sparse,
    value: Sparse,
    attention_output: Sparse,
    feed_forward_norm: Vec<f32>,
    gate: Sparse,
    up: Sparse,
    down: Sparse,
}

impl Reference {
    pub(crate) fn load(path: &Path) -> Self {
        let header = GgufHeader::read(path).unwrap();
        let bytes = std::fs::read(path).unwrap();
        let tensors: HashMap<&str, &TensorInfo> =
            header.tensors.iter().map(|tensor| (tensor.name.as_str(), tensor)).collect();
        let matrix = |name: &str| sparse(&numbers(tensors[name], &bytes), tensors[name].shape[0]);
        let vector = |name: &str| numbers(tensors[name], &bytes);
        let number = |key: &str| header.architecture_value(key).and_then(MetadataValue::as_u64).unwrap() as usize;
        assert!(vector("rope_freqs.weight").iter().all(|factor| *factor >= 1e30), "positions are not rotated");
        let block = |layer: usize| {
            let matrix = |part: &str| matrix(&format!("blk.{layer}.{part}.weight"));
            let vector = |part: &str| vector(&format!("blk.{layer}.{part}.weight"));
            Block {
                attention_norm: vector("attn_norm"),
                query: matrix("attn_q"),
                key: matrix("attn_k"),
                value: matrix("attn_v"),
                attention_output: matrix("attn_output"),
                feed_forward_norm: vector("ffn_norm"),
                gate: matrix("ffn_gate"),
                up: matrix("ffn_up"),
                down: matrix("ffn_down"),
            }
        };
        let layers = number("block_count");
        let epsilon = match header.architecture_value("attention.layer_norm_rms_epsilon") {
            Some(MetadataValue::Float(epsilon)) => *epsilon as f32,
            other => panic!("{other:?}"),
        };
        Self {
            embedding: matrix("token_embd.weight"),
            output: matrix("output.weight"),
            output_norm: vector("output_norm.weight"),
            blocks: (0..layers).map(block).collect(),
            heads: number("attention.head_count"),
            head_length: number("attention.key_length"),
            epsilon,
            dimension: number("embedding_length"),
            hidden: Vec::new(),
            keys: vec![Vec::new(); layers],
            values: vec![Vec::new(); layers],
        }
    }

    /// Forgets the context.
    pub(crate) fn clear(&mut self) {
        self.keys.iter_mut().for_each(Vec::clear);
        self.values.iter_mut().for_each(Vec::clear);
    }

    /// Returns the logits of the token after the last one that was decoded.
    pub(crate) fn logits(&self) -> Vec<f32> {
        multiply(&self.output, &normalise(&self.hidden, &self.output_norm, self.epsilon))
    }

    /// Adds a token to the context.
    pub(crate) fn decode(&mut self, token: u32) {
        let mut hidden = vec![0.0; self.dimension];
        for (column, value) in &self.embedding[token as usize] {
            hidden[*column] = *value;
        }
        for layer in 0..self.blocks.len() {
            let block = &self.blocks[layer];
            let input = normalise(&hidden, &block.attention_norm, self.epsilon);
            self.keys[layer].push(multiply(&block.key, &input));
            self.values[layer].push(multiply(&block.value, &input));
            let query = multiply(&block.query, &input);
            let attended = self.attend(layer, &query);
            add(&mut hidden, &multiply(&block.attention_output, &attended));
            let input = normalise(&hidden, &block.feed_forward_norm, self.epsilon);
            let gate = multiply(&block.gate, &input);
            let up = multiply(&block.up, &input);
            let activated: Vec<f32> =
                gate.iter().zip(&up).map(|(gate, up)| gate / (1.0 + (-gate).exp()) * up).collect();
            add(&mut hidden, &multiply(&block.down, &activated));
        }
        self.hidden = hidden;
    }

    fn attend(&self, layer: usize, query: &[f32]) -> Vec<f32> {
        let mut result = vec![0.0; query.len()];
        for head in 0..self.heads {
            let lanes = head * self.head_length..(head + 1) * self.head_length;
            let scale = (self.head_length as f32).sqrt();
            let score = |key: &Vec<f32>| {
                query[lanes.clone()].iter().zip(&key[lanes.clone()]).map(|(query, key)| query * key).sum::<f32>()
                    / scale
            };
            let scores: Vec<f32> = self.keys[layer].iter().map(score).collect();
            let largest = scores.iter().copied().fold(f32::MIN, f32::max);
            let weights: Vec<f32> = scores.iter().map(|score| (score - largest).exp()).collect();
            let sum: f32 = weights.iter().sum();
            for (weight, value) in weights.iter().zip(&self.values[layer]).filter(|(weight, _)| **weight > 0.0) {
                for lane in lanes.clone() {
                    result[lane] += weight / sum * value[lane];
                }
            }
        }
        result
    }
}

fn numbers(tensor: &TensorInfo, file: &[u8]) -> Vec<f32> {
    let data = &file[tensor.position as usize..(tensor.position + tensor.bytes) as usize];
    match tensor.tensor_type.name() {
        "F32" => data.chunks_exact(4).map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap())).collect(),
        "F16" => data.chunks_exact(2).map(|bytes| f16::from_le_bytes(bytes.try_into().unwrap()).to_f32()).collect(),
        "Q8_0" => {
            assert!(data.iter().all(|byte| *byte == 0), "only the padding is Q8_0");
            vec![0.0; tensor.elements() as usize]
        }
        other => panic!("{other}"),
    }
}

fn sparse(numbers: &[f32], row_length: u64) -> Sparse {
    let row = |row: &[f32]| row.iter().copied().enumerate().filter(|(_, value)| *value != 0.0).collect();
    numbers.chunks(row_length as usize).map(row).collect()
}

fn multiply(matrix: &Sparse, vector: &[f32]) -> Vec<f32> {
    matrix.iter().map(|row| row.iter().map(|(column, value)| value * vector[*column]).sum()).collect()
}

fn normalise(values: &[f32], weights: &[f32], epsilon: f32) -> Vec<f32> {
    let mean = values.iter().map(|value| f64::from(value * value)).sum::<f64>() / values.len() as f64;
    let scale = 1.0 / (mean as f32 + epsilon).sqrt();
    values.iter().zip(weights).map(|(value, weight)| value * scale * weight).collect()
}

fn add(left: &mut [f32], right: &[f32]) {
    left.iter_mut().zip(right).for_each(|(left, right)| *left += right);
}

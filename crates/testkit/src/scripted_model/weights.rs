use super::code::{LETTERS, OVERLAP};
use super::layout::Layout;
use super::plan::{Plan, Signal};
use super::{Scope, ScriptedModel};
use crate::gguf::{Source, TensorType, Writer};
use crate::tokenizer::{MESSAGE_END, MESSAGE_START};

/// The length of an attention head: the number of rules that one head can copy.
const HEAD: usize = 64;
/// The scores of attention are divided by the root of the head's length.
const SCORE_SCALE: f32 = 8.0;
/// The constant in every embedding: its square is far above the sum of all the others.
const BALLAST: f32 = 256.0;
/// A difference of scores that leaves nothing of the lower one.
const DECISIVE: f32 = 60.0;
/// How much attention a trigger loses by its age. Scores of F16 products stay below 65,504.
const RECENCY: f32 = 60_000.0;
/// The size of the keys, so that neither keys nor queries leave the range of F16.
const KEY: f32 = 1000.0;
/// How much more the feed-forward part makes of a difference before it is cut off at one.
const GAIN: f32 = 20.0;
/// How close to a sharp bend the activation function comes.
const BEND: f32 = 20.0;
/// Rotary factors so large that no position turns anything.
const UNTURNED: f32 = 1e30;

/// A row of a matrix: the columns that are not zero.
type Row = Vec<(usize, f32)>;

/// Adds the sizes and the tensors of the scripted model.
pub(super) fn add(writer: &mut Writer, plan: &Plan, model: &ScriptedModel) {
    let layout = Layout::new(plan);
    let heads = plan.triggers.len().div_ceil(HEAD).max(1);
    // The architecture gives all blocks the same length.
    let padding_length = model.padding.map_or(0, |padding| padding.feed_forward as usize);
    let neurons = (2 * plan.openings.len()).next_multiple_of(32).max(padding_length);
    describe(writer, &layout, heads, neurons, model);

    let logit = model.sharpness / (1.0 - OVERLAP);
    let mut weights = Weights { writer, layout: &layout, heads, tokens: plan.tokenizer.len() };
    weights.token_matrix("token_embd.weight", embedding(plan, &layout));
    weights.token_matrix("output.weight", output(plan, &layout, logit));
    weights.norm("output_norm.weight");
    weights.vector("rope_freqs.weight", vec![UNTURNED; HEAD / 2]);
    weights.add_block(0, neurons, &counting_attention(&layout), &distance_neurons(&layout, model.scope));
    weights.add_block(
        1,
        neurons,
        &selecting_attention(&layout, plan.triggers.len(), model.scope),
        &opening_neurons(plan, &layout),
    );
    if let Some(padding) = model.padding {
        for layer in 0..padding.layers {
            weights.add_padding_block(2 + layer, neurons);
        }
    }
}

fn describe(writer: &mut Writer, layout: &Layout, heads: usize, neurons: usize, model: &ScriptedModel) {
    let padding_layers = model.padding.map_or(0, |padding| padding.layers);
    writer
        .set("general.file_type", TensorType::F16.file_type())
        .set("llama.embedding_length", layout.dimension as u32)
        .set("llama.block_count", 2 + padding_layers)
        .set("llama.feed_forward_length", neurons as u32)
        .set("llama.attention.head_count", heads as u32)
        .set("llama.attention.head_count_kv", heads as u32)
        .set("llama.attention.key_length", HEAD as u32)
        .set("llama.attention.value_length", HEAD as u32)
        .set("llama.rope.dimension_count", HEAD as u32)
        .set("llama.attention.layer_norm_rms_epsilon", 1e-6_f32);
}

/// Returns the column that yields `value` in every token.
fn constant(layout: &Layout, value: f32) -> (usize, f32) {
    (layout.ballast, value / BALLAST)
}

/// Says what every token is.
fn embedding(plan: &Plan, layout: &Layout) -> Vec<Row> {
    let mut rows: Vec<Row> = plan
        .signals
        .iter()
        .map(|signal| {
            let mut row = vec![(layout.ballast, BALLAST)];
            match *signal {
                Signal::Junction(junction) => row.push((layout.junction(junction), 1.0)),
                Signal::Target(target) => row.push((layout.target(target), 1.0)),
                Signal::Word(word) => row.extend(plan.code.word(word).map(|feature| (feature, 1.0))),
            }
            row
        })
        .collect();
    for (text, feature) in [(MESSAGE_START, layout.message_start), (MESSAGE_END, layout.message_end)] {
        let id = plan.tokenizer.id(text).expect("training adds the control tokens");
        rows[id as usize].push((feature, 1.0));
    }
    for (rule, trigger) in plan.triggers.iter().enumerate() {
        let row = &mut rows[*trigger as usize];
        row.push((layout.rule(rule), 1.0));
        if !row.contains(&(layout.trigger, 1.0)) {
            row.push((layout.trigger, 1.0));
        }
    }
    rows
}

/// Gives each token the logit of what leads to it.
fn output(plan: &Plan, layout: &Layout, logit: f32) -> Vec<Row> {
    let mut rows = vec![Row::new(); plan.signals.len()];
    for (word, token) in plan.after_word.iter().enumerate() {
        let letters = plan.code.word(word).map(|feature| (feature, logit / LETTERS as f32));
        rows[*token as usize].extend(letters);
    }
    for (target, token) in plan.targets.iter().enumerate() {
        rows[*token as usize].push((layout.target(target), logit));
    }
    for (index, opening) in plan.openings.iter().enumerate() {
        rows[opening.token as usize].push((layout.opening(index), logit));
    }
    rows
}

/// The rows of an attention block that are not zero.
#[derive(Default)]
struct Attention {
    /// The first features of every head's query and of its key; all the heads look at the same tokens.
    lanes: Vec<Lane>,
    /// What is copied and where it goes, 64 pairs a head.
    copies: Vec<(Row, usize)>,
}

#[derive(Default)]
struct Lane {
    query: Row,
    key: Row,
}

/// Counts the messages so far.
fn counting_attention(layout: &Layout) -> Attention {
    let lane = Lane {
        query: vec![constant(layout, DECISIVE * SCORE_SCALE)],
        key: vec![(layout.message_start, 1.0), (layout.message_end, 1.0)],
    };
    let signed = vec![(layout.message_start, 1.0), (layout.message_end, -1.0)];
    Attention { lanes: vec![lane], copies: vec![(signed, layout.age)] }
}

/// Looks at the triggers with the smallest age and copies their rules.
fn selecting_attention(layout: &Layout, rules: usize, scope: Scope) -> Attention {
    let query = |value: f32| value * SCORE_SCALE / KEY;
    let mut kind = Lane { query: vec![constant(layout, query(RECENCY + DECISIVE))], key: vec![(layout.trigger, KEY)] };
    let age = Lane { query: vec![constant(layout, query(-RECENCY))], key: vec![(layout.age, KEY)] };
    let mut lanes = Vec::new();
    if scope == Scope::LastMessage {
        // The mark of the present message stands for the default. It is made to look older than the
        // message before, and younger than the one before that.
        kind.key.push((layout.message_start, KEY));
        lanes.push(Lane { query: vec![(layout.distance, query(-RECENCY))], key: vec![(layout.message_start, KEY)] });
    }
    lanes.extend([kind, age]);
    let copies = (0..rules).map(|rule| (vec![(layout.rule(rule), 1.0)], layout.selected(rule))).collect();
    Attention { lanes, copies }
}

/// A feed-forward neuron: `result += activation(gate) · up`.
struct Neuron {
    gate: Row,
    up: Row,
    result: (usize, f32),
}

/// Computes the distance that is out of scope from the age.
///
/// With the age `x` of this message the age of the one before is `x / (1 - 2x)`, and of the one before that
/// `x / (1 - 4x)`. Between them lies `x + 3x² + 2.5 max(0, x - 0.16)`, for every number of messages; `x` itself
/// is in the key of the message's mark.
fn distance_neurons(layout: &Layout, scope: Scope) -> Vec<Neuron> {
    const STEEP: f32 = 1000.0;
    if scope == Scope::Conversation {
        return Vec::new();
    }
    let square =
        Neuron { gate: vec![(layout.age, STEEP)], up: vec![(layout.age, 1.0)], result: (layout.distance, 3.0 / STEEP) };
    let bend = Neuron {
        gate: vec![(layout.age, STEEP), constant(layout, -0.16 * STEEP)],
        up: vec![constant(layout, 1.0)],
        result: (layout.distance, 2.5 / STEEP),
    };
    vec![square, bend]
}

/// Switches an opening on at its junction if its rule is the last of those selected.
///
/// Two neurons make a step from 0 to 1: `max(0, z) - max(0, z - 1)`.
fn opening_neurons(plan: &Plan, layout: &Layout) -> Vec<Neuron> {
    let mut neurons = Vec::new();
    for (index, opening) in plan.openings.iter().enumerate() {
        let mut condition = vec![(layout.junction(opening.junction), 2.0 * GAIN), constant(layout, -2.0 * GAIN)];
        match opening.rule.checked_sub(1) {
            None => condition.push(constant(layout, GAIN)),
            Some(rule) => condition.push((layout.selected(rule), GAIN)),
        }
        condition.extend((opening.rule..plan.triggers.len()).map(|later| (layout.selected(later), -16.0 * GAIN)));
        for (offset, sign) in [(0.0, 1.0), (-1.0, -1.0)] {
            let mut gate: Row = condition.iter().map(|(column, weight)| (*column, weight * BEND)).collect();
            gate.push(constant(layout, offset * BEND));
            neurons.push(Neuron {
                gate,
                up: vec![constant(layout, 1.0)],
                result: (layout.opening(index), sign / BEND),
            });
        }
    }
    neurons
}

/// Adds tensors of the model's shape to a file.
struct Weights<'a> {
    writer: &'a mut Writer,
    layout: &'a Layout,
    heads: usize,
    tokens: usize,
}

impl Weights<'_> {
    fn add_block(&mut self, layer: u32, neurons: usize, attention: &Attention, feed_forward: &[Neuron]) {
        let dimension = self.layout.dimension;
        let head_rows = self.heads * HEAD;
        let mut query = vec![Row::new(); head_rows];
        let mut key = vec![Row::new(); head_rows];
        for head in 0..self.heads {
            for (index, lane) in attention.lanes.iter().enumerate() {
                query[head * HEAD + index].clone_from(&lane.query);
                key[head * HEAD + index].clone_from(&lane.key);
            }
        }
        let mut value = vec![Row::new(); head_rows];
        let mut attention_output = vec![Row::new(); dimension];
        for (index, (row, feature)) in attention.copies.iter().enumerate() {
            value[index].clone_from(row);
            attention_output[*feature].push((index, 1.0));
        }
        let mut gate = vec![Row::new(); neurons];
        let mut up = vec![Row::new(); neurons];
        let mut down = vec![Row::new(); dimension];
        for (index, neuron) in feed_forward.iter().enumerate() {
            gate[index].clone_from(&neuron.gate);
            up[index].clone_from(&neuron.up);
            down[neuron.result.0].push((index, neuron.result.1));
        }

        let name = |part: &str| format!("blk.{layer}.{part}.weight");
        self.norm(&name("attn_norm"));
        self.matrix(&name("attn_q"), dimension, query);
        self.matrix(&name("attn_k"), dimension, key);
        self.matrix(&name("attn_v"), dimension, value);
        self.matrix(&name("attn_output"), head_rows, attention_output);
        self.norm(&name("ffn_norm"));
        self.matrix(&name("ffn_gate"), dimension, gate);
        self.matrix(&name("ffn_up"), dimension, up);
        self.matrix(&name("ffn_down"), neurons, down);
    }

    fn add_padding_block(&mut self, layer: u32, neurons: usize) {
        let dimension = self.layout.dimension as u64;
        let feed_forward = neurons as u64;
        let head_rows = (self.heads * HEAD) as u64;
        let name = |part: &str| format!("blk.{layer}.{part}.weight");
        self.norm(&name("attn_norm"));
        self.zeros(&name("attn_q"), dimension, head_rows);
        self.zeros(&name("attn_k"), dimension, head_rows);
        self.zeros(&name("attn_v"), dimension, head_rows);
        self.zeros(&name("attn_output"), head_rows, dimension);
        self.norm(&name("ffn_norm"));
        self.zeros(&name("ffn_gate"), dimension, feed_forward);
        self.zeros(&name("ffn_up"), dimension, feed_forward);
        self.zeros(&name("ffn_down"), feed_forward, dimension);
    }

    /// Undoes the division by the root of the mean square, which is the ballast's.
    fn norm(&mut self, name: &str) {
        let dimension = self.layout.dimension;
        self.vector(name, vec![BALLAST / (dimension as f32).sqrt(); dimension]);
    }

    fn vector(&mut self, name: &str, values: Vec<f32>) {
        self.writer.tensor(name, &[values.len() as u64], TensorType::F32, Source::Values(values));
    }

    fn token_matrix(&mut self, name: &str, rows: Vec<Row>) {
        debug_assert_eq!(rows.len(), self.tokens, "one row for each token");
        self.sparse(name, self.layout.dimension, TensorType::F16, rows);
    }

    fn matrix(&mut self, name: &str, columns: usize, rows: Vec<Row>) {
        self.sparse(name, columns, TensorType::F32, rows);
    }

    fn sparse(&mut self, name: &str, columns: usize, tensor_type: TensorType, rows: Vec<Row>) {
        let shape = [columns as u64, rows.len() as u64];
        let fill = move |index: usize, row: &mut [f32]| {
            for (column, value) in &rows[index] {
                row[*column] += value;
            }
        };
        self.writer.tensor(name, &shape, tensor_type, Source::Rows(Box::new(fill)));
    }

    fn zeros(&mut self, name: &str, columns: u64, rows: u64) {
        self.writer.tensor(name, &[columns, rows], TensorType::Q8_0, Source::Zeros);
    }
}

//! Writes GGUF version 3 files.
//!
//! Format: <https://github.com/ggml-org/ggml/blob/master/docs/gguf.md>.

mod tensor;
mod value;
mod writer;

pub use tensor::{FillRow, Pattern, Source, TensorType};
pub use value::Value;
pub use writer::Writer;

/// Where tensor data starts and every tensor within it, in bytes.
pub const ALIGNMENT: u64 = 32;

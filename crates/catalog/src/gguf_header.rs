//! Reads the header of a GGUF file without trusting it.
//!
//! Nothing is allocated on the word of the file: lengths are compared with what is left of it first, and arrays are
//! skipped. What passes has the counts, sizes and offsets that llama.cpp expects, so that the crashes known there
//! are refused here with a reason.
//!
//! Format: <https://github.com/ggml-org/ggml/blob/master/docs/gguf.md>.

mod error;
mod file_type;
mod header;
mod metadata;
mod reader;
mod summary;
mod tensor;
mod tensor_type;

pub use error::GgufError;
pub use header::GgufHeader;
pub use metadata::MetadataValue;
pub use summary::ModelSummary;
pub use tensor::TensorInfo;
pub use tensor_type::TensorType;

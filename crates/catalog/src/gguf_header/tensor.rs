use std::collections::HashSet;
use std::io::{BufRead, Seek};

use super::error::GgufError;
use super::reader::Reader;
use super::tensor_type::TensorType;

/// A tensor as the header describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TensorInfo {
    /// The name, up to 63 bytes.
    pub name: String,
    /// One to four lengths, the row first; none is zero.
    pub shape: Vec<u64>,
    /// How the numbers are stored.
    pub tensor_type: TensorType,
    /// Where the data begins, in bytes from the start of the file.
    pub position: u64,
    /// The size of the data in bytes.
    pub bytes: u64,
}

impl TensorInfo {
    /// Returns how many numbers the tensor has.
    #[must_use]
    pub fn elements(&self) -> u64 {
        // The product was checked when the tensor was read.
        self.shape.iter().product()
    }
}

/// llama.cpp keeps names in 64 bytes with a zero at the end.
const NAME_LIMIT: u64 = 63;

/// Reads all the descriptions and makes sure that the data is there.
pub(super) fn read_all<R: BufRead + Seek>(
    reader: &mut Reader<R>,
    count: u64,
    alignment: u64,
) -> Result<Vec<TensorInfo>, GgufError> {
    let mut tensors = Vec::new();
    let mut names = HashSet::new();
    let mut next_offset = 0_u64;
    for _ in 0..count {
        let tensor = read(reader, next_offset)?;
        if !names.insert(tensor.name.clone()) {
            return Err(GgufError::damaged(format!("the tensor {} is there twice", tensor.name)));
        }
        next_offset = padded_end(&tensor, alignment).ok_or_else(|| too_large(&tensor.name))?;
        tensors.push(tensor);
    }
    locate(reader, tensors, alignment)
}

/// Reads a description; the position is still counted from the start of the data.
fn read<R: BufRead + Seek>(reader: &mut Reader<R>, expected_offset: u64) -> Result<TensorInfo, GgufError> {
    let name = reader.text(NAME_LIMIT, "the name of a tensor")?;
    let dimensions = reader.u32()?;
    if !(1..=4).contains(&dimensions) {
        return Err(GgufError::damaged(format!("the tensor {name} has {dimensions} dimensions")));
    }
    let shape = (0..dimensions).map(|_| reader.u64()).collect::<Result<Vec<_>, _>>()?;
    let number = reader.u32()?;
    let tensor_type = TensorType::from_number(number)
        .ok_or_else(|| GgufError::damaged(format!("the tensor {name} has the unknown type {number}")))?;
    if shape.len() > 1 && name.ends_with(".weight") && !tensor_type.is_for_matrices() {
        return Err(GgufError::damaged(format!("the matrix {name} has the type {}", tensor_type.name())));
    }
    let position = reader.u64()?;
    if position != expected_offset {
        return Err(GgufError::damaged(format!("the tensor {name} begins at {position} instead of {expected_offset}")));
    }
    let bytes = data_bytes(&shape, tensor_type, &name)?;
    Ok(TensorInfo { name, shape, tensor_type, position, bytes })
}

fn data_bytes(shape: &[u64], tensor_type: TensorType, name: &str) -> Result<u64, GgufError> {
    let elements = shape
        .iter()
        .try_fold(1_u64, |product, length| product.checked_mul(*length))
        .filter(|elements| i64::try_from(*elements).is_ok())
        .ok_or_else(|| too_large(name))?;
    if elements == 0 {
        return Err(GgufError::damaged(format!("the tensor {name} is empty")));
    }
    if !shape[0].is_multiple_of(tensor_type.block_length()) {
        return Err(GgufError::damaged(format!("the rows of the tensor {name} are not whole blocks")));
    }
    (elements / tensor_type.block_length()).checked_mul(tensor_type.block_bytes()).ok_or_else(|| too_large(name))
}

fn padded_end(tensor: &TensorInfo, alignment: u64) -> Option<u64> {
    tensor.position.checked_add(tensor.bytes)?.checked_next_multiple_of(alignment)
}

/// Turns offsets into positions in the file and makes sure that the file reaches to the end of the last tensor.
fn locate<R: BufRead + Seek>(
    reader: &Reader<R>,
    mut tensors: Vec<TensorInfo>,
    alignment: u64,
) -> Result<Vec<TensorInfo>, GgufError> {
    let data_start = reader.position().next_multiple_of(alignment);
    for tensor in &mut tensors {
        tensor.position = tensor.position.checked_add(data_start).ok_or_else(|| too_large(&tensor.name))?;
    }
    let expected = match tensors.last() {
        None => 0,
        Some(last) => last.position.checked_add(last.bytes).ok_or_else(|| too_large(&last.name))?,
    };
    if expected > reader.length() {
        return Err(GgufError::Truncated { expected, actual: reader.length() });
    }
    Ok(tensors)
}

fn too_large(name: &str) -> GgufError {
    GgufError::damaged(format!("the tensor {name} is too large"))
}

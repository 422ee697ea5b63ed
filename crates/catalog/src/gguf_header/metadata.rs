use std::io::{BufRead, Seek};

use super::error::GgufError;
use super::reader::Reader;

const KEY_LIMIT: u64 = 64 << 10;
const TEXT_LIMIT: u64 = 16 << 20;
const ELEMENT_LIMIT: u64 = 4 << 20;
/// Arrays of whole numbers up to this length are kept: some sizes are given for every block.
const KEPT_ELEMENTS: u64 = 1024;

/// A value of the header; arrays are known by their length, and short ones of whole numbers by their elements.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum MetadataValue {
    /// A whole number of an unsigned type.
    Unsigned(u64),
    /// A whole number of a signed type.
    Signed(i64),
    /// A number of 32 or 64 bits.
    Float(f64),
    /// A truth value.
    Bool(bool),
    /// A text; bytes that are not UTF-8 are replaced.
    Text(String),
    /// An array of up to 1024 whole numbers or truth values.
    Integers(Vec<i64>),
    /// Any other array.
    Array {
        /// Its length.
        elements: u64,
    },
}

/// What values consist of.
#[derive(Clone, Copy)]
enum Kind {
    U8,
    I8,
    U16,
    I16,
    U32,
    I32,
    F32,
    Bool,
    Text,
    Array,
    U64,
    I64,
    F64,
}

impl Kind {
    fn from_number(number: u32) -> Result<Self, GgufError> {
        const KINDS: [Kind; 13] = [
            Kind::U8,
            Kind::I8,
            Kind::U16,
            Kind::I16,
            Kind::U32,
            Kind::I32,
            Kind::F32,
            Kind::Bool,
            Kind::Text,
            Kind::Array,
            Kind::U64,
            Kind::I64,
            Kind::F64,
        ];
        let kind = usize::try_from(number).ok().and_then(|index| KINDS.get(index));
        kind.copied().ok_or_else(|| GgufError::damaged(format!("a value has the unknown type {number}")))
    }

    /// Returns the size in bytes, if all values of the kind have the same.
    fn size(self) -> Option<u64> {
        match self {
            Self::U8 | Self::I8 | Self::Bool => Some(1),
            Self::U16 | Self::I16 => Some(2),
            Self::U32 | Self::I32 | Self::F32 => Some(4),
            Self::U64 | Self::I64 | Self::F64 => Some(8),
            Self::Text | Self::Array => None,
        }
    }

    fn is_integer(self) -> bool {
        self.size().is_some() && !matches!(self, Self::F32 | Self::F64)
    }
}

/// Reads a key and its value.
pub(super) fn read_entry<R: BufRead + Seek>(reader: &mut Reader<R>) -> Result<(String, MetadataValue), GgufError> {
    let key = reader.text(KEY_LIMIT, "a key")?;
    if key.is_empty() {
        return Err(GgufError::damaged("a key is empty"));
    }
    let kind = Kind::from_number(reader.u32()?)?;
    let value = match kind {
        Kind::Array => read_array(reader, &key)?,
        Kind::Text => MetadataValue::Text(reader.text(TEXT_LIMIT, &key)?),
        scalar => read_scalar(reader, scalar)?,
    };
    Ok((key, value))
}

fn read_scalar<R: BufRead + Seek>(reader: &mut Reader<R>, kind: Kind) -> Result<MetadataValue, GgufError> {
    Ok(match kind {
        Kind::U8 => MetadataValue::Unsigned(u8::from_le_bytes(reader.bytes()?).into()),
        Kind::I8 => MetadataValue::Signed(i8::from_le_bytes(reader.bytes()?).into()),
        Kind::U16 => MetadataValue::Unsigned(u16::from_le_bytes(reader.bytes()?).into()),
        Kind::I16 => MetadataValue::Signed(i16::from_le_bytes(reader.bytes()?).into()),
        Kind::U32 => MetadataValue::Unsigned(reader.u32()?.into()),
        Kind::I32 => MetadataValue::Signed(i32::from_le_bytes(reader.bytes()?).into()),
        Kind::F32 => MetadataValue::Float(f32::from_le_bytes(reader.bytes()?).into()),
        Kind::Bool => MetadataValue::Bool(reader.bytes::<1>()? != [0]),
        Kind::U64 => MetadataValue::Unsigned(reader.u64()?),
        Kind::I64 => MetadataValue::Signed(i64::from_le_bytes(reader.bytes()?)),
        Kind::F64 => MetadataValue::Float(f64::from_le_bytes(reader.bytes()?)),
        Kind::Text | Kind::Array => return Err(GgufError::damaged("an array holds arrays")),
    })
}

fn read_array<R: BufRead + Seek>(reader: &mut Reader<R>, key: &str) -> Result<MetadataValue, GgufError> {
    let kind = Kind::from_number(reader.u32()?)?;
    let elements = reader.u64()?;
    if elements > ELEMENT_LIMIT {
        return Err(GgufError::damaged(format!("{key} has more than {ELEMENT_LIMIT} elements")));
    }
    match kind.size() {
        Some(_) if kind.is_integer() && elements <= KEPT_ELEMENTS => read_integers(reader, kind, elements),
        Some(size) => {
            reader.skip(size * elements)?;
            Ok(MetadataValue::Array { elements })
        }
        None if matches!(kind, Kind::Array) => Err(GgufError::damaged(format!("{key} is an array of arrays"))),
        None => {
            (0..elements).try_for_each(|_| reader.skip_text(TEXT_LIMIT, key))?;
            Ok(MetadataValue::Array { elements })
        }
    }
}

fn read_integers<R: BufRead + Seek>(
    reader: &mut Reader<R>,
    kind: Kind,
    elements: u64,
) -> Result<MetadataValue, GgufError> {
    reader.keep(elements * 8)?;
    let integers = (0..elements).map(|_| {
        Ok(match read_scalar(reader, kind)? {
            MetadataValue::Signed(value) => value,
            MetadataValue::Unsigned(value) => i64::try_from(value).unwrap_or(i64::MAX),
            MetadataValue::Bool(value) => i64::from(value),
            _ => 0,
        })
    });
    integers.collect::<Result<_, GgufError>>().map(MetadataValue::Integers)
}

impl MetadataValue {
    /// Returns a whole number that is not negative.
    #[must_use]
    pub fn as_u64(&self) -> Option<u64> {
        match self {
            Self::Unsigned(value) => Some(*value),
            Self::Signed(value) => u64::try_from(*value).ok(),
            _ => None,
        }
    }

    /// Returns a text.
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Returns one number for each of `count` blocks: those of an array, or the same for all.
    pub(super) fn per_block(&self, count: u64) -> Option<Vec<u64>> {
        match self {
            Self::Integers(values) => values.iter().map(|value| u64::try_from(*value).ok()).collect(),
            scalar => scalar.as_u64().map(|value| vec![value; usize::try_from(count).unwrap_or(0)]),
        }
    }
}

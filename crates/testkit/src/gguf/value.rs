use std::io::{self, Write};

/// A metadata value.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "the names are those of the format's types")]
pub enum Value {
    U32(u32),
    I32(i32),
    F32(f32),
    U64(u64),
    Bool(bool),
    String(String),
    U32s(Vec<u32>),
    I32s(Vec<i32>),
    F32s(Vec<f32>),
    Strings(Vec<String>),
}

impl Value {
    const ARRAY: u32 = 9;

    /// Returns the type number, or that of the elements of an array.
    fn type_number(&self) -> u32 {
        match self {
            Self::U32(_) | Self::U32s(_) => 4,
            Self::I32(_) | Self::I32s(_) => 5,
            Self::F32(_) | Self::F32s(_) => 6,
            Self::Bool(_) => 7,
            Self::String(_) | Self::Strings(_) => 8,
            Self::U64(_) => 10,
        }
    }

    pub(super) fn write(&self, out: &mut impl Write) -> io::Result<()> {
        match self {
            Self::U32s(values) => self.write_array(out, values, |out, value| out.write_all(&value.to_le_bytes())),
            Self::I32s(values) => self.write_array(out, values, |out, value| out.write_all(&value.to_le_bytes())),
            Self::F32s(values) => self.write_array(out, values, |out, value| out.write_all(&value.to_le_bytes())),
            Self::Strings(values) => self.write_array(out, values, |out, value| write_string(out, value)),
            scalar => {
                out.write_all(&scalar.type_number().to_le_bytes())?;
                scalar.write_scalar(out)
            }
        }
    }

    fn write_scalar(&self, out: &mut impl Write) -> io::Result<()> {
        match self {
            Self::U32(value) => out.write_all(&value.to_le_bytes()),
            Self::I32(value) => out.write_all(&value.to_le_bytes()),
            Self::F32(value) => out.write_all(&value.to_le_bytes()),
            Self::U64(value) => out.write_all(&value.to_le_bytes()),
            Self::Bool(value) => out.write_all(&[u8::from(*value)]),
            Self::String(value) => write_string(out, value),
            Self::U32s(_) | Self::I32s(_) | Self::F32s(_) | Self::Strings(_) => Ok(()),
        }
    }

    fn write_array<Out: Write, Element>(
        &self,
        out: &mut Out,
        elements: &[Element],
        write_element: impl Fn(&mut Out, &Element) -> io::Result<()>,
    ) -> io::Result<()> {
        out.write_all(&Self::ARRAY.to_le_bytes())?;
        out.write_all(&self.type_number().to_le_bytes())?;
        out.write_all(&(elements.len() as u64).to_le_bytes())?;
        elements.iter().try_for_each(|element| write_element(out, element))
    }
}

impl From<u32> for Value {
    fn from(value: u32) -> Self {
        Self::U32(value)
    }
}

impl From<f32> for Value {
    fn from(value: f32) -> Self {
        Self::F32(value)
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::String(value.to_owned())
    }
}

pub(super) fn write_string(out: &mut impl Write, text: &str) -> io::Result<()> {
    out.write_all(&(text.len() as u64).to_le_bytes())?;
    out.write_all(text.as_bytes())
}

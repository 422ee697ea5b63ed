//! Pictures and sounds in messages.

use serde::{Deserialize, Serialize};

/// A picture or a sound in a message. Like the text, it is never trusted.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Media {
    /// Where in the message's text it stands: behind so many bytes of it, between two characters. Media of a message are
    /// in the order of their places.
    #[serde(default)]
    pub at: usize,
    /// A file: PNG, JPEG, WebP, GIF (its first picture) or BMP; WAV, MP3 or FLAC.
    #[serde(with = "base64_text")]
    pub file: Vec<u8>,
}

impl std::fmt::Debug for Media {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { at, file } = self;
        write!(formatter, "Media {{ at: {at}, {} bytes }}", file.len())
    }
}

/// What a [`Media`] is, by the beginning of its file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MediaKind {
    /// A picture.
    Image,
    /// A sound.
    Audio,
}

impl std::fmt::Display for MediaKind {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::Image => "pictures",
            Self::Audio => "sounds",
        })
    }
}

/// What a model takes beside text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Inputs {
    /// Pictures.
    pub images: bool,
    /// Sounds.
    pub audio: bool,
}

mod base64_text {
    use base64::Engine;
    use base64::prelude::BASE64_STANDARD;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&BASE64_STANDARD.encode(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        BASE64_STANDARD.decode(String::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_survives_as_text() {
        let media = Media { at: 3, file: vec![0, 255, 10, 13] };
        let text = serde_json::to_string(&media).unwrap();
        assert_eq!(text, r#"{"at":3,"file":"AP8KDQ=="}"#);
        assert_eq!(serde_json::from_str::<Media>(&text).unwrap(), media);
        assert!(serde_json::from_str::<Media>(r#"{"at":3,"file":"A*"}"#).is_err());
    }
}

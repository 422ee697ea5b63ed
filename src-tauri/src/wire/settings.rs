//! What the window remembers of itself.

use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Settings {
    pub(crate) language: LanguageChoice,
    theme: Theme,
    sidebar_open: bool,
    inspector_open: bool,
    /// What the state of conversations may take on disk, in gibibytes.
    cache_gigabytes: f64,
}

impl Settings {
    /// What the state of conversations may take on disk, in bytes.
    pub(crate) fn cache_bytes(&self) -> u64 {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is in range by then")]
        let bytes = (self.cache_gigabytes.clamp(0.0, LARGEST_CACHE) * GIBIBYTE).round() as u64;
        bytes
    }
}

/// The most that can be asked for, in gibibytes.
const LARGEST_CACHE: f64 = 1000.0;
const GIBIBYTE: f64 = 1_073_741_824.0;

#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LanguageChoice {
    #[default]
    Auto,
    En,
    Ja,
    Ru,
}

#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Theme {
    #[default]
    System,
    Light,
    Dark,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            language: LanguageChoice::Auto,
            theme: Theme::System,
            sidebar_open: true,
            inspector_open: true,
            cache_gigabytes: 4.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_size_of_the_cache_is_one_that_can_be() {
        let bytes = |json: &str| serde_json::from_str::<Settings>(json).unwrap().cache_bytes();
        assert_eq!(bytes("{}"), 4 << 30);
        assert_eq!(bytes(r#"{"cacheGigabytes": 0.5}"#), 1 << 29);
        assert_eq!(bytes(r#"{"cacheGigabytes": -3}"#), 0);
        assert_eq!(bytes(r#"{"cacheGigabytes": 1e300}"#), 1000 << 30);
    }
}

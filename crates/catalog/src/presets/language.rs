use std::collections::BTreeMap;

/// A language of the interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Language {
    English,
    Japanese,
    Russian,
}

impl Language {
    /// Every language, English first.
    pub const ALL: [Self; 3] = [Self::English, Self::Japanese, Self::Russian];

    /// Returns the code of ISO 639-1.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::Japanese => "ja",
            Self::Russian => "ru",
        }
    }

    /// Returns the language of a code such as `ja` or `ja-JP`.
    #[must_use]
    pub fn from_code(code: &str) -> Option<Self> {
        let primary = code.split(['-', '_']).next()?;
        Self::ALL.into_iter().find(|language| language.code().eq_ignore_ascii_case(primary))
    }

    /// Returns the text of this language, else the English one, if there is one that is not blank.
    pub(super) fn pick(self, texts: &BTreeMap<String, String>) -> Option<&str> {
        let text =
            |language: Self| texts.get(language.code()).map(String::as_str).filter(|text| !text.trim().is_empty());
        text(self).or_else(|| text(Self::English))
    }
}

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use super::error::CardError;
use super::extension::EngawaExtension;

const JSON_LIMIT: usize = 8 << 20;
const NAME_LIMIT: usize = 500;
const TEXT_LIMIT: usize = 1_000_000;
const LIST_LIMIT: usize = 1_000;

/// The formats in which character cards are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CardVersion {
    /// Six texts without a wrapping.
    V1,
    /// `chara_card_v2`.
    V2,
    /// `chara_card_v3`.
    V3,
}

/// A character card, whichever format it came in.
#[derive(Debug, Clone, PartialEq)]
pub struct CharacterCard {
    /// The format that the card came in.
    pub version: CardVersion,
    /// The character.
    pub data: CardData,
    /// What stands beside the data and is not known here.
    pub other: Map<String, Value>,
}

/// The character on a card. Texts may hold `{{char}}` and `{{user}}`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct CardData {
    /// The name, also what `{{char}}` stands for.
    #[serde(deserialize_with = "null_as_default")]
    pub name: String,
    /// Who the character is, for the model to read.
    #[serde(deserialize_with = "null_as_default")]
    pub description: String,
    /// How the character is, in brief; read by the model.
    #[serde(deserialize_with = "null_as_default")]
    pub personality: String,
    /// Where the conversation takes place; read by the model.
    #[serde(deserialize_with = "null_as_default")]
    pub scenario: String,
    /// The greeting.
    #[serde(deserialize_with = "null_as_default")]
    pub first_mes: String,
    /// Conversations as examples, each after `<START>`.
    #[serde(deserialize_with = "null_as_default")]
    pub mes_example: String,
    /// For people, not for the model.
    #[serde(deserialize_with = "null_as_default")]
    pub creator_notes: String,
    /// What the model is told first.
    #[serde(deserialize_with = "null_as_default")]
    pub system_prompt: String,
    /// Put after the conversation.
    #[serde(deserialize_with = "null_as_default")]
    pub post_history_instructions: String,
    /// Other greetings.
    #[serde(deserialize_with = "null_as_default")]
    pub alternate_greetings: Vec<String>,
    /// For searching.
    #[serde(deserialize_with = "null_as_default")]
    pub tags: Vec<String>,
    /// Who made the card.
    #[serde(deserialize_with = "null_as_default")]
    pub creator: String,
    /// The version of the card.
    #[serde(deserialize_with = "null_as_default")]
    pub character_version: String,
    /// What programs add.
    #[serde(deserialize_with = "null_as_default")]
    pub extensions: Extensions,
    /// Version 3: the notes in other languages, by their codes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub creator_notes_multilingual: Option<std::collections::BTreeMap<String, String>>,
    /// Version 3: what `{{char}}` stands for, if not for the name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nickname: Option<String>,
    /// Version 3: greetings for chats of several characters.
    #[serde(deserialize_with = "null_as_default")]
    pub group_only_greetings: Vec<String>,
    /// Fields that are not known here, such as `character_book` and `assets`.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// What programs add to a card.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Extensions {
    /// What Engawa adds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub engawa: Option<EngawaExtension>,
    /// The additions of others.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

impl CharacterCard {
    /// Reads a card of version 1, 2 or 3.
    ///
    /// # Errors
    /// A [`CardError`] if the text is not a card, has no name, or holds more than a person could have written.
    pub fn parse(json: &str) -> Result<Self, CardError> {
        if json.len() > JSON_LIMIT {
            return Err(CardError::TooLarge { limit: JSON_LIMIT });
        }
        // Windows editors put a byte order mark in front.
        let mut fields: Map<String, Value> = from_json(json.trim_start_matches('\u{FEFF}'))?;
        let version = version(&fields)?;
        let (data, other) = match version {
            CardVersion::V1 => (Value::Object(fields), Map::new()),
            CardVersion::V2 | CardVersion::V3 => {
                let data = fields.remove("data").unwrap_or_default();
                fields.remove("spec");
                fields.remove("spec_version");
                (data, fields)
            }
        };
        let data: CardData = serde_json::from_value(data).map_err(CardError::NotACard)?;
        data.check()?;
        Ok(Self { version, data, other })
    }

    /// Writes the card as version 3.
    #[must_use]
    pub fn to_json(&self) -> String {
        self.to_json_as(CardVersion::V3)
    }

    /// Writes the card in another format; version 1 holds only its six texts and unknown fields.
    #[must_use]
    pub fn to_json_as(&self, version: CardVersion) -> String {
        let mut data = to_fields(&self.data);
        let (spec, spec_version) = match version {
            CardVersion::V1 => {
                const LATER: [&str; 11] = [
                    "creator_notes",
                    "system_prompt",
                    "post_history_instructions",
                    "alternate_greetings",
                    "tags",
                    "creator",
                    "character_version",
                    "extensions",
                    "creator_notes_multilingual",
                    "nickname",
                    "group_only_greetings",
                ];
                for field in LATER {
                    data.remove(field);
                }
                return pretty(&data);
            }
            CardVersion::V2 => ("chara_card_v2", "2.0"),
            CardVersion::V3 => ("chara_card_v3", "3.0"),
        };
        let mut fields = Map::new();
        fields.insert("spec".to_owned(), spec.into());
        fields.insert("spec_version".to_owned(), spec_version.into());
        fields.insert("data".to_owned(), data.into());
        fields.extend(self.other.clone());
        pretty(&fields)
    }
}

impl CardData {
    fn check(&self) -> Result<(), CardError> {
        if self.name.trim().is_empty() {
            return Err(CardError::NoName);
        }
        let texts = [
            ("name", &self.name, NAME_LIMIT),
            ("description", &self.description, TEXT_LIMIT),
            ("personality", &self.personality, TEXT_LIMIT),
            ("scenario", &self.scenario, TEXT_LIMIT),
            ("first_mes", &self.first_mes, TEXT_LIMIT),
            ("mes_example", &self.mes_example, TEXT_LIMIT),
            ("creator_notes", &self.creator_notes, TEXT_LIMIT),
            ("system_prompt", &self.system_prompt, TEXT_LIMIT),
            ("post_history_instructions", &self.post_history_instructions, TEXT_LIMIT),
        ];
        for (field, text, limit) in texts {
            if text.len() > limit {
                return Err(CardError::TooLong { field, limit, unit: "bytes" });
            }
        }
        let lists = [
            ("alternate_greetings", self.alternate_greetings.len()),
            ("tags", self.tags.len()),
            ("group_only_greetings", self.group_only_greetings.len()),
        ];
        for (field, length) in lists {
            if length > LIST_LIMIT {
                return Err(CardError::TooLong { field, limit: LIST_LIMIT, unit: "entries" });
            }
        }
        Ok(())
    }
}

fn version(fields: &Map<String, Value>) -> Result<CardVersion, CardError> {
    match fields.get("spec") {
        None | Some(Value::Null) => Ok(CardVersion::V1),
        Some(Value::String(spec)) if spec == "chara_card_v2" => Ok(CardVersion::V2),
        Some(Value::String(spec)) if spec == "chara_card_v3" => Ok(CardVersion::V3),
        Some(other) => Err(CardError::UnknownFormat(other.to_string().chars().take(100).collect())),
    }
}

fn from_json<T: DeserializeOwned>(json: &str) -> Result<T, CardError> {
    serde_json::from_str(json).map_err(CardError::NotACard)
}

fn to_fields(data: &CardData) -> Map<String, Value> {
    match serde_json::to_value(data) {
        Ok(Value::Object(fields)) => fields,
        _ => unreachable!("a structure with text keys is a JSON object"),
    }
}

fn pretty(fields: &Map<String, Value>) -> String {
    serde_json::to_string_pretty(fields).expect("JSON values can be written")
}

/// Many programs write `null` for what is empty.
fn null_as_default<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(deserializer: D) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

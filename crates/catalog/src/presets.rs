//! Characters and sampling presets, as JSON files that other apps understand too.
//!
//! Characters are character cards: <https://github.com/kwaroran/character-card-spec-v3>. What Engawa adds to a card
//! lies under `extensions.engawa`, and whatever else a card holds is kept.

mod built_in;
mod card;
mod character;
mod error;
mod example_dialogue;
mod extension;
mod folder;
mod language;
mod macros;
mod sampling;

pub use built_in::built_in_characters;
pub use card::{CardData, CardVersion, CharacterCard, Extensions};
pub use character::Character;
pub use error::{CardError, CardProblem, PresetError};
pub use example_dialogue::{ExampleTurn, Speaker};
pub use extension::EngawaExtension;
pub use folder::{load_characters, load_sampling_presets};
pub use language::Language;
pub use sampling::{SamplingPreset, SamplingSuggestion};

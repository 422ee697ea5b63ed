//! The characters that come with Engawa.

use super::card::CharacterCard;
use super::character::Character;

/// The cards under `presets/characters/`, inside the program so that they are there wherever it lies.
const CARDS: [&str; 7] = [
    include_str!("../../../../presets/characters/tsundere.json"),
    include_str!("../../../../presets/characters/friendly.json"),
    include_str!("../../../../presets/characters/technical.json"),
    include_str!("../../../../presets/characters/casual.json"),
    include_str!("../../../../presets/characters/polite.json"),
    include_str!("../../../../presets/characters/creative.json"),
    include_str!("../../../../presets/characters/academic.json"),
];

/// Returns the seven characters that come with Engawa, in the order in which they are offered.
#[must_use]
pub fn built_in_characters() -> Vec<Character> {
    // A test holds each of them to being readable.
    CARDS.iter().filter_map(|card| Some(Character::new(CharacterCard::parse(card).ok()?, ""))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_of_them_can_be_read() {
        let ids: Vec<String> = built_in_characters().iter().map(|character| character.id().to_owned()).collect();
        assert_eq!(ids, ["tsundere", "friendly", "technical", "casual", "polite", "creative", "academic"]);
    }
}

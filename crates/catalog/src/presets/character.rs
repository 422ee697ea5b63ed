use super::card::{CardData, CharacterCard};
use super::example_dialogue::{self, ExampleTurn};
use super::extension::EngawaExtension;
use super::language::Language;
use super::macros;
use super::sampling::SamplingSuggestion;

/// A character to talk with, as its card describes it.
#[derive(Debug, Clone, PartialEq)]
pub struct Character {
    id: String,
    card: CharacterCard,
    extension: EngawaExtension,
}

impl Character {
    const EMOJI: &str = "💬";

    /// Makes a character of a card; `fallback_id` is used if the card has no id of ours, such as the name of its file.
    #[must_use]
    pub fn new(card: CharacterCard, fallback_id: &str) -> Self {
        let extension = card.data.extensions.engawa.clone().unwrap_or_default();
        let id = extension.id.clone().filter(|id| !id.trim().is_empty()).unwrap_or_else(|| fallback_id.to_owned());
        Self { id, card, extension }
    }

    /// Returns the id that chats and settings keep.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Returns the card.
    #[must_use]
    pub fn card(&self) -> &CharacterCard {
        &self.card
    }

    /// Returns what to show where there is no picture.
    #[must_use]
    pub fn emoji(&self) -> &str {
        self.extension.emoji.as_deref().unwrap_or(Self::EMOJI)
    }

    /// Returns the place in a list, if the card names one.
    #[must_use]
    pub fn order(&self) -> Option<i64> {
        self.extension.order
    }

    /// Returns the name to show.
    #[must_use]
    pub fn name(&self, language: Language) -> &str {
        language.pick(&self.extension.names).unwrap_or(&self.data().name)
    }

    /// Returns one line about the character, for people; the creator's notes if there is none.
    #[must_use]
    pub fn description(&self, language: Language) -> &str {
        let data = self.data();
        language
            .pick(&self.extension.descriptions)
            .or_else(|| language.pick(data.creator_notes_multilingual.as_ref()?))
            .unwrap_or(&data.creator_notes)
    }

    /// Returns what tells the model who it is: the system prompt, the description, the personality and the scenario.
    #[must_use]
    pub fn system_prompt(&self, user: &str) -> String {
        let data = self.data();
        let parts = [&data.system_prompt, &data.description, &data.personality, &data.scenario];
        let parts: Vec<&str> = parts.into_iter().map(|part| part.trim()).filter(|part| !part.is_empty()).collect();
        self.substitute(&parts.join("\n\n"), user)
    }

    /// Returns what the character says first; it may be empty.
    #[must_use]
    pub fn greeting(&self, user: &str) -> String {
        self.substitute(self.data().first_mes.trim(), user)
    }

    /// Returns other ways to begin.
    #[must_use]
    pub fn alternate_greetings(&self, user: &str) -> Vec<String> {
        self.data().alternate_greetings.iter().map(|greeting| self.substitute(greeting.trim(), user)).collect()
    }

    /// Returns what the card wants to be put after the conversation; it may be empty.
    #[must_use]
    pub fn post_history_instructions(&self, user: &str) -> String {
        self.substitute(self.data().post_history_instructions.trim(), user)
    }

    /// Returns the conversations that show how the character talks.
    #[must_use]
    pub fn example_dialogue(&self, user: &str) -> Vec<Vec<ExampleTurn>> {
        let mut conversations = example_dialogue::parse(&self.data().mes_example, self.spoken_name(), user);
        for turn in conversations.iter_mut().flatten() {
            turn.text = self.substitute(&turn.text, user);
        }
        conversations
    }

    /// Returns the settings that suit the character.
    #[must_use]
    pub fn sampling(&self) -> &SamplingSuggestion {
        &self.extension.sampling
    }

    fn data(&self) -> &CardData {
        &self.card.data
    }

    /// Returns what `{{char}}` stands for.
    fn spoken_name(&self) -> &str {
        let nickname = self.data().nickname.as_deref().filter(|nickname| !nickname.trim().is_empty());
        nickname.unwrap_or(&self.data().name)
    }

    fn substitute(&self, text: &str, user: &str) -> String {
        macros::substitute(text, self.spoken_name(), user)
    }
}

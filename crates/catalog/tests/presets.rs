//! The presets that come with Engawa, and cards of other apps.

use std::fs;
use std::path::PathBuf;

use engawa_catalog::presets::{
    CardError, CardVersion, Character, CharacterCard, Language, PresetError, Speaker, load_characters,
    load_sampling_presets,
};
use serde_json::{Value, json};
use tempfile::TempDir;

fn presets() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../presets")
}

#[test]
fn the_seven_characters_load_in_order() {
    let (characters, problems) = load_characters(&presets().join("characters"));
    assert!(problems.is_empty(), "{problems:?}");
    let shown: Vec<(&str, &str)> = characters.iter().map(|character| (character.id(), character.emoji())).collect();
    assert_eq!(
        shown,
        [
            ("tsundere", "🎭"),
            ("friendly", "😊"),
            ("technical", "🔧"),
            ("casual", "😎"),
            ("polite", "🙏"),
            ("creative", "🎨"),
            ("academic", "📚"),
        ]
    );
}

#[test]
fn every_character_speaks_all_languages_and_is_complete() {
    for character in load_characters(&presets().join("characters")).0 {
        let id = character.id();
        let extension = character.card().data.extensions.engawa.as_ref().unwrap();
        for language in Language::ALL {
            assert!(extension.names.contains_key(language.code()), "{id} has no name in {language:?}");
            assert!(extension.descriptions.contains_key(language.code()), "{id} has no description in {language:?}");
            assert!(!character.description(language).contains('\n'), "{id}: a description is one line");
        }
        let prompt = character.system_prompt("ケン");
        assert!(prompt.chars().count() > 300, "{id}: {prompt}");
        assert!(!prompt.contains("{{") && !character.greeting("ケン").contains("{{"), "{id}: a macro is left");
        let examples = character.example_dialogue("ケン");
        let exchanges: usize = examples.iter().flatten().filter(|turn| turn.speaker == Speaker::Character).count();
        assert!((2..=3).contains(&exchanges), "{id} has {exchanges} exchanges");
        for conversation in &examples {
            let speakers: Vec<Speaker> = conversation.iter().map(|turn| turn.speaker).collect();
            assert!(speakers.chunks(2).all(|pair| pair == [Speaker::User, Speaker::Character]), "{id}: {speakers:?}");
        }
        assert!(character.sampling().temperature.is_some() && character.sampling().max_tokens.is_some(), "{id}");
        assert!(character.sampling().other.is_empty(), "{id} has an unknown setting");
    }
}

#[test]
fn the_characters_survive_a_round_trip() {
    for entry in fs::read_dir(presets().join("characters")).unwrap() {
        let text = fs::read_to_string(entry.unwrap().path()).unwrap();
        let card = CharacterCard::parse(&text).unwrap();
        let (before, after): (Value, Value) =
            (serde_json::from_str(&text).unwrap(), serde_json::from_str(&card.to_json()).unwrap());
        assert_eq!(before, after);
    }
}

#[test]
fn the_sampling_presets_load_in_order() {
    let (presets, problems) = load_sampling_presets(&presets().join("sampling"));
    assert!(problems.is_empty(), "{problems:?}");
    assert_eq!(
        presets.iter().map(|preset| preset.id.as_str()).collect::<Vec<_>>(),
        ["precise", "balanced", "creative"]
    );
    for preset in presets {
        assert!(Language::ALL.iter().all(|language| preset.names.contains_key(language.code())), "{}", preset.id);
        assert!(
            Language::ALL.iter().all(|language| preset.descriptions.contains_key(language.code())),
            "{}",
            preset.id
        );
        assert!(preset.sampling.other.is_empty(), "{} has an unknown setting", preset.id);
    }
}

fn strangers_card() -> Value {
    json!({
        "spec": "chara_card_v2",
        "spec_version": "2.0",
        "create_date": "2024-01-01",
        "data": {
            "name": "Mio",
            "description": "{{char}} waits for {{user}}.",
            "personality": null,
            "scenario": "Rain.",
            "first_mes": "Hello {{User}}, I am {{CHAR}}.",
            "mes_example": "<START>\n{{user}}: Hi\n{{char}}: Hi, {{user}}",
            "system_prompt": "",
            "tags": ["calm"],
            "character_book": {"entries": [{"keys": ["rain"], "content": "wet"}]},
            "extensions": {"depth_prompt": {"depth": 4}},
        }
    })
}

#[test]
fn reads_version_2_and_keeps_what_it_does_not_know() {
    let card = CharacterCard::parse(&strangers_card().to_string()).unwrap();
    assert_eq!(card.version, CardVersion::V2);
    let written: Value = serde_json::from_str(&card.to_json()).unwrap();
    assert_eq!(written["spec"], "chara_card_v3");
    assert_eq!(written["create_date"], "2024-01-01");
    assert_eq!(written["data"]["character_book"], strangers_card()["data"]["character_book"]);
    assert_eq!(written["data"]["extensions"], strangers_card()["data"]["extensions"]);

    let character = Character::new(card, "mio-card");
    assert_eq!((character.id(), character.emoji(), character.name(Language::Japanese)), ("mio-card", "💬", "Mio"));
    assert_eq!(character.system_prompt("Ken"), "Mio waits for Ken.\n\nRain.");
    assert_eq!(character.greeting("Ken"), "Hello Ken, I am Mio.");
    let examples = character.example_dialogue("Ken");
    assert_eq!(examples[0].iter().map(|turn| turn.text.as_str()).collect::<Vec<_>>(), ["Hi", "Hi, Ken"]);
}

#[test]
fn reads_and_writes_version_1() {
    let text = json!({"name": "Mio", "description": "d", "personality": "p", "scenario": "s", "first_mes": "f", "mes_example": "", "avatar": "none"});
    let card = CharacterCard::parse(&format!("\u{FEFF}{text}")).unwrap();
    assert_eq!(card.version, CardVersion::V1);
    assert_eq!(serde_json::from_str::<Value>(&card.to_json_as(CardVersion::V1)).unwrap(), text);
    let newer = CharacterCard::parse(&card.to_json()).unwrap();
    assert_eq!(
        (newer.version, &newer.data.name, &newer.data.other["avatar"]),
        (CardVersion::V3, &card.data.name, &json!("none"))
    );
}

#[test]
fn the_nickname_replaces_the_name_in_texts() {
    let card = json!({"spec": "chara_card_v3", "spec_version": "3.0", "data": {"name": "Mio Aoki", "nickname": "Mio", "first_mes": "{{char}}!"}});
    let character = Character::new(CharacterCard::parse(&card.to_string()).unwrap(), "x");
    assert_eq!((character.name(Language::English), character.greeting("Ken").as_str()), ("Mio Aoki", "Mio!"));
}

#[test]
fn refuses_what_is_not_a_card() {
    let parse = |value: Value| CharacterCard::parse(&value.to_string());
    assert!(matches!(CharacterCard::parse("<html>"), Err(CardError::NotACard(_))));
    assert!(matches!(CharacterCard::parse("[1]"), Err(CardError::NotACard(_))));
    assert!(matches!(parse(json!({"name": 5})), Err(CardError::NotACard(_))));
    assert!(matches!(parse(json!({"name": "  "})), Err(CardError::NoName)));
    assert!(matches!(parse(json!({"spec": "chara_card_v9", "data": {"name": "x"}})), Err(CardError::UnknownFormat(_))));
    assert!(matches!(parse(json!({"spec": "chara_card_v3"})), Err(CardError::NotACard(_) | CardError::NoName)));
    assert!(matches!(parse(json!({"name": "x".repeat(501)})), Err(CardError::TooLong { field: "name", .. })));
    assert!(matches!(
        parse(json!({"name": "x", "tags": vec!["t"; 1001]})),
        Err(CardError::TooLong { field: "tags", .. })
    ));
    assert!(matches!(CharacterCard::parse(&" ".repeat((8 << 20) + 1)), Err(CardError::TooLarge { .. })));
}

#[test]
fn a_damaged_card_keeps_no_other_from_loading() {
    let folder = TempDir::new().unwrap();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    write("b.json", r#"{"name": "B"}"#);
    write("a.JSON", r#"{"name": "A"}"#);
    write("c.json", r#"{"name": "C", "extensions": {"engawa": {"order": 1, "id": "first"}}}"#);
    write("damaged.json", r#"{"name": "#);
    write("note.txt", "not a card");
    fs::create_dir(folder.path().join("folder.json")).unwrap();
    let (characters, problems) = load_characters(folder.path());
    assert_eq!(characters.iter().map(Character::id).collect::<Vec<_>>(), ["first", "a", "b"]);
    let damaged: Vec<_> = problems.iter().map(|problem| problem.path.file_name().unwrap().to_str().unwrap()).collect();
    assert_eq!(damaged, ["damaged.json", "folder.json"]);
    assert!(matches!(problems[0].error, PresetError::Card(CardError::NotACard(_))));
}

#[test]
fn a_missing_folder_is_a_problem() {
    let (characters, problems) = load_characters(&TempDir::new().unwrap().path().join("absent"));
    assert!(characters.is_empty() && problems.len() == 1);
}

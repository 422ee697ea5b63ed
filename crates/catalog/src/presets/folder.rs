use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::card::CharacterCard;
use super::character::Character;
use super::error::{CardProblem, PresetError};
use super::sampling::SamplingPreset;

/// A card may be 8 MB of JSON; the rest is left for the byte order mark.
const FILE_LIMIT: u64 = (8 << 20) + 16;

/// Loads all the cards (`*.json`) of a folder, in the order that they name, then by file name.
///
/// A file that cannot be used is a problem of its own and keeps no other from being loaded.
#[must_use]
pub fn load_characters(folder: &Path) -> (Vec<Character>, Vec<CardProblem>) {
    let (mut characters, problems) = load_all(folder, |path| {
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        let card = CharacterCard::parse(&read_text(path)?)?;
        Ok(Character::new(card, &stem))
    });
    characters.sort_by_key(|character| character.order().unwrap_or(i64::MAX));
    (characters, problems)
}

/// Loads all the sampling presets (`*.json`) of a folder, in the order that they name, then by file name.
#[must_use]
pub fn load_sampling_presets(folder: &Path) -> (Vec<SamplingPreset>, Vec<CardProblem>) {
    let (mut presets, problems) = load_all(folder, |path| {
        serde_json::from_str::<SamplingPreset>(&read_text(path)?).map_err(PresetError::NotAPreset)
    });
    presets.sort_by_key(|preset| preset.order);
    (presets, problems)
}

fn load_all<T>(folder: &Path, load: impl Fn(&Path) -> Result<T, PresetError>) -> (Vec<T>, Vec<CardProblem>) {
    let mut loaded = Vec::new();
    let mut problems = Vec::new();
    let paths = json_files(folder).unwrap_or_else(|error| {
        problems.push(CardProblem { path: folder.to_owned(), error: error.into() });
        Vec::new()
    });
    for path in paths {
        match load(&path) {
            Ok(one) => loaded.push(one),
            Err(error) => problems.push(CardProblem { path, error }),
        }
    }
    (loaded, problems)
}

fn json_files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut paths = fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?;
    paths.retain(|path| path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json")));
    paths.sort();
    Ok(paths)
}

fn read_text(path: &Path) -> Result<String, PresetError> {
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "this is not a file").into());
    }
    let mut text = String::new();
    File::open(path)?.take(FILE_LIMIT + 1).read_to_string(&mut text)?;
    if text.len() as u64 > FILE_LIMIT {
        return Err(PresetError::TooLarge { limit: FILE_LIMIT });
    }
    Ok(text)
}

//! Reads the tokens of a file and turns text into them, ordinary text byte by byte.

use std::collections::HashMap;
use std::path::Path;

use engawa_testkit::tokenizer::to_token_text;

pub(crate) struct Vocabulary {
    texts: Vec<String>,
    /// The tokens that are found as they are, the longest first.
    whole: Vec<(String, u32)>,
    bytes: HashMap<char, u8>,
    ids: HashMap<String, u32>,
}

impl Vocabulary {
    pub(crate) fn load(path: &Path) -> Self {
        let file = std::fs::read(path).unwrap();
        let texts = read_texts(&file);
        let kinds = read_kinds(&file);
        let ids: HashMap<String, u32> = texts.iter().cloned().zip(0..).collect();
        assert_eq!(ids.len(), texts.len(), "llama.cpp aborts if two tokens have the same text");
        let mut whole: Vec<(String, u32)> = ids
            .iter()
            .filter(|(_, id)| matches!(kinds[**id as usize], 3 | 4))
            .map(|(text, id)| (text.clone(), *id))
            .collect();
        whole.sort_by_key(|(text, _)| std::cmp::Reverse(text.len()));
        let bytes = (0..=u8::MAX).map(|byte| (to_token_text(&[byte]).chars().next().unwrap(), byte)).collect();
        Self { texts, whole, bytes, ids }
    }

    pub(crate) fn encode(&self, text: &str) -> Vec<u32> {
        let mut rest = text.as_bytes();
        let mut tokens = Vec::new();
        while !rest.is_empty() {
            let found = self.whole.iter().find(|(text, _)| rest.starts_with(text.as_bytes()));
            let (token, length) = match found {
                Some((text, id)) => (*id, text.len()),
                None => (self.ids[&to_token_text(&rest[..1])], 1),
            };
            tokens.push(token);
            rest = &rest[length..];
        }
        tokens
    }

    pub(crate) fn id(&self, text: &str) -> u32 {
        self.ids[text]
    }

    pub(crate) fn bytes(&self, token: u32) -> Vec<u8> {
        let text = &self.texts[token as usize];
        if self.whole.iter().any(|(_, id)| *id == token) {
            return text.clone().into_bytes();
        }
        text.chars().map(|character| self.bytes[&character]).collect()
    }
}

/// Returns what follows the key, its type and the type of the elements: the number of elements and they themselves.
fn array<'a>(file: &'a [u8], key: &str) -> (usize, &'a [u8]) {
    let position = file.windows(key.len()).position(|window| window == key.as_bytes()).unwrap();
    let (count, elements) = file[position + key.len() + 8..].split_first_chunk::<8>().unwrap();
    (u64::from_le_bytes(*count) as usize, elements)
}

fn read_texts(file: &[u8]) -> Vec<String> {
    let (count, mut rest) = array(file, "tokenizer.ggml.tokens");
    let mut texts = Vec::new();
    for _ in 0..count {
        let (length, tail) = rest.split_first_chunk::<8>().unwrap();
        let (text, tail) = tail.split_at(u64::from_le_bytes(*length) as usize);
        texts.push(String::from_utf8(text.to_vec()).unwrap());
        rest = tail;
    }
    texts
}

fn read_kinds(file: &[u8]) -> Vec<i32> {
    let (count, elements) = array(file, "tokenizer.ggml.token_type");
    elements.chunks_exact(4).take(count).map(|bytes| i32::from_le_bytes(bytes.try_into().unwrap())).collect()
}

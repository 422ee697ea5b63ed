/// Spells bytes as a GPT-2 vocabulary does: one printable character for each byte.
///
/// Printable Latin-1 characters stand for themselves; the other bytes, in order, get the characters from U+0100.
/// Source: `bytes_to_unicode` in `src/encoder.py` of <https://github.com/openai/gpt-2>.
#[must_use]
pub fn to_token_text(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| character(*byte)).collect()
}

fn character(byte: u8) -> char {
    if is_printable(byte) {
        return char::from(byte);
    }
    let earlier = (0..byte).filter(|earlier| !is_printable(*earlier)).count() as u32;
    char::from_u32(0x100 + earlier).expect("the 68 characters from U+0100 exist")
}

fn is_printable(byte: u8) -> bool {
    matches!(byte, b'!'..=b'~' | 0xA1..=0xAC | 0xAE..=0xFF)
}

#[cfg(test)]
mod tests {
    use super::to_token_text;

    #[test]
    fn spells_bytes_like_gpt_2() {
        assert_eq!(to_token_text(b" a\n"), "ĠaĊ");
        assert_eq!(to_token_text("é\u{AD}".as_bytes()), "Ã©ÂŃ");
    }
}

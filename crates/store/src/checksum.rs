/// CRC-32 of a message's text, kept beside it because the database's own check does not see a flipped bit inside a text.
///
/// The byte between the two parts never occurs in UTF-8, so text cannot move from one part to the other unnoticed.
pub(crate) fn of_text(content: &[u8], reasoning: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(content);
    hasher.update(&[0xff]);
    hasher.update(reasoning);
    hasher.finalize()
}

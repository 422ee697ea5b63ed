/// A WAV file with a tone of `pitch` Hz at half the full volume: 16 bits, `channels` alike, `rate` frames per second.
#[expect(clippy::cast_possible_truncation, reason = "a tone of 16,000 is within 16 bits")]
pub fn wave(pitch: f32, rate: u32, channels: u16, frames: u32) -> Vec<u8> {
    let tone = |frame: u32| (frame as f32 * pitch * std::f32::consts::TAU / rate as f32).sin();
    let data: Vec<u8> = (0..frames)
        .flat_map(|frame| std::iter::repeat_n((tone(frame) * 16_000.0) as i16, usize::from(channels)))
        .flat_map(i16::to_le_bytes)
        .collect();
    let bytes = frames * u32::from(channels) * 2;
    let mut file = b"RIFF".to_vec();
    file.extend((36 + bytes).to_le_bytes());
    file.extend(b"WAVEfmt \x10\0\0\0\x01\0");
    file.extend(channels.to_le_bytes());
    file.extend(rate.to_le_bytes());
    file.extend((rate * u32::from(channels) * 2).to_le_bytes());
    file.extend((channels * 2).to_le_bytes());
    file.extend(b"\x10\0data");
    file.extend(bytes.to_le_bytes());
    file.extend(data);
    file
}

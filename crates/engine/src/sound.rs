//! Sounds as samples.

use std::io::Cursor;

use rubato::audioadapter_buffers::direct::InterleavedSlice;
use rubato::{Fft, FixedSync, Resampler};
use symphonia::core::codecs::audio::AudioDecoderOptions;
use symphonia::core::errors::Error;
use symphonia::core::formats::probe::Hint;
use symphonia::core::formats::{FormatOptions, TrackType};
use symphonia::core::io::{MediaSourceStream, MediaSourceStreamOptions};
use symphonia::core::meta::MetadataOptions;

/// The longest sound that is read, in samples: half an hour at 48,000 a second.
const LONGEST: usize = 30 * 60 * 48_000;
/// What is shorter is filled up with silence, in parts of a second: projectors want something to look at.
const SHORTEST: u32 = 10;
/// Frames that are resampled at once.
const CHUNK: usize = 4096;
/// Rates that sounds have, in samples per second.
const RATES: std::ops::RangeInclusive<u32> = 4_000..=384_000;

/// All channels of a sound as one, `rate` samples per second, -1..=1.
///
/// # Errors
/// What is wrong with the file.
pub(crate) fn read_sound(file: &[u8], rate: u32) -> Result<Vec<f32>, String> {
    let (samples, own_rate) = decode(file)?;
    let mut samples = if own_rate == rate { samples } else { resample(&samples, own_rate, rate)? };
    samples.resize(samples.len().max((rate / SHORTEST) as usize), 0.0);
    Ok(samples)
}

fn resample(samples: &[f32], own_rate: u32, rate: u32) -> Result<Vec<f32>, String> {
    let (from, to) = (own_rate as usize, rate as usize);
    let mut resampler = Fft::<f32>::new(from, to, CHUNK, 1, FixedSync::Input).map_err(|error| error.to_string())?;
    let frames = InterleavedSlice::new(samples, 1, samples.len()).map_err(|error| error.to_string())?;
    let resampled = resampler.process_all(&frames, samples.len(), None).map_err(|error| error.to_string())?;
    Ok(resampled.take_data())
}

/// All channels of a sound as one, and its rate.
fn decode(file: &[u8]) -> Result<(Vec<f32>, u32), String> {
    let text = |error: Error| error.to_string();
    let stream = MediaSourceStream::new(Box::new(Cursor::new(file.to_vec())), MediaSourceStreamOptions::default());
    let probe = symphonia::default::get_probe();
    let mut format =
        probe.probe(&Hint::new(), stream, FormatOptions::default(), MetadataOptions::default()).map_err(text)?;
    let track = format.default_track(TrackType::Audio).ok_or("there is no sound in it")?;
    let id = track.id;
    let parameters = track.codec_params.as_ref().and_then(|parameters| parameters.audio());
    let mut decoder = symphonia::default::get_codecs()
        .make_audio_decoder(parameters.ok_or("there is no sound in it")?, &AudioDecoderOptions::default())
        .map_err(text)?;
    let (mut samples, mut interleaved) = (Vec::new(), Vec::<f32>::new());
    let mut rate = None;
    while let Some(packet) = format.next_packet().map_err(text)? {
        if packet.track_id != id {
            continue;
        }
        let decoded = match decoder.decode(&packet) {
            Ok(decoded) => decoded,
            // One damaged packet is left out.
            Err(Error::DecodeError(_)) => continue,
            Err(error) => return Err(text(error)),
        };
        let channels = decoded.spec().channels().count().max(1);
        let own_rate = *rate.get_or_insert(decoded.spec().rate());
        if own_rate != decoded.spec().rate() || !RATES.contains(&own_rate) {
            return Err(format!("{own_rate} samples per second are not supported"));
        }
        decoded.copy_to_vec_interleaved(&mut interleaved);
        samples.extend(interleaved.chunks(channels).map(|frame| frame.iter().sum::<f32>() / channels as f32));
        if samples.len() > LONGEST {
            return Err("it is too long".into());
        }
    }
    match rate {
        Some(rate) if !samples.is_empty() => Ok((samples, rate)),
        _ => Err("there is nothing to hear in it".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wave(rate: u32, channels: u16, frames: u32) -> Vec<u8> {
        engawa_testkit::wave(440.0, rate, channels, frames)
    }

    #[test]
    fn a_tone_keeps_its_pitch_at_another_rate() {
        let crossings = |samples: &[f32]| samples.windows(2).filter(|two| two[0] < 0.0 && two[1] >= 0.0).count();
        for (rate, channels) in [(16_000, 1), (44_100, 2), (8_000, 1)] {
            let samples = read_sound(&wave(rate, channels, rate), 16_000).unwrap();
            assert!(samples.len().abs_diff(16_000) < 100, "{} samples of {rate}", samples.len());
            let tone = crossings(&samples);
            assert!(tone.abs_diff(440) <= 3, "{tone} Hz of {rate}");
            let loudest = samples.iter().fold(0.0_f32, |loudest, sample| loudest.max(sample.abs()));
            assert!((0.4..0.6).contains(&loudest), "{loudest}");
        }
    }

    #[test]
    fn a_sound_is_never_too_short_to_look_at() {
        for frames in [1, 200] {
            assert_eq!(read_sound(&wave(16_000, 1, frames), 16_000).unwrap().len(), 1600);
            assert!(read_sound(&wave(44_100, 2, frames), 16_000).unwrap().len() >= 1600);
        }
    }

    #[test]
    fn what_is_no_sound_is_an_error() {
        let whole = wave(16_000, 1, 1000);
        assert!(read_sound(&whole[..40], 16_000).is_err());
        assert!(read_sound(b"RIFF\x24\0\0\0WAVEfmt ", 16_000).is_err());
        assert!(read_sound(&wave(16_000, 1, 0), 16_000).is_err());
        assert!(read_sound(&wave(1, 1, 10), 16_000).is_err());
    }
}

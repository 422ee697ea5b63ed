//! Pictures and sounds in a prompt: what is in their files, and how they stand among its tokens.
//!
//! A medium has tokens like a text. Those of what is shown are made up: negative numbers from a checksum of the file, so that
//! a prompt with the same picture in the same place begins with the same tokens, in memory and on disk.

use std::collections::VecDeque;
use std::io::Cursor;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, Scope};

use engawa_engine_protocol::{GenerateError, Inputs, Media, MediaKind, PromptMessage};
use image::{DynamicImage, ImageDecoder, ImageReader, Limits};
use sha2::{Digest, Sha256};

use crate::llama::{MediaChunk, MediaPiece, Projector, Signal, Token, capture_errors, take_errors};
use crate::sound::read_sound;

/// The longest side of a picture, in pixels, and the most that it has of them and of bytes.
const LONGEST_SIDE: u32 = 16_384;
const MOST_PIXELS: u64 = 64 << 20;
const MOST_BYTES: u64 = 256 << 20;
/// The media that are kept apart, beside those of the last request: a conversation's are needed for each of its messages.
const KEPT: usize = 16;

/// Set in tokens of what is shown, but for the first of a chunk.
const INSIDE: u32 = 1 << 28;
/// Set in those that take no position of their own.
const STAYS: u32 = 1 << 29;
const NAME: u32 = INSIDE - 1;

/// Whether a token is one of what is shown.
pub(crate) fn is_shown(token: Token) -> bool {
    token < -1
}

/// Whether a token is one of what is shown, and another one of the same chunk stands in front of it.
pub(crate) fn is_inside(token: Token) -> bool {
    is_shown(token) && bits(token) & INSIDE != 0
}

/// The positions that tokens take.
pub(crate) fn positions(tokens: &[Token]) -> usize {
    tokens.iter().filter(|&&token| !is_shown(token) || bits(token) & STAYS == 0).count()
}

fn bits(token: Token) -> u32 {
    (token + 2).unsigned_abs()
}

/// The made-up tokens of a chunk that is known by a checksum.
fn shown_tokens(checksum: &[u8; 32], n_tokens: usize, n_positions: usize) -> Vec<Token> {
    let (words, _) = checksum.as_chunks::<4>();
    let token = |index: usize| {
        let inside = if index == 0 { 0 } else { INSIDE };
        let stays = if index < n_positions { 0 } else { STAYS };
        let name = u32::from_le_bytes(words[index % words.len()]) & NAME;
        -2 - i32::try_from(name | inside | stays).unwrap_or(0)
    };
    (0..n_tokens).map(token).collect()
}

/// A part of a medium that is shown at once.
pub(crate) struct Shown {
    pub(crate) tokens: Vec<Token>,
    pub(crate) chunk: MediaChunk,
}

/// A medium among the tokens of a prompt.
pub(crate) struct TokenizedMedia {
    pub(crate) tokens: Vec<Token>,
    pub(crate) shown: Vec<Arc<Shown>>,
}

/// Everything that is done with media: taken apart here, computed by a thread of its own.
pub(crate) struct MediaReader<'scope> {
    projector: &'scope Projector<'scope>,
    /// Those used last, newest first, by the checksum of their files.
    known: VecDeque<([u8; 32], Arc<TokenizedMedia>)>,
    /// Tokens of the largest chunk that can go through the model in one piece.
    most_whole: usize,
    jobs: Sender<Arc<Shown>>,
    results: Receiver<(Arc<Shown>, Numbers)>,
    /// What is being computed.
    begun: Vec<Arc<Shown>>,
    /// What is computed, for as long as a task waits for it.
    finished: Vec<(Arc<Shown>, Numbers)>,
}

/// What the model reads of something that is shown; `None` when it can't be computed.
type Numbers = Option<Arc<[f32]>>;

/// What became of something that is to be shown.
pub(crate) enum Computed {
    /// The numbers that the model reads.
    Numbers(Arc<[f32]>),
    /// It is being computed.
    NotYet,
    /// It can't be computed.
    Failed,
}

impl<'scope> MediaReader<'scope> {
    /// Starts the thread that computes; it ends with this value.
    ///
    /// `most_whole`: tokens that go through the model in one piece.
    pub(crate) fn start(
        scope: &'scope Scope<'scope, '_>,
        projector: &'scope Projector<'scope>,
        most_whole: usize,
    ) -> Self {
        let (jobs, waiting) = channel::<Arc<Shown>>();
        let (sender, results) = channel();
        scope.spawn(move || {
            for shown in waiting {
                // In a thread of its own, with which those go that OpenMP makes for it: left there, they would count as more
                // than there are processors, and all threads would wait for each other the short way.
                let encode = || projector.encode(&shown.chunk).map(Arc::from);
                let numbers = thread::scope(|scope| scope.spawn(encode).join().ok().flatten());
                if sender.send((shown, numbers)).is_err() {
                    return;
                }
            }
        });
        Self { projector, known: VecDeque::new(), most_whole, jobs, results, begun: Vec::new(), finished: Vec::new() }
    }

    pub(crate) fn projector(&self) -> &'scope Projector<'scope> {
        self.projector
    }

    /// The media of all messages, in their order, unless they have `most` tokens or more.
    ///
    /// # Errors
    /// [`MediaError`].
    pub(crate) fn tokenize(
        &mut self,
        messages: &[PromptMessage],
        most: usize,
    ) -> Result<Vec<Arc<TokenizedMedia>>, MediaError> {
        let mut tokenized = Vec::new();
        let mut tokens = 0;
        for (number, media) in (0..).zip(messages.iter().flat_map(|message| &message.media)) {
            let media = self.tokenize_one(number, media)?;
            tokens += media.tokens.len();
            if tokens >= most {
                return Err(MediaError::TooMany { tokens });
            }
            tokenized.push(media);
        }
        self.known.truncate(KEPT.max(tokenized.len()));
        Ok(tokenized)
    }

    fn tokenize_one(&mut self, number: u32, media: &Media) -> Result<Arc<TokenizedMedia>, GenerateError> {
        let checksum: [u8; 32] = Sha256::digest(&media.file).into();
        let place = self.known.iter().position(|(other, _)| *other == checksum);
        let tokenized = match place.and_then(|place| self.known.remove(place)) {
            Some((_, tokenized)) => tokenized,
            None => Arc::new(self.read(number, &media.file, &checksum)?),
        };
        self.known.push_front((checksum, Arc::clone(&tokenized)));
        Ok(tokenized)
    }

    fn read(&self, number: u32, file: &[u8], checksum: &[u8; 32]) -> Result<TokenizedMedia, GenerateError> {
        let unreadable = |reason: String| GenerateError::MediaUnreadable { number, reason };
        let what = kind(file).ok_or_else(|| unreadable("the file is of no kind that can be read".into()))?;
        check_input(self.projector.inputs(), what, number)?;
        let (image, samples);
        let signal = match what {
            MediaKind::Image => {
                image = read_image(file).map_err(unreadable)?;
                let (width, height) = image.dimensions();
                Signal::Image { width, height, rgb: image.as_raw() }
            }
            MediaKind::Audio => {
                samples = read_sound(file, self.projector.sample_rate()).map_err(unreadable)?;
                Signal::Audio { samples: &samples }
            }
        };
        capture_errors();
        let pieces = self.projector.pieces(&signal);
        let lines = take_errors();
        let pieces = pieces.map_err(|error| unreadable(error.0))?.ok_or_else(|| unreadable(lines.join("\n")))?;
        let mut tokenized = TokenizedMedia { tokens: Vec::new(), shown: Vec::new() };
        for (index, piece) in (0_u32..).zip(pieces) {
            match piece {
                // A token that the vocabulary lacks.
                MediaPiece::Tokens(tokens) if tokens.iter().any(|&token| token < 0) => {
                    return Err(unreadable("the model lacks a token that the projector needs".into()));
                }
                MediaPiece::Tokens(tokens) => tokenized.tokens.extend(tokens),
                MediaPiece::Chunk(chunk) if chunk.n_tokens == 0 || chunk.n_positions > chunk.n_tokens => {
                    return Err(unreadable("the projector makes no tokens of it".into()));
                }
                MediaPiece::Chunk(chunk) if chunk.is_whole && chunk.n_tokens > self.most_whole => {
                    return Err(unreadable(format!("it is more than {} tokens to this model", self.most_whole)));
                }
                MediaPiece::Chunk(chunk) => {
                    // Chunks of the same file are told apart as well.
                    let name = Sha256::new().chain_update(checksum).chain_update(index.to_le_bytes()).finalize();
                    let tokens = shown_tokens(&name.into(), chunk.n_tokens, chunk.n_positions);
                    tokenized.tokens.extend(&tokens);
                    tokenized.shown.push(Arc::new(Shown { tokens, chunk }));
                }
            }
        }
        Ok(tokenized)
    }

    /// What the model reads of something that is to be shown; begins to compute it when nobody did.
    pub(crate) fn compute(&mut self, shown: &Arc<Shown>) -> Computed {
        let is_it = |other: &Arc<Shown>| Arc::ptr_eq(other, shown);
        self.take_results();
        if let Some((_, numbers)) = self.finished.iter().find(|(other, _)| is_it(other)) {
            return match numbers {
                Some(numbers) if self.projector.is_all_of(numbers, &shown.chunk) => {
                    Computed::Numbers(Arc::clone(numbers))
                }
                _ => Computed::Failed,
            };
        }
        if !self.begun.iter().any(is_it) {
            if self.jobs.send(Arc::clone(shown)).is_err() {
                return Computed::Failed;
            }
            self.begun.push(Arc::clone(shown));
        }
        Computed::NotYet
    }

    fn take_results(&mut self) {
        for (shown, numbers) in self.results.try_iter() {
            self.begun.retain(|other| !Arc::ptr_eq(other, &shown));
            self.finished.push((shown, numbers));
        }
    }

    /// Whether anything is being computed, or waits to be fetched.
    pub(crate) fn is_computing(&self) -> bool {
        !self.begun.is_empty()
    }

    /// Forgets what was computed for those who wait no more.
    pub(crate) fn forget_all_but(&mut self, wanted: &[Arc<Shown>]) {
        self.take_results();
        self.finished.retain(|(shown, _)| wanted.iter().any(|other| Arc::ptr_eq(other, shown)));
    }
}

/// Why media can't stand in a prompt.
pub(crate) enum MediaError {
    /// [`GenerateError::MediaUnsupported`] or [`GenerateError::MediaUnreadable`].
    Generate(GenerateError),
    /// They are more than the context holds: so many tokens, without those that were not looked at.
    TooMany { tokens: usize },
}

impl From<GenerateError> for MediaError {
    fn from(error: GenerateError) -> Self {
        Self::Generate(error)
    }
}

/// Refuses media where nothing can show them.
///
/// # Errors
/// [`GenerateError::MediaUnsupported`]; a file of no known kind counts as a picture.
pub(crate) fn refuse(messages: &[PromptMessage]) -> Result<(), GenerateError> {
    match messages.iter().flat_map(|message| &message.media).next() {
        None => Ok(()),
        Some(media) => check_input(Inputs::default(), kind(&media.file).unwrap_or(MediaKind::Image), 0),
    }
}

fn check_input(inputs: Inputs, what: MediaKind, number: u32) -> Result<(), GenerateError> {
    let is_taken = match what {
        MediaKind::Image => inputs.images,
        MediaKind::Audio => inputs.audio,
    };
    if is_taken { Ok(()) } else { Err(GenerateError::MediaUnsupported { number, what }) }
}

/// What a file is, by its first bytes.
fn kind(file: &[u8]) -> Option<MediaKind> {
    let is_wave = file.starts_with(b"RIFF") && file.get(8..12) == Some(b"WAVE");
    let is_mp3 = file.starts_with(b"ID3") || matches!(file, [0xff, second, ..] if second & 0xe0 == 0xe0);
    if is_wave || is_mp3 || file.starts_with(b"fLaC") {
        return Some(MediaKind::Audio);
    }
    image::guess_format(file).ok().map(|_| MediaKind::Image)
}

/// Reads a picture, the way up that its camera noted, over white where it is transparent.
fn read_image(file: &[u8]) -> Result<image::RgbImage, String> {
    let mut reader = ImageReader::new(Cursor::new(file)).with_guessed_format().map_err(|error| error.to_string())?;
    let mut limits = Limits::default();
    (limits.max_image_width, limits.max_image_height) = (Some(LONGEST_SIDE), Some(LONGEST_SIDE));
    limits.max_alloc = Some(MOST_BYTES);
    reader.limits(limits);
    let mut decoder = reader.into_decoder().map_err(|error| error.to_string())?;
    let (width, height) = decoder.dimensions();
    if u64::from(width) * u64::from(height) > MOST_PIXELS || decoder.total_bytes() > MOST_BYTES {
        return Err(format!("{width} × {height} pixels are too many"));
    }
    let orientation = decoder.orientation().map_err(|error| error.to_string())?;
    let mut image = DynamicImage::from_decoder(decoder).map_err(|error| error.to_string())?;
    image.apply_orientation(orientation);
    if !image.color().has_alpha() {
        return Ok(image.into_rgb8());
    }
    let image = image.into_rgba8();
    let over_white = |value: u8, alpha: u8| {
        let alpha = u32::from(alpha);
        u8::try_from((u32::from(value) * alpha + 255 * (255 - alpha)) / 255).unwrap_or(u8::MAX)
    };
    Ok(image::RgbImage::from_fn(image.width(), image.height(), |x, y| {
        let [red, green, blue, alpha] = image.get_pixel(x, y).0;
        image::Rgb([red, green, blue].map(|value| over_white(value, alpha)))
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shown_tokens_name_their_file_and_take_positions() {
        let one = shown_tokens(&[7; 32], 5, 2);
        assert!(one.iter().all(|&token| is_shown(token)));
        assert_eq!(one.iter().map(|&token| is_inside(token)).collect::<Vec<_>>(), [false, true, true, true, true]);
        assert_eq!(positions(&one), 2);
        assert_eq!(positions(&[1, one[0], one[1], one[2], 3]), 4);
        assert_ne!(shown_tokens(&[8; 32], 5, 2)[0], one[0]);
        assert_eq!(shown_tokens(&[255; 32], 1, 0).len(), 1, "the largest is a token as well");
        for token in [0, 1, -1, i32::MAX] {
            assert!(!is_shown(token) && !is_inside(token), "{token}");
        }
    }

    #[test]
    fn what_is_no_picture_is_an_error() {
        let mut png = Cursor::new(Vec::new());
        DynamicImage::new_rgba8(3, 2).write_to(&mut png, image::ImageFormat::Png).unwrap();
        let png = png.into_inner();
        assert_eq!(kind(&png), Some(MediaKind::Image));
        let image = read_image(&png).unwrap();
        assert_eq!((image.dimensions(), image.get_pixel(0, 0).0), ((3, 2), [255; 3]), "nothing there is white");
        assert!(read_image(&png[..png.len() / 2]).is_err());
        assert_eq!(kind(b"GGUF is no picture"), None);
        // It says of itself that it has 60,000 × 60,000 pixels, and 12,000 × 12,000.
        for side in [[0, 0, 234, 96], [0, 0, 46, 224]] {
            let mut large = png.clone();
            large[16..20].copy_from_slice(&side);
            large[20..24].copy_from_slice(&side);
            let checksum = crc32fast::hash(&large[12..29]).to_be_bytes();
            large[29..33].copy_from_slice(&checksum);
            assert!(read_image(&large).is_err());
        }
    }
}

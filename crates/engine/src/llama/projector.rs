//! What turns pictures and sounds into what a model reads: llama.cpp's `mtmd`.

use std::path::Path;
use std::ptr::NonNull;
use std::sync::{Mutex, PoisonError};

use engawa_engine_protocol::Inputs;
use llama_cpp_sys_2 as sys;

use super::context::outcome_of;
use super::error::{ErrorSlot, take_text};
use super::{Context, DecodeOutcome, LlamaError, Model, SequenceIndex, Token, c_path, shim};

/// A projector that fits a model. It is used by two threads: one takes media apart, another one computes.
pub(crate) struct Projector<'model> {
    pointer: NonNull<sys::mtmd_context>,
    model: &'model Model,
    /// Held while something is computed.
    computing: Mutex<()>,
}

// SAFETY: taking media apart is safe while another thread computes, says mtmd.h; only `encode` changes anything, one call at a
// time. Everything else reads what is fixed when the projector is loaded.
unsafe impl Send for Projector<'_> {}
// SAFETY: as above.
unsafe impl Sync for Projector<'_> {}

/// A picture, or sound, as numbers.
pub(crate) enum Signal<'data> {
    /// `[height][width][red, green, blue]`.
    Image { width: u32, height: u32, rgb: &'data [u8] },
    /// Samples of one channel at [`Projector::sample_rate`], -1..=1.
    Audio { samples: &'data [f32] },
}

/// What a medium is to the model, piece by piece.
pub(crate) enum MediaPiece {
    /// Tokens around what is shown.
    Tokens(Vec<Token>),
    /// What is shown.
    Chunk(MediaChunk),
}

/// A part of a medium that the model reads at once.
pub(crate) struct MediaChunk {
    pointer: NonNull<sys::mtmd_input_chunk>,
    /// Cells that it takes of the cache.
    pub(crate) n_tokens: usize,
    /// Positions that it takes, at most as many.
    pub(crate) n_positions: usize,
    /// Whether it has to go through the model in one piece.
    pub(crate) is_whole: bool,
}

// SAFETY: a chunk never changes, and is freed by whoever owns it.
unsafe impl Send for MediaChunk {}
// SAFETY: as above.
unsafe impl Sync for MediaChunk {}

impl Drop for MediaChunk {
    fn drop(&mut self) {
        // SAFETY: made by mtmd_input_chunk_copy, freed once.
        unsafe { sys::mtmd_input_chunk_free(self.pointer.as_ptr()) }
    }
}

impl<'model> Projector<'model> {
    /// Loads a projector; `None` when llama.cpp refuses it. Its log says why.
    pub(crate) fn load(model: &'model Model, path: &Path, n_threads: u32, on_gpu: bool) -> Option<Self> {
        let path = c_path(path)?;
        // SAFETY: returns a plain value.
        let mut params = unsafe { sys::mtmd_context_params_default() };
        params.use_gpu = on_gpu;
        params.n_threads = i32::try_from(n_threads).unwrap_or(1);
        params.print_timings = false;
        params.warmup = false;
        // SAFETY: `path` is NUL-terminated; the model is loaded and outlives the projector by its lifetime.
        let pointer = unsafe { sys::mtmd_init_from_file(path.as_ptr(), model.as_ptr(), params) };
        NonNull::new(pointer).map(|pointer| Self { pointer, model, computing: Mutex::new(()) })
    }

    /// What it can show the model.
    pub(crate) fn inputs(&self) -> Inputs {
        // SAFETY: the projector is loaded.
        unsafe {
            Inputs {
                images: sys::mtmd_support_vision(self.pointer.as_ptr()),
                audio: sys::mtmd_support_audio(self.pointer.as_ptr()),
            }
        }
    }

    /// Samples per second that it takes of sounds.
    pub(crate) fn sample_rate(&self) -> u32 {
        // SAFETY: the projector is loaded.
        u32::try_from(unsafe { sys::mtmd_get_audio_sample_rate(self.pointer.as_ptr()) }).unwrap_or(0)
    }

    /// Whether a picture has to go through the model in one piece.
    pub(crate) fn reads_whole(&self) -> bool {
        // SAFETY: the projector is loaded; without a chunk it is asked about pictures.
        unsafe { sys::mtmd_decode_use_non_causal(self.pointer.as_ptr(), std::ptr::null()) }
    }

    /// Takes a medium apart; `None` when llama.cpp refuses it. Its log says why.
    ///
    /// # Errors
    /// What went wrong otherwise, most often for lack of memory.
    pub(crate) fn pieces(&self, signal: &Signal<'_>) -> Result<Option<Vec<MediaPiece>>, LlamaError> {
        let (rgb, width, height, samples) = match *signal {
            Signal::Image { width, height, rgb } => {
                assert_eq!(rgb.len() as u64, u64::from(width) * u64::from(height) * 3, "three bytes for each pixel");
                (rgb.as_ptr(), width, height, &[][..])
            }
            Signal::Audio { samples } => (std::ptr::null(), 0, 0, samples),
        };
        let mut error = ErrorSlot::new();
        // SAFETY: all of it lives during the call, and the data is as long as is said; it is copied.
        let chunks = unsafe {
            let projector = self.pointer.as_ptr();
            let (samples, count) = (samples.as_ptr(), samples.len());
            shim::engawa_media_chunks(projector, rgb, width, height, samples, count, error.as_out())
        };
        let chunks = NonNull::new(error.check(chunks)?).map(Chunks);
        chunks.map(|chunks| chunks.pieces(self)).transpose()
    }

    /// Computes what the model reads of a chunk, `[n_tokens][n_embd]`; `None` when llama.cpp can't. Takes long.
    pub(crate) fn encode(&self, chunk: &MediaChunk) -> Option<Vec<f32>> {
        let _computing = self.computing.lock().unwrap_or_else(PoisonError::into_inner);
        // SAFETY: the projector is loaded and the chunk is its own.
        let status = unsafe { sys::mtmd_encode_chunk(self.pointer.as_ptr(), chunk.pointer.as_ptr()) };
        if status != 0 {
            return None;
        }
        // SAFETY: the buffer has `n_embd` numbers for each token, and lives until the next encoding.
        unsafe {
            let length = chunk.n_tokens * self.width();
            let numbers = sys::mtmd_get_output_embd(self.pointer.as_ptr());
            (!numbers.is_null()).then(|| std::slice::from_raw_parts(numbers, length).to_vec())
        }
    }

    /// Numbers that the model reads of each token.
    fn width(&self) -> usize {
        // SAFETY: the model is loaded.
        usize::try_from(unsafe { sys::llama_model_n_embd_inp(self.model.as_ptr()) }).unwrap_or(0)
    }

    /// Whether the numbers are all of a chunk.
    pub(crate) fn is_all_of(&self, numbers: &[f32], chunk: &MediaChunk) -> bool {
        numbers.len() == chunk.n_tokens * self.width()
    }
}

impl Drop for Projector<'_> {
    fn drop(&mut self) {
        // SAFETY: nobody else holds the pointer.
        unsafe { sys::mtmd_free(self.pointer.as_ptr()) }
    }
}

impl Context<'_> {
    /// Reads what a projector made of a chunk, in batches of its own, the first token at `position`. After anything but
    /// [`DecodeOutcome::Done`], a part of it may be in the cache.
    pub(crate) fn read_media(
        &mut self,
        projector: &Projector<'_>,
        chunk: &MediaChunk,
        numbers: &[f32],
        position: usize,
        sequence: SequenceIndex,
    ) -> DecodeOutcome {
        assert!(projector.is_all_of(numbers, chunk), "a chunk is read as it was computed");
        let mut error = ErrorSlot::new();
        // SAFETY: all of it lives during the call, and there are as many numbers as the chunk has tokens.
        let status = unsafe {
            shim::engawa_read_media(
                projector.pointer.as_ptr(),
                self.as_ptr(),
                chunk.pointer.as_ptr(),
                numbers.as_ptr(),
                i32::try_from(position).unwrap_or(i32::MAX),
                sequence.raw(),
                i32::try_from(self.batch_size()).unwrap_or(i32::MAX),
                error.as_out(),
            )
        };
        let outcome = outcome_of(&error.check(status));
        self.note_read(sequence, outcome);
        outcome
    }
}

/// What a medium was taken apart into.
struct Chunks(NonNull<sys::mtmd_input_chunks>);

impl Chunks {
    fn pieces(&self, projector: &Projector<'_>) -> Result<Vec<MediaPiece>, LlamaError> {
        // SAFETY: the list lives, and each index is in it; a copy of a chunk is its owner's. Tokens live as long as the list.
        unsafe {
            let count = sys::mtmd_input_chunks_size(self.0.as_ptr());
            (0..count)
                .map(|index| {
                    let chunk = sys::mtmd_input_chunks_get(self.0.as_ptr(), index);
                    let mut length = 0;
                    let tokens = sys::mtmd_input_chunk_get_tokens_text(chunk, &raw mut length);
                    if !tokens.is_null() {
                        return Ok(MediaPiece::Tokens(std::slice::from_raw_parts(tokens, length).to_vec()));
                    }
                    let mut error = ErrorSlot::new();
                    let copy = shim::engawa_chunk_copy(chunk, error.as_out());
                    let copy = error.check(copy)?;
                    Ok(MediaPiece::Chunk(MediaChunk {
                        pointer: NonNull::new(copy).ok_or_else(|| LlamaError("there is nothing to copy".into()))?,
                        n_tokens: sys::mtmd_input_chunk_get_n_tokens(chunk),
                        n_positions: usize::try_from(sys::mtmd_input_chunk_get_n_pos(chunk)).unwrap_or(0),
                        is_whole: sys::mtmd_decode_use_non_causal(projector.pointer.as_ptr(), chunk),
                    }))
                })
                .collect()
        }
    }
}

impl Drop for Chunks {
    fn drop(&mut self) {
        // SAFETY: nobody else holds the pointer.
        unsafe { sys::mtmd_input_chunks_free(self.0.as_ptr()) }
    }
}

/// The kinds of projector that a file says it has; `None` when it is no GGUF that can be read. llama.cpp's log says why.
///
/// # Errors
/// When a part of the file is missing.
pub(crate) fn projector_kinds(path: &Path) -> Result<Option<Vec<String>>, LlamaError> {
    let Some(path) = c_path(path) else { return Ok(None) };
    let mut error = ErrorSlot::new();
    // SAFETY: `path` is NUL-terminated.
    let kinds = unsafe { shim::engawa_projector_kinds(path.as_ptr(), error.as_out()) };
    let Some(kinds) = take_text(error.check(kinds)?) else { return Ok(None) };
    serde_json::from_str(&kinds).map(Some).map_err(|error| LlamaError(error.to_string()))
}

/// What keeps a projector of a known kind from being used with a model, as far as the headers of their files tell.
pub(crate) fn projector_fault(model: &Path, projector: &Path) -> Option<String> {
    let (model, projector) = (c_path(model)?, c_path(projector)?);
    let mut error = ErrorSlot::new();
    // SAFETY: both paths are NUL-terminated.
    let fault = unsafe { shim::engawa_projector_fault(model.as_ptr(), projector.as_ptr(), error.as_out()) };
    error.check(fault).map_or_else(|error| Some(error.0), take_text)
}

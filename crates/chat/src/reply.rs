//! Writing a reply: from the prompt to the last character on disk.

mod draft;
mod running;
mod writer;

pub(crate) use draft::Draft;
pub(crate) use running::{RunningReplies, Slot};
pub(crate) use writer::ReplyJob;

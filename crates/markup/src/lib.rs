//! Turns Markdown, code and math, written by models and people, into HTML that is safe to put into a page.
//!
//! This crate must not know windows, conversations or files: text goes in, HTML comes out, and the same text always gives
//! the same HTML. What comes out has passed an allow-list of elements, attributes, classes and link schemes ([`render`]
//! names them), whatever the text was.
#![forbid(unsafe_code)]

mod code;
mod highlight;
mod link;
mod render;
mod sanitise;
mod stream;
mod text;
mod writer;

pub use render::{Breaks, MAX_MARKDOWN_BYTES, render, render_plain, render_with};
pub use stream::{StreamRenderer, Update};

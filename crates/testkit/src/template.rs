use crate::gguf::Writer;

/// A chat template with messages between `<|im_start|>` and `<|im_end|>`, with tools and thinking; message texts are printed as they are.
pub const CHATML: &str = include_str!("template.jinja");

/// The chat template that a model carries.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Template {
    /// The one in [`CHATML`].
    #[default]
    Chatml,
    /// None at all, like a base model.
    Absent,
    /// This Jinja text, right or wrong.
    Custom(String),
}

impl Template {
    pub(crate) fn describe(&self, writer: &mut Writer) {
        let text = match self {
            Self::Absent => return,
            Self::Chatml => CHATML,
            Self::Custom(text) => text,
        };
        writer.set("tokenizer.chat_template", text);
    }
}

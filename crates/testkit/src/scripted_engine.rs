//! Plays an engine child with the real protocol and without a model: its replies are written in what it is asked.
//!
//! The lines of the person's last message steer a reply. Lines that are none of these are ignored where one of them is
//! there; a message without any is answered with `You said: ` and its text.
//!
//! | line | what happens |
//! |---|---|
//! | `say: TEXT` | the reply; several lines are joined |
//! | `think: TEXT` | what is thought before |
//! | `repeat: N` | the reply, so many times |
//! | `piece length: N` | characters per token, 4 without |
//! | `slow: N` | milliseconds after each token |
//! | `wait after: N` | after so many tokens nothing comes until new settings do, or a cancel |
//! | `hang after: N` | …nothing comes ever again: no request is read, the end of the pipe is not noticed |
//! | `abort after: N` | …the process aborts, with a line on standard error |
//! | `exit after: N` | …the process ends with status 3 |
//! | `nonsense after: N` | …a frame comes that is no message |
//! | `fail after: N` | …the reply fails: [`GenerateError::Decode`](engawa_engine_protocol::GenerateError::Decode) -3 |
//! | `refuse: REASON` | the chat template refuses the conversation |
//! | `hang when counted` | it hangs when the tokens of a prompt that ends with this message are counted |
//! | `tokens: N` | the message counts as so many tokens |
//! | `what did you get?` | the reply is the request as JSON, in one token |
//!
//! A token is a piece of text. A prompt has one token before and one after each message, and one that opens the reply;
//! as in an engine, what a prompt has in common with the tokens before it is not processed again. Times are made up.

mod behaviour;
mod child;
mod prompt;
mod script;

pub use behaviour::{GreetingBehaviour, ModelBehaviour};
pub use child::run;
pub use engawa_engine_protocol::ENGINE_ROLE_ARGUMENT;

//! The engine as a child process, over its real pipe, with models whose replies are known.

mod cancel;
mod death;
mod load;
mod prefix;
mod reply;
mod sampling;
mod support;

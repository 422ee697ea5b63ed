//! The engine of this crate's tests.

use engawa_testkit::scripted_engine::{ENGINE_ROLE_ARGUMENT, run};

fn main() {
    if std::env::args_os().nth(1).is_some_and(|argument| argument == ENGINE_ROLE_ARGUMENT) {
        run();
    }
}

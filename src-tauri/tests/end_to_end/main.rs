//! The whole application in its real window: a WebDriver clicks and types, a screen of its own shows it.
//!
//! Needs `Xvfb`, `WebKitWebDriver`, `xdotool`, `xclip`, `setpriv` and ImageMagick's `import`. Every test has its own
//! screen, folders and processes, which end with it. Pictures and logs are left in `target/e2e/`.

#![cfg(target_os = "linux")]

mod desk;
mod models;
mod window;

mod application_killed;
mod bad_files;
mod branches;
mod character;
mod conversation_list;
mod damaged_settings;
mod demo;
mod engine_failure;
mod export;
mod first_run;
mod hostile_reply;
mod input_method;
mod load_card;
mod long_text;
mod restart;
mod sampling;

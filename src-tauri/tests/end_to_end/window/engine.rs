//! The processes behind the window.

use std::fs;

use rustix::process::{Pid, Signal, kill_process};

use super::Window;
use super::wait::wait_for;
use crate::desk::Group;

/// A process, by its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Process(u32);

impl Process {
    pub(crate) fn signal(self, signal: Signal) {
        let id = i32::try_from(self.0).ok().and_then(Pid::from_raw).expect("process numbers are positive");
        kill_process(id, signal).unwrap_or_else(|error| panic!("process {} could not be reached: {error}", self.0));
    }

    /// Whether it has ended with all its threads, which hold its files; one that nobody collected counts as ended.
    pub(crate) fn has_ended(self) -> bool {
        let threads = || fs::read_dir(format!("/proc/{}/task", self.0)).map_or(0, Iterator::count);
        stat(self.0).is_none_or(|stat| stat.state == 'Z' && threads() <= 1)
    }

    pub(crate) async fn until_ended(self, awaited: &str) {
        let ended = wait_for(async || if self.has_ended() { Ok(()) } else { Err("it still ran".to_owned()) }).await;
        ended.unwrap_or_else(|seen| panic!("waited for {awaited} to end, but {seen}"));
    }
}

/// The application's process: the driver's child.
pub(super) async fn application_of(driver: &Group) -> Process {
    let found = wait_for(async || {
        let mut children = children(driver.process_id());
        children.retain(|child| command_line(*child).contains(env!("CARGO_BIN_EXE_engawa-desktop")));
        children.first().map(|id| Process(*id)).ok_or_else(|| "no such child of the driver".to_owned())
    });
    found.await.unwrap_or_else(|seen| panic!("waited for the application's process; saw {seen}"))
}

impl Window<'_> {
    pub(crate) fn application(&self) -> Process {
        self.application
    }

    /// The engine's process. Waits until there is one.
    pub(crate) async fn engine(&self) -> Process {
        self.wait("an engine's process", async || {
            let mut children = children(self.application.0);
            children.retain(|child| command_line(*child).contains("--engine-child") && !Process(*child).has_ended());
            children.last().map(|id| Process(*id)).ok_or_else(|| "no engine among the children".to_owned())
        })
        .await
    }
}

struct Stat {
    state: char,
    parent: u32,
}

/// The parts of `/proc/ID/stat` that follow the name, which is in brackets and may hold anything.
fn stat(id: u32) -> Option<Stat> {
    let text = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    let mut fields = text.rsplit_once(')')?.1.split_whitespace();
    Some(Stat { state: fields.next()?.chars().next()?, parent: fields.next()?.parse().ok()? })
}

/// Oldest first.
fn children(parent: u32) -> Vec<u32> {
    let entries = fs::read_dir("/proc").expect("there is a /proc");
    let ids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let mut children: Vec<u32> = ids.filter(|id| stat(*id).is_some_and(|stat| stat.parent == parent)).collect();
    children.sort_unstable();
    children
}

fn command_line(id: u32) -> String {
    let bytes = fs::read(format!("/proc/{id}/cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&bytes).replace('\0', " ")
}

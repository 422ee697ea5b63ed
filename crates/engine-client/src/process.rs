//! The child process: how it is started, drained and reaped.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{ChildStdin, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};

use engawa_engine_protocol::{
    ENGINE_ROLE_ARGUMENT, EngineEvent, EngineRequest, MAX_EVENT_BYTES, MAX_REQUEST_BYTES, ProtocolError, read_frame,
    write_frame,
};
use shared_child::SharedChild;

use crate::ExitCause;
use crate::routes::Routes;

/// The most lines of standard error kept to explain an exit.
const KEPT_LINES: usize = 40;
/// The longest line kept, in bytes; the rest is dropped unread by anybody.
const LINE_LENGTH: u64 = 2000;
/// Requests that may wait for a child that does not read.
const REQUEST_QUEUE: usize = 64;

/// The variables that an engine gets from the app's environment: which GPUs a person wants used, and what Windows
/// programs can't start without. Nothing that names code, no keys, no home folder.
const PASSED_VARIABLES: &[&str] =
    &["CUDA_VISIBLE_DEVICES", "GGML_VK_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "SystemRoot", "TEMP"];

/// Which program plays the engine's role.
#[derive(Debug, Clone)]
pub struct EngineProgram {
    /// The executable; most often the app itself.
    pub executable: PathBuf,
    /// Variables set beside those that every engine gets; for tests.
    pub environment: Vec<(OsString, OsString)>,
}

impl EngineProgram {
    /// The program at `executable`, started in its engine role.
    pub fn new(executable: PathBuf) -> Self {
        Self { executable, environment: Vec::new() }
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.executable);
        command.arg(ENGINE_ROLE_ARGUMENT).env_clear();
        command.envs(PASSED_VARIABLES.iter().filter_map(|name| Some((name, std::env::var_os(name)?))));
        // Otherwise a failed assertion starts a debugger, if one is installed, before the process ends.
        command.env("GGML_NO_BACKTRACE", "1");
        // Weights and cache in pages of 2 MiB: the processor looks up far fewer places. It has to be there when the process begins.
        command.env("GLIBC_TUNABLES", "glibc.malloc.hugetlb=1");
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }
}

/// A running child with its threads.
pub(crate) struct Process {
    pub(crate) child: Arc<SharedChild>,
    pub(crate) requests: SyncSender<EngineRequest>,
}

/// Starts the child. Its events go to `routes`, and so does its end.
///
/// One thread starts the child and then waits for it: Linux kills the child when the *thread* that started it ends,
/// so that must be one that lives exactly as long.
pub(crate) fn start(program: &EngineProgram, routes: &Arc<Routes>) -> std::io::Result<Process> {
    let mut command = program.command();
    let routes = Arc::clone(routes);
    let (started, starting) = sync_channel(1);
    let (requests, queue) = sync_channel(REQUEST_QUEUE);
    thread::Builder::new().name("engine".into()).spawn(move || {
        let child = match SharedChild::spawn(&mut command) {
            Ok(child) => Arc::new(child),
            Err(error) => {
                let _ = started.send(Err(error));
                return;
            }
        };
        let drained = drain(&child, &routes, queue);
        let _ = started.send(Ok(Arc::clone(&child)));
        reap(&child, &routes, drained);
    })?;
    let child = starting.recv().map_err(|_| std::io::Error::other("the engine's thread ended"))??;
    Ok(Process { child, requests })
}

/// The threads that read a child's two pipes.
struct Drained {
    events: Option<JoinHandle<()>>,
    lines: Option<JoinHandle<Vec<String>>>,
}

fn drain(child: &Arc<SharedChild>, routes: &Arc<Routes>, queue: Receiver<EngineRequest>) -> Drained {
    if let Some(pipe) = child.take_stdin() {
        let routes = Arc::clone(routes);
        spawn("engine-requests", move || write_requests(pipe, &queue, &routes));
    }
    let events = child.take_stdout().and_then(|pipe| {
        let (child, routes) = (Arc::clone(child), Arc::clone(routes));
        spawn("engine-events", move || read_events(pipe, &child, &routes))
    });
    let lines = child.take_stderr().and_then(|pipe| spawn("engine-log", move || read_lines(pipe)));
    Drained { events, lines }
}

fn spawn<T: Send + 'static>(name: &str, work: impl FnOnce() -> T + Send + 'static) -> Option<JoinHandle<T>> {
    thread::Builder::new().name(name.into()).spawn(work).ok()
}

/// Ends when the last sender is dropped, which closes the child's standard input.
fn write_requests(mut pipe: ChildStdin, queue: &Receiver<EngineRequest>, routes: &Routes) {
    while let Ok(request) = queue.recv() {
        match write_frame(&mut pipe, &request, MAX_REQUEST_BYTES) {
            Ok(()) => {}
            // Nothing of it was written: the engine and other requests go on.
            Err(error @ ProtocolError::TooLarge { .. }) => routes.refuse(&request, &error),
            Err(error) => {
                tracing::debug!(%error, "a request did not reach the engine");
                return;
            }
        }
    }
}

fn read_events(mut pipe: impl Read, child: &SharedChild, routes: &Routes) {
    loop {
        match read_frame::<EngineEvent>(&mut pipe, MAX_EVENT_BYTES) {
            Ok(Some(event)) => routes.dispatch(event),
            Ok(None) => return,
            Err(error) => {
                tracing::warn!(%error, "the engine broke the protocol");
                routes.blame(ExitCause::Protocol);
                let _ = child.kill();
                return;
            }
        }
    }
}

fn read_lines(pipe: impl Read) -> Vec<String> {
    let mut reader = BufReader::new(pipe);
    let mut kept = VecDeque::new();
    let mut bytes = Vec::new();
    loop {
        bytes.clear();
        match reader.by_ref().take(LINE_LENGTH).read_until(b'\n', &mut bytes) {
            Ok(0) | Err(_) => return kept.into(),
            Ok(_) => {}
        }
        let line = String::from_utf8_lossy(&bytes).trim_end().to_owned();
        if line.is_empty() {
            continue;
        }
        tracing::debug!(target: "engine", "{line}");
        if kept.len() == KEPT_LINES {
            kept.pop_front();
        }
        kept.push_back(line);
    }
}

/// Waits for the child's end, then for all it had said, and tells whoever still waits for something.
fn reap(child: &SharedChild, routes: &Routes, drained: Drained) {
    let status = child.wait();
    if let Some(events) = drained.events {
        let _ = events.join();
    }
    let last_lines = drained.lines.and_then(|lines| lines.join().ok()).unwrap_or_default();
    let (code, signal) = status.as_ref().map_or((None, None), |status| (status.code(), signal(*status)));
    routes.ended(code, signal, last_lines);
}

#[cfg(unix)]
fn signal(status: ExitStatus) -> Option<i32> {
    std::os::unix::process::ExitStatusExt::signal(&status)
}

#[cfg(not(unix))]
fn signal(_: ExitStatus) -> Option<i32> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_engine_gets_no_variable_that_names_code() {
        let program = EngineProgram::new("engine".into());
        let command = program.command();
        let known = PASSED_VARIABLES.iter().chain(&["GGML_NO_BACKTRACE", "GLIBC_TUNABLES"]);
        let known: Vec<&std::ffi::OsStr> = known.map(std::ffi::OsStr::new).collect();
        assert!(command.get_envs().all(|(name, _)| known.contains(&name)), "{command:?}");
        assert!(command.get_current_dir().is_none());
        for name in ["GGML_BACKEND_PATH", "LD_PRELOAD", "LD_LIBRARY_PATH", "PATH", "HOME"] {
            assert!(!PASSED_VARIABLES.contains(&name));
        }
    }
}

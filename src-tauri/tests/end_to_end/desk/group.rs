//! Processes that end with the test.

use std::process::{Child, Command};

use rustix::process::{Pid, Signal, kill_process_group};

/// A process with all its children, killed when dropped, and when the test's process ends in whatever way.
pub(crate) struct Group(pub(crate) Child);

impl Group {
    /// A command for [`Group::start`]: `setpriv` becomes `program` and asks the system to end it with this thread.
    pub(crate) fn command(program: &str) -> Command {
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "--", program]);
        command
    }

    pub(crate) fn start(command: &mut Command) -> Self {
        use std::os::unix::process::CommandExt;
        Self(command.process_group(0).spawn().unwrap_or_else(|error| panic!("while starting {command:?}: {error}")))
    }

    pub(crate) fn process_id(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = i32::try_from(self.0.id()).ok().and_then(Pid::from_raw) {
            // An error means that it is gone already.
            let _ = kill_process_group(group, Signal::KILL);
        }
        let _ = self.0.wait();
    }
}

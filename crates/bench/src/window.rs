//! The window: how soon it can be used, and what memory its processes take.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use crate::report;

const STARTS: usize = 5;
/// Longer than any start.
const PATIENCE: Duration = Duration::from_secs(30);
/// What the window writes to its log when the page has what it shows.
const USABLE: &str = "the window is usable";

pub(crate) fn measure(folder: &Path) -> anyhow::Result<()> {
    if !cfg!(target_os = "linux") {
        eprintln!("The window is measured on Linux only.");
        return Ok(());
    }
    let executable = std::env::current_exe()?.with_file_name("engawa-desktop");
    anyhow::ensure!(executable.is_file(), "`{}` is not built", executable.display());
    let screen = Screen::open()?;
    let model = folder.join("scripted.gguf");
    engawa_testkit::ScriptedModel::new("yes").write(&model).context("while writing a model")?;
    let mut starts = Vec::new();
    for start in 0..=STARTS {
        let home = folder.join(format!("window-{start}"));
        let begun = Instant::now();
        let app = App(Command::new(&executable)
            .arg(&model)
            .env("DISPLAY", &screen.display)
            .env_remove("WAYLAND_DISPLAY")
            .env("ENGAWA_HOME", &home)
            .env("DBUS_SESSION_BUS_ADDRESS", "disabled:")
            .env("GSETTINGS_BACKEND", "memory")
            .env("NO_AT_BRIDGE", "1")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("while starting the window")?);
        wait_for_log(&home, USABLE, begun)?;
        let elapsed = begun.elapsed();
        if start > 0 {
            starts.push(elapsed.as_secs_f64() * 1000.0);
        }
        if start == STARTS {
            wait_for_log(&home, "a model is ready", begun)?;
            report::line(
                "start to usable window, release build, median of 5",
                &format!("{:.0} ms", report::median(&mut starts)),
                "printed",
            );
            report_memory(app.0.id());
        }
    }
    Ok(())
}

/// Ends the window when dropped.
struct App(Child);

impl Drop for App {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The person's screen, or one without glass.
struct Screen {
    display: String,
    _server: Option<App>,
}

impl Screen {
    fn open() -> anyhow::Result<Self> {
        let display = ":97";
        let server = Command::new("Xvfb")
            .args([display, "-screen", "0", "1360x860x24", "-nolisten", "tcp"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let Ok(server) = server else {
            let display = std::env::var("DISPLAY").context("there is neither Xvfb nor a screen")?;
            return Ok(Self { display, _server: None });
        };
        let server = App(server);
        let socket = Path::new("/tmp/.X11-unix/X97");
        let begun = Instant::now();
        while !socket.exists() {
            anyhow::ensure!(begun.elapsed() < PATIENCE, "Xvfb does not start");
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(Self { display: display.to_owned(), _server: Some(server) })
    }
}

fn wait_for_log(home: &Path, text: &str, begun: Instant) -> anyhow::Result<()> {
    while begun.elapsed() < PATIENCE {
        let logs = std::fs::read_dir(home.join("logs")).into_iter().flatten().flatten();
        let found = logs.filter_map(|log| std::fs::read_to_string(log.path()).ok()).any(|log| log.contains(text));
        if found {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    bail!("the window's log does not say `{text}`")
}

/// The proportional memory of a process and of those that it started: what is shared counts once, in parts.
fn report_memory(root: u32) {
    for process in processes_below(root) {
        let folder = Path::new("/proc").join(process.to_string());
        let rollup = std::fs::read_to_string(folder.join("smaps_rollup")).unwrap_or_default();
        let kilobytes = |name: &str| -> f64 {
            let line = rollup.lines().find(|line| line.starts_with(name));
            line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok()).unwrap_or(f64::NAN)
        };
        let arguments = std::fs::read(folder.join("cmdline")).unwrap_or_default();
        let mut arguments = arguments.split(|&byte| byte == 0).map(String::from_utf8_lossy);
        let program = arguments.next().unwrap_or_default().rsplit('/').next().unwrap_or_default().to_owned();
        let is_engine = arguments.next().is_some_and(|argument| argument == "--engine-child");
        let name = if is_engine { "engine child (3 MB model)".to_owned() } else { program };
        report::line(
            &format!("memory of {name}"),
            &format!(
                "{:.0} MB proportional, {:.0} MB resident",
                kilobytes("Pss:") / 1024.0,
                kilobytes("Rss:") / 1024.0
            ),
            "printed",
        );
    }
}

fn processes_below(root: u32) -> Vec<u32> {
    let mut found = vec![root];
    let mut next = 0;
    while let Some(&process) = found.get(next) {
        for task in std::fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten().flatten() {
            let children = std::fs::read_to_string(task.path().join("children")).unwrap_or_default();
            found.extend(children.split_whitespace().filter_map(|child| child.parse::<u32>().ok()));
        }
        next += 1;
    }
    found
}

//! Whether other work keeps the threads that compute from their processors, and how they wait for each other then.
//!
//! Each of the hundreds of steps of a token ends when all threads have done their part. One that is done early looks again and
//! again whether the others are: to sleep and be woken instead costs a seventh of the speed. But where other programs want the
//! same processors, it looks for as long as it would take the others to finish if they were let, and a token takes a hundred
//! times as long. GNU's OpenMP, which llama.cpp uses on Linux, has a long and a short way to wait; a [`Crowd`] makes it take the
//! short one.

mod crowd;

use std::collections::HashMap;
use std::time::{Duration, Instant};
use std::{fs, thread};

use crowd::Crowd;

/// How often it is looked while the engine computes, and while it does not.
const WINDOW: Duration = Duration::from_millis(250);
const IDLE_WINDOW: Duration = Duration::from_secs(1);
/// From this share of the time on in which a thread could run but was not let, threads wait the short way; and the long way
/// again when no thread has waited longer than the other share for so many windows.
const CONTENDED: f64 = 0.15;
const FREE: f64 = 0.05;
const FREE_WINDOWS: u32 = 4;
/// The share of a window that a thread runs in an engine that computes.
const COMPUTING: f64 = 0.05;
/// What it takes to be woken where nobody is in the way.
const WAKING: Duration = Duration::from_micros(5);
/// How long it is left alone when threads can't be made.
const PATIENCE: Duration = Duration::from_secs(30);

/// Watches the threads of this process for as long as it lives.
pub(crate) fn watch() {
    if let Err(error) = thread::Builder::new().name("contention".into()).spawn(run) {
        eprintln!("engine: nobody looks whether other work is in the way: {error}");
    }
}

fn run() {
    let Some(mut before) = Observation::take() else {
        // A kernel that does not tell how long threads wait. The short way is never much too slow.
        std::mem::forget(Crowd::gather());
        return;
    };
    let mut judge = Judge::default();
    let mut crowd = None;
    let mut tried: Option<Instant> = None;
    let mut window = WINDOW;
    loop {
        thread::sleep(window);
        let Some(now) = Observation::take() else { continue };
        let Shares { ran, waited } = now.since(&before);
        before = now;
        let is_computing = ran >= COMPUTING || waited >= COMPUTING;
        window = if is_computing { WINDOW } else { IDLE_WINDOW };
        if !is_computing {
            // Who does nothing is in nobody's way.
            continue;
        }
        if !judge.is_contended(waited) {
            crowd = None;
        } else if crowd.is_none() && tried.is_none_or(|tried| tried.elapsed() > PATIENCE) {
            crowd = Crowd::gather();
            tried = crowd.is_none().then(Instant::now);
        }
    }
}

/// Decides by what is seen in each window.
#[derive(Default)]
struct Judge {
    is_contended: bool,
    /// Windows in a row in which hardly anybody waited.
    free: u32,
}

impl Judge {
    /// Whether threads had better wait the short way, after a window in which one of them waited for a processor for this
    /// share of the time.
    fn is_contended(&mut self, waited: f64) -> bool {
        self.free = if waited < FREE { self.free + 1 } else { 0 };
        self.is_contended = waited >= CONTENDED || self.is_contended && self.free < FREE_WINDOWS;
        self.is_contended
    }
}

/// How long each thread of this process has run and waited so far, by its number.
struct Observation {
    at: Instant,
    threads: HashMap<u32, Turns>,
}

/// Of a thread: how long it had a processor, how long it could have run but had none, and how often it got one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Turns {
    ran: Duration,
    waited: Duration,
    count: u32,
}

/// The largest shares of the time, 0..=1, that a single thread ran, and waited longer than to be woken takes.
struct Shares {
    ran: f64,
    waited: f64,
}

impl Observation {
    /// Reads what the kernel counts (`Documentation/scheduler/sched-stats.rst` of Linux); `None` if it does not.
    fn take() -> Option<Self> {
        let at = Instant::now();
        let threads = fs::read_dir("/proc/self/task").ok()?.filter_map(|entry| {
            let entry = entry.ok()?;
            let number = entry.file_name().to_str()?.parse().ok()?;
            // A thread may end meanwhile.
            Some((number, Turns::parse(&fs::read_to_string(entry.path().join("schedstat")).ok()?)?))
        });
        let threads: HashMap<u32, Turns> = threads.collect();
        // Where it does not count, it says 0.
        threads.values().any(|turns| !turns.ran.is_zero()).then_some(Self { at, threads })
    }

    fn since(&self, before: &Self) -> Shares {
        let time = (self.at - before.at).as_secs_f64().max(1e-3);
        let most = |of: fn(&Turns) -> Duration| {
            let spent =
                self.threads.iter().filter_map(|(number, now)| Some(of(&now.since(before.threads.get(number)?))));
            spent.max().unwrap_or_default().as_secs_f64() / time
        };
        Shares { ran: most(|turns| turns.ran), waited: most(|turns| turns.waited.saturating_sub(WAKING * turns.count)) }
    }
}

impl Turns {
    /// Reads a `schedstat`: nanoseconds on a processor, nanoseconds of waiting for one, and how many turns it had.
    fn parse(text: &str) -> Option<Self> {
        let mut numbers = text.split_ascii_whitespace().map(|number| number.parse::<u64>().ok());
        let (ran, waited, count) = (numbers.next()??, numbers.next()??, numbers.next()??);
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        Some(Self { ran: Duration::from_nanos(ran), waited: Duration::from_nanos(waited), count })
    }

    fn since(&self, before: &Self) -> Self {
        Self {
            ran: self.ran.saturating_sub(before.ran),
            waited: self.waited.saturating_sub(before.waited),
            count: self.count.saturating_sub(before.count),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    #[test]
    fn it_takes_one_bad_window_to_be_contended_and_some_good_ones_to_be_free() {
        let mut judge = Judge::default();
        let seen = [0.01, 0.1, 0.3, 0.01, 0.01, 0.01, 0.08, 0.01, 0.01, 0.01, 0.01, 0.1];
        let judged: Vec<bool> = seen.into_iter().map(|waited| judge.is_contended(waited)).collect();
        assert_eq!(judged.iter().position(|&is_contended| is_contended), Some(2));
        // Neither good nor bad begins the count anew.
        assert_eq!(judged.iter().rposition(|&is_contended| is_contended), Some(9));
    }

    #[test]
    fn the_kernels_numbers_are_read_and_others_are_not() {
        let turns = Turns { ran: Duration::from_nanos(407), waited: Duration::from_nanos(25), count: 306 };
        assert_eq!(Turns::parse("407 25 306\n"), Some(turns));
        assert_eq!(Turns::parse("407 25"), None);
        assert_eq!(Turns::parse("-1 x 3"), None);
    }

    #[test]
    fn to_be_woken_is_not_to_wait() {
        let at = Instant::now();
        let observation = |milliseconds: u64, turns: Turns| Observation {
            at: at + Duration::from_millis(milliseconds),
            threads: HashMap::from([(1, turns)]),
        };
        let turns = |waited, count| Turns { ran: Duration::ZERO, waited: Duration::from_micros(waited), count };
        let before = observation(0, turns(0, 0));
        let woken = observation(100, turns(40_000, 10_000)).since(&before);
        let kept = observation(100, turns(40_000, 10)).since(&before);
        assert!(woken.waited < FREE && kept.waited > CONTENDED, "{}, {}", woken.waited, kept.waited);
    }

    #[test]
    fn threads_that_share_a_processor_are_seen_to_wait() {
        let processors = thread::available_parallelism().map_or(1, usize::from);
        let ends = Arc::new(AtomicBool::new(false));
        let threads: Vec<_> = (0..4 * processors)
            .map(|_| {
                let ends = Arc::clone(&ends);
                thread::spawn(move || while !ends.load(Ordering::Relaxed) {})
            })
            .collect();
        let before = Observation::take().expect("Linux counts");
        thread::sleep(Duration::from_millis(400));
        let waited = Observation::take().expect("Linux counts").since(&before).waited;
        ends.store(true, Ordering::Relaxed);
        for thread in threads {
            thread.join().expect("it only looks at a flag");
        }
        assert!(waited > CONTENDED, "of the time, the thread that waited most did so for {waited}");
    }

    #[test]
    fn a_crowd_gathers_and_goes_again() {
        // In an engine, llama.cpp has brought it along.
        // SAFETY: the name ends with a zero byte, and the library runs no code but its own set-up.
        assert!(!unsafe { libc::dlopen(c"libgomp.so.1".as_ptr(), libc::RTLD_LAZY) }.is_null());
        // OpenMP's threads have the name of the one that they are made for.
        let count = || {
            let names = fs::read_dir("/proc/self/task").unwrap().flatten();
            names
                .filter(|task| fs::read_to_string(task.path().join("comm")).is_ok_and(|name| name == "crowd\n"))
                .count()
        };
        let until = |is_so: &dyn Fn() -> bool| {
            for _ in 0..1000 {
                if is_so() {
                    return;
                }
                thread::sleep(Duration::from_millis(10));
            }
            panic!("{} threads", count());
        };
        let processors = thread::available_parallelism().map_or(1, usize::from);
        for _ in 0..3 {
            let crowd = Crowd::gather().expect("OpenMP is there");
            until(&|| count() > processors);
            drop(crowd);
            until(&|| count() == 0);
        }
    }
}

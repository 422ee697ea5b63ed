//! More threads of OpenMP than processors.

use std::ffi::{c_int, c_uint, c_void};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

/// As much as GNU's OpenMP gives its threads, mostly.
const STACK: usize = 8 << 20;

/// Threads that must be possible beside the crowd.
const SPARE: c_uint = 16;

/// Threads of OpenMP that sleep until this is dropped, one more than there are processors.
///
/// While GNU's OpenMP has more threads than processors, a thread that waits for others looks only a hundred times before it
/// sleeps, in place of 300,000 times (libgomp's manual, `GOMP_SPINCOUNT`). Nothing else changes that in a running process.
pub(super) struct Crowd {
    gate: Arc<Gate>,
    leader: Option<JoinHandle<()>>,
}

impl Crowd {
    /// Gathers one; `None` without GNU's OpenMP, or if so many threads can't be made.
    pub(super) fn gather() -> Option<Self> {
        let openmp = OpenMp::find()?;
        let count = openmp.processors() + 1;
        // OpenMP ends the process where it can't make a thread. More, because others may make some meanwhile.
        if !can_make(2 * count + SPARE) {
            return None;
        }
        let gate = Arc::new(Gate::default());
        let inside = Arc::clone(&gate);
        // The threads that OpenMP made for a thread go with it.
        let leader = thread::Builder::new().name("crowd".into()).spawn(move || openmp.wait_at(&inside, count)).ok()?;
        Some(Self { gate, leader: Some(leader) })
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        self.gate.open();
        if let Some(leader) = self.leader.take() {
            let _ = leader.join();
        }
    }
}

/// Whether so many threads more can be there at once.
fn can_make(count: c_uint) -> bool {
    let gate = Arc::new(Gate::default());
    let spawn = |_| {
        let gate = Arc::clone(&gate);
        thread::Builder::new().stack_size(STACK).spawn(move || gate.wait()).ok()
    };
    let threads: Vec<_> = (0..count).map_while(spawn).collect();
    gate.open();
    let made = threads.len();
    for thread in threads {
        let _ = thread.join();
    }
    made == count as usize
}

/// Shut, until it is opened for good.
#[derive(Default)]
struct Gate {
    is_open: Mutex<bool>,
    opened: Condvar,
}

impl Gate {
    fn wait(&self) {
        let is_open = self.is_open.lock().unwrap_or_else(PoisonError::into_inner);
        drop(self.opened.wait_while(is_open, |is_open| !*is_open));
    }

    fn open(&self) {
        *self.is_open.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.opened.notify_all();
    }
}

/// What GNU's OpenMP offers to compiled programs (libgomp's manual, “The libgomp ABI”).
struct OpenMp {
    parallel: Parallel,
    processors: Processors,
}

type Parallel = unsafe extern "C" fn(extern "C" fn(*mut c_void), *mut c_void, c_uint, c_uint);
type Processors = extern "C" fn() -> c_int;

impl OpenMp {
    /// The one that llama.cpp has brought into the process; nothing is loaded for it.
    fn find() -> Option<Self> {
        // SAFETY: the names end with a zero byte, and a library that is there is only found.
        let (parallel, processors) = unsafe {
            let library = libc::dlopen(c"libgomp.so.1".as_ptr(), libc::RTLD_LAZY | libc::RTLD_NOLOAD);
            if library.is_null() {
                return None;
            }
            (libc::dlsym(library, c"GOMP_parallel".as_ptr()), libc::dlsym(library, c"omp_get_num_procs".as_ptr()))
        };
        if parallel.is_null() || processors.is_null() {
            return None;
        }
        // SAFETY: these are their types in libgomp; the library was never closed, so they stay.
        unsafe {
            Some(Self {
                parallel: std::mem::transmute::<*mut c_void, Parallel>(parallel),
                processors: std::mem::transmute::<*mut c_void, Processors>(processors),
            })
        }
    }

    /// At least 1.
    fn processors(&self) -> c_uint {
        c_uint::try_from((self.processors)()).unwrap_or(1).max(1)
    }

    /// Lets this thread and others, `count` in all, wait at the gate.
    fn wait_at(&self, gate: &Gate, count: c_uint) {
        extern "C" fn wait(gate: *mut c_void) {
            // SAFETY: whoever called `parallel` borrows the gate until all threads came back.
            unsafe { &*gate.cast::<Gate>() }.wait();
        }
        // SAFETY: `wait` takes a gate, which is only shared; it returns, without a panic.
        unsafe { (self.parallel)(wait, std::ptr::from_ref(gate).cast_mut().cast(), count, 0) }
    }
}

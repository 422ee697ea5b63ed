//! How much memory the machine has free.

/// Bytes that a program can take now, as the system and its group of processes allow; `None` where that can't be told.
pub(crate) fn available_bytes() -> Option<u64> {
    let mut system = sysinfo::System::new().ok()?;
    system.refresh_memory();
    let free = system.available_memory();
    Some(system.cgroup_limits().map_or(free, |limits| free.min(limits.free_memory)))
}

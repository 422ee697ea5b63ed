//! How much memory there is, and who has it.

/// Bytes that a program can take now, as the system and its group of processes allow; `None` where that can't be told.
pub(crate) fn available_bytes() -> Option<u64> {
    let mut system = sysinfo::System::new().ok()?;
    system.refresh_memory();
    let free = system.available_memory();
    Some(system.cgroup_limits().map_or(free, |limits| free.min(limits.free_memory)))
}

/// Bytes of main memory that a process has for itself alone or has locked, and gives back with its end (`RssAnon` and `VmLck` of Linux's
/// `proc_pid_status(5)`); `None` where that can't be told.
pub(crate) fn taken_bytes(process_id: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process_id}/status")).ok()?;
    let kibibytes = |name: &str| -> Option<u64> {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim().strip_suffix("kB")?.trim_end().parse().ok()
    };
    kibibytes("RssAnon:")?.checked_add(kibibytes("VmLck:")?)?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_os = "linux")]
    fn a_process_has_memory_while_it_lives() {
        let taken = taken_bytes(std::process::id()).unwrap();
        assert!((4096..1 << 40).contains(&taken), "{taken}");
        assert_eq!(taken_bytes(u32::MAX), None);
    }
}

//! How many directories this user may watch through inotify.

/// The kernel's limit. The second file is of this process's user namespace (a container may have one); the first is of the whole
/// host.
pub fn user_watches() -> Option<u64> {
    [
        "/proc/sys/fs/inotify/max_user_watches",
        "/proc/sys/user/max_inotify_watches",
    ]
    .iter()
    .filter_map(|path| std::fs::read_to_string(path).ok()?.trim().parse().ok())
    .min()
}

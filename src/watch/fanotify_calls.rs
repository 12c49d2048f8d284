//! The three system calls of fanotify that no safe crate has.
//!
//! Knows nothing of trees and events. Called by `fanotify` alone.
#![allow(unsafe_code)]

use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use rustix::io::Errno;

/// `MAX_HANDLE_SZ` of the kernel.
const HANDLE_MAX: usize = 128;

/// What a file system calls a directory by, for as long as it exists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Handle {
    pub(super) kind: i32,
    pub(super) bytes: Vec<u8>,
}

/// As `struct file_handle` of linux/fs.h, with its bytes.
#[repr(C)]
struct RawHandle {
    length: u32,
    kind: i32,
    bytes: [u8; HANDLE_MAX],
}

fn answer(returned: i32) -> Result<i32, Errno> {
    match returned {
        0.. => Ok(returned),
        _ => Err(Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::IO)),
    }
}

/// A group whose events tell a directory and a name.
pub(super) fn init() -> Result<OwnedFd, Errno> {
    let flags =
        libc::FAN_CLASS_NOTIF | libc::FAN_CLOEXEC | libc::FAN_NONBLOCK | libc::FAN_REPORT_DFID_NAME;
    // SAFETY: takes two numbers and touches no memory of ours.
    let group = answer(unsafe { libc::fanotify_init(flags, libc::O_RDONLY as u32) })?;
    // SAFETY: the kernel has just given this descriptor, and nobody else has it.
    Ok(unsafe { OwnedFd::from_raw_fd(group) })
}

/// Adds `mask` for what `what` says (the file system of this directory, or it alone) to a group.
pub(super) fn mark(
    group: &OwnedFd,
    what: u32,
    mask: u64,
    directory: BorrowedFd<'_>,
) -> Result<(), Errno> {
    // SAFETY: both descriptors are open for as long as they are borrowed, and the path is a constant that ends with NUL. The
    // path, for a descriptor that was opened with `O_PATH` is not taken without one.
    let returned = unsafe {
        libc::fanotify_mark(
            group.as_raw_fd(),
            libc::FAN_MARK_ADD | libc::FAN_MARK_ONLYDIR | what,
            mask,
            directory.as_raw_fd(),
            c".".as_ptr(),
        )
    };
    answer(returned).map(drop)
}

/// The directory's handle, as the events of its file system tell it.
pub(super) fn handle(directory: BorrowedFd<'_>) -> Result<Handle, Errno> {
    // The first is since Linux 6.5, and is what events tell also where files cannot be opened by their handles.
    match handle_with(directory, libc::AT_EMPTY_PATH | libc::AT_HANDLE_FID) {
        Err(Errno::INVAL) => handle_with(directory, libc::AT_EMPTY_PATH),
        other => other,
    }
}

fn handle_with(directory: BorrowedFd<'_>, flags: i32) -> Result<Handle, Errno> {
    let mut raw = RawHandle {
        length: HANDLE_MAX as u32,
        kind: 0,
        bytes: [0; HANDLE_MAX],
    };
    let mut mount = 0;
    // SAFETY: `raw` has the layout of `struct file_handle` followed by as many bytes as its length says, and the kernel writes no
    // further; `mount` is an integer of the type that is asked for; the path is a constant that ends with NUL.
    let returned = unsafe {
        libc::name_to_handle_at(
            directory.as_raw_fd(),
            c"".as_ptr(),
            (&raw mut raw).cast(),
            &raw mut mount,
            flags,
        )
    };
    answer(returned)?;
    Ok(Handle {
        kind: raw.kind,
        bytes: raw.bytes[..(raw.length as usize).min(HANDLE_MAX)].to_vec(),
    })
}

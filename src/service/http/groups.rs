//! The groups of the process at a socket's other end, as the kernel noted them when it connected: the one option of a socket
//! that no safe crate reads. `/proc/PID/status` would be another process's by the time it is read.
#![allow(unsafe_code)] // the one call that this file is about

use std::io;
use std::os::fd::AsRawFd;

use tokio::net::UnixStream;

/// The kernel's own bound, `NGROUPS_MAX`.
const GROUPS_MAX: usize = 65_536;
/// Enough for nearly everybody at the first try.
const GROUPS_USUAL: usize = 64;

/// The numbers of the supplementary groups. The first one is in the credentials.
pub(super) fn of_peer(stream: &UnixStream) -> io::Result<Vec<u32>> {
    let mut room = GROUPS_USUAL;
    loop {
        let mut groups: Vec<libc::gid_t> = vec![0; room];
        let size = room * size_of::<libc::gid_t>();
        let mut length = libc::socklen_t::try_from(size).map_err(io::Error::other)?;
        // SAFETY: `groups` has room for `length` bytes, of which the kernel writes at most so many; any bytes are numbers.
        let returned = unsafe {
            libc::getsockopt(
                stream.as_raw_fd(),
                libc::SOL_SOCKET,
                libc::SO_PEERGROUPS,
                groups.as_mut_ptr().cast(),
                &mut length,
            )
        };
        let needed = length as usize / size_of::<libc::gid_t>();
        if returned == 0 {
            groups.truncate(needed);
            return Ok(groups);
        }
        let error = io::Error::last_os_error();
        if error.raw_os_error() != Some(libc::ERANGE) || needed <= room || needed > GROUPS_MAX {
            return Err(error);
        }
        room = needed;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_peer_has_the_groups_of_its_process() {
        let (one, _other) = UnixStream::pair().unwrap();
        let mut found = of_peer(&one).unwrap();
        let ours = rustix::process::getgroups().unwrap();
        let mut ours: Vec<u32> = ours.into_iter().map(|group| group.as_raw()).collect();
        found.sort_unstable();
        ours.sort_unstable();
        assert_eq!(found, ours);
    }
}

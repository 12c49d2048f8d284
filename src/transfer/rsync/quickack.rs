//! Prompt acknowledgements on a child's connection to a daemon.
//!
//! An rsync daemon gathers small packets (Nagle): the second of two that follow one another waits until the first is
//! acknowledged, and the kernel on this side puts that off by 40 ms. A small change takes 12 ms, and 55 ms with such a
//! wait; nothing on rsync's command line changes it, for rsync knows no option that concerns acknowledgements. But the
//! kernel can be told so through any descriptor of the socket: the child's is fetched (`pidfd_getfd(2)`, which asks the
//! same right as tracing one's own child), and while the connection is young it is told, at first every millisecond (the kernel
//! forgets it with the next data that is sent, `TCP_QUICKACK` in tcp(7)).
//!
//! Nothing depends on it but time: where it is refused (a container's system call filter), the run takes longer.

use std::convert::Infallible;
use std::os::fd::{AsFd, OwnedFd, RawFd};
use std::time::Duration;

use rustix::net::{AddressFamily, sockopt};
use rustix::process::{Pid, PidfdFlags, PidfdGetfdFlags, pidfd_getfd, pidfd_open};
use tokio::time::{Instant, MissedTickBehavior, interval};

/// Between two words to the kernel: what a wait shrinks to.
const PERIOD: Duration = Duration::from_millis(1);

/// From then on this is often enough: the run is no small one any more.
const GROWN: Duration = Duration::from_millis(50);
const SELDOM: Duration = Duration::from_millis(10);

/// A run that lasts longer does not notice 40 ms.
const YOUNG: Duration = Duration::from_millis(500);

/// Keeps the connection of `child` prompt while it is young. Never ends: it goes with whoever waits for the child.
pub async fn keep_prompt(child: Option<Pid>) -> Infallible {
    if let Some(child) = child {
        // A refusal now is a refusal in a millisecond.
        let _ = while_young(child).await;
    }
    std::future::pending().await
}

async fn while_young(child: Pid) -> rustix::io::Result<()> {
    let process = pidfd_open(child, PidfdFlags::empty())?;
    let began = Instant::now();
    let mut ticks = interval(PERIOD);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut connection: Option<OwnedFd> = None;
    while began.elapsed() < YOUNG {
        ticks.tick().await;
        if began.elapsed() > GROWN && ticks.period() == PERIOD {
            ticks = interval(SELDOM);
        }
        match &connection {
            Some(connection) => sockopt::set_tcp_quickack(connection, true)?,
            None => connection = find(child, process.as_fd())?,
        }
    }
    Ok(())
}

/// The child's connection, if it has one by now.
fn find(child: Pid, process: impl AsFd) -> rustix::io::Result<Option<OwnedFd>> {
    let Ok(entries) = std::fs::read_dir(format!("/proc/{}/fd", child.as_raw_nonzero())) else {
        return Ok(None);
    };
    for entry in entries.flatten() {
        let is_socket = std::fs::read_link(entry.path())
            .is_ok_and(|to| to.as_os_str().as_encoded_bytes().starts_with(b"socket:"));
        let number = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse::<RawFd>().ok());
        let (true, Some(number)) = (is_socket, number) else {
            continue;
        };
        let found = match pidfd_getfd(&process, number, PidfdGetfdFlags::empty()) {
            Ok(found) => found,
            // Closed meanwhile.
            Err(rustix::io::Errno::BADF) => continue,
            Err(error) => return Err(error),
        };
        let family = rustix::net::getsockname(&found).map(|name| name.address_family());
        if matches!(family, Ok(AddressFamily::INET | AddressFamily::INET6)) {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};
    use std::os::unix::net::UnixStream;

    use super::*;

    /// So long nothing may come of it; what would come, would come at once.
    const SHORT: Duration = Duration::from_millis(50);

    #[tokio::test]
    async fn without_a_child_or_the_right_to_it_nothing_ends_for_it() {
        let mut child = std::process::Command::new("/bin/true").spawn().unwrap();
        let gone = Pid::from_raw(child.id() as i32);
        child.wait().unwrap();
        // A refusal of any kind is one: here there is no such process any more.
        for child in [None, gone] {
            let ended = tokio::time::timeout(SHORT, keep_prompt(child)).await;
            assert!(ended.is_err());
        }
    }

    #[test]
    fn a_connection_is_found_among_other_descriptors() {
        let me = rustix::process::getpid();
        let _pair = UnixStream::pair().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let _client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let process = pidfd_open(me, PidfdFlags::empty()).unwrap();
        match find(me, &process) {
            Ok(Some(found)) => assert!(matches!(
                rustix::net::getsockname(&found).unwrap().address_family(),
                AddressFamily::INET
            )),
            Ok(None) => panic!("this process has a connection"),
            // A system call filter: then runs only take longer.
            Err(error) => assert_eq!(error, rustix::io::Errno::PERM),
        }
    }
}

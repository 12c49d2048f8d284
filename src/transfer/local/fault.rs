//! How something goes wrong for one path, and what the kernel's error numbers mean on either side.

use rustix::io::Errno;

use crate::engine::{Trouble, Verdict};

/// Why a path is not in step.
#[derive(Debug)]
pub(super) enum Fault {
    /// This path alone, with its reason.
    Failed(String),
    /// It changed or vanished while it was looked at: looked at again at once.
    Again,
    /// The whole transfer ends.
    Stop(Stop),
}

/// The whole transfer ends so.
#[derive(Debug)]
pub(super) struct Stop(pub(super) Box<Verdict>);

impl From<Stop> for Fault {
    fn from(stop: Stop) -> Fault {
        Fault::Stop(stop)
    }
}

impl Stop {
    /// It was told to end.
    pub(super) fn cancelled() -> Stop {
        Stop(Box::new(Verdict::Cancelled))
    }

    /// Tried again with backoff.
    pub(super) fn retry(code: &'static str, message: String) -> Stop {
        Stop(Box::new(Verdict::Retry(Trouble {
            code,
            message,
            soon: false,
        })))
    }

    /// Tried again slowly.
    pub(super) fn permanent(code: &'static str, message: String) -> Stop {
        Stop(Box::new(Verdict::Permanent(Trouble {
            code,
            message,
            soon: false,
        })))
    }
}

/// The kernel's words for an error, in the house's voice: lower case, without its number.
pub(super) fn words(errno: Errno) -> String {
    let text = std::io::Error::from(errno).to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    let mut chars = text.chars();
    match chars.next() {
        // "I/O error" keeps its capitals.
        Some(first) if !text.starts_with("I/O") => first.to_lowercase().chain(chars).collect(),
        _ => text.to_string(),
    }
}

/// Whether an error says that the name is no longer what it was: gone, or another type.
pub(super) fn vanished(errno: Errno) -> bool {
    matches!(
        errno,
        Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::NXIO
    )
}

/// An error while the source was read: it has moved on, or the path fails alone.
pub(super) fn at_source(act: &str, errno: Errno) -> Fault {
    if vanished(errno) {
        Fault::Again
    } else {
        Fault::Failed(format!("{act} the source: {}", words(errno)))
    }
}

/// An error while the target was written: of the whole file system, or of the path alone.
///
/// A missing name is the path's failure here, not [`Fault::Again`]: only a stranger writing on the target brings it
/// about, and "again at once" would spin with it.
pub(super) fn at_target(act: &str, errno: Errno) -> Fault {
    match errno {
        Errno::NOSPC | Errno::DQUOT => {
            let what = if errno == Errno::NOSPC {
                "no space is left on it"
            } else {
                "its quota is used up"
            };
            Stop::retry("noSpace", format!("{act} the target: {what}: make room")).into()
        }
        Errno::ROFS => Stop::permanent(
            "readOnly",
            format!("{act} the target: its file system is read-only: mount it writable"),
        )
        .into(),
        Errno::NOTCONN | Errno::HOSTDOWN | Errno::HOSTUNREACH | Errno::TIMEDOUT | Errno::STALE => {
            Stop::retry(
                "unreachable",
                format!("{act} the target: {}: mount it again", words(errno)),
            )
            .into()
        }
        Errno::PERM => Fault::Failed(format!(
            "{act} the target: not permitted: is it immutable, or owned by another user?"
        )),
        _ => Fault::Failed(format!("{act} the target: {}", words(errno))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_words_in_the_houses_voice() {
        assert_eq!(words(Errno::ACCESS), "permission denied");
        assert_eq!(words(Errno::NOENT), "no such file or directory");
        assert!(matches!(at_source("reading", Errno::NOENT), Fault::Again));
        assert!(matches!(at_target("writing", Errno::NOSPC), Fault::Stop(_)));
        let Fault::Failed(reason) = at_target("writing", Errno::ACCESS) else {
            panic!("a path's own failure")
        };
        assert_eq!(reason, "writing the target: permission denied");
    }
}

//! What manifests are compared with, and how it is read.

use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use hyper::Method;

use crate::cli::git;
use crate::cli::load::Parsed;
use crate::plan::Plan;
use crate::service::Failure;
use crate::service::client;
use crate::service::protocol::PlanAnswer;

/// What to compare with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Against {
    /// What the service runs.
    Running,
    /// No plan: everything is new.
    Nothing,
    /// The same paths at a git revision.
    Git(String),
    /// Other files.
    Path(PathBuf),
}

impl FromStr for Against {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Against, Infallible> {
        Ok(match text {
            "running" => Against::Running,
            "nothing" => Against::Nothing,
            _ => text.strip_prefix("git:").map_or_else(
                || Against::Path(PathBuf::from(text)),
                |revision| Against::Git(revision.to_owned()),
            ),
        })
    }
}

/// What is compared with, read.
#[derive(Debug)]
pub enum Old {
    /// One host's plan.
    Running(Box<PlanAnswer>),
    /// No plan.
    Nothing,
    /// Manifests.
    Files {
        /// In words, with backticks.
        name: String,
        /// The commits of a revision.
        commits: Vec<String>,
        /// What they say.
        parsed: Parsed,
    },
}

/// Why it could not be read.
#[derive(Debug)]
pub enum Unread {
    /// The service said so, or did not.
    Service(Failure),
    /// One line.
    Revision(String),
}

impl Against {
    /// Reads it. `paths` are those of the new manifests.
    pub fn read(&self, paths: &[PathBuf], socket: &Path) -> Result<Old, Unread> {
        Ok(match self {
            Against::Nothing => Old::Nothing,
            Against::Running => {
                let none = None::<&()>;
                let answer = client::call(socket, Method::GET, "/v1/plan", none, Duration::ZERO);
                Old::Running(Box::new(answer.map_err(Unread::Service)?))
            }
            Against::Path(path) => Old::Files {
                name: format!("`{}`", path.display().to_string().escape_debug()),
                commits: Vec::new(),
                parsed: Parsed::read(std::slice::from_ref(path)),
            },
            Against::Git(revision) => {
                let read = git::read(revision, paths).map_err(Unread::Revision)?;
                let name = match read.commits.as_slice() {
                    // A commit is its own name.
                    [commit] if revision.starts_with(commit) => commit.clone(),
                    _ => revision.escape_debug().to_string(),
                };
                Old::Files {
                    name: format!("`{name}`"),
                    commits: read.commits,
                    parsed: Parsed::new(read.inputs),
                }
            }
        })
    }
}

impl Old {
    /// In words: `` `main` (0123456789ab) ``.
    pub fn name(&self) -> String {
        match self {
            Old::Running(answer) => format!(
                "what runs on `{}` (generation {}, digest {})",
                answer.host.escape_debug(),
                answer.generation,
                answer.digest.escape_debug()
            ),
            Old::Nothing => "nothing".into(),
            Old::Files { name, commits, .. } => match commits.join(", ") {
                known if known.is_empty() || *name == format!("`{known}`") => name.clone(),
                commits => format!("{name} ({commits})"),
            },
        }
    }

    /// What the files say, if it is files.
    pub fn parsed(&self) -> Option<&Parsed> {
        match self {
            Old::Files { parsed, .. } => Some(parsed),
            Old::Running(_) | Old::Nothing => None,
        }
    }

    /// The plan, where it is known without compiling.
    pub fn plan(&self) -> Option<Plan> {
        match self {
            Old::Running(answer) => Some(answer.plan.clone()),
            Old::Nothing => Some(Plan::default()),
            Old::Files { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_to_compare_with() {
        let read = |text: &str| text.parse::<Against>().unwrap();
        assert_eq!(read("running"), Against::Running);
        assert_eq!(read("nothing"), Against::Nothing);
        assert_eq!(read("git:HEAD~1"), Against::Git("HEAD~1".into()));
        assert_eq!(read("git:"), Against::Git(String::new()));
        assert_eq!(read("./running"), Against::Path("./running".into()));
        assert_eq!(read("/etc/x"), Against::Path("/etc/x".into()));
    }
}

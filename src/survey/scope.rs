//! What of a source a survey sees: the same names that are watched and sent.

use std::path::Path;

use rustix::fs::Stat;

use super::Request;
use crate::engine::RelPath;
use crate::filter::{Filter, Verdict};
use crate::host::Identity;
use crate::host::temporary::is_temporary;

/// What of a source a survey sees.
pub(super) struct Scope<'a> {
    filter: &'a Filter,
    root: Identity,
    one_file_system: bool,
    /// By its identity and not by its path: the root's path may lead through symlinks, the service's through others.
    private: Option<Identity>,
    /// By its path too, for places below it.
    private_path: Option<RelPath>,
}

impl<'a> Scope<'a> {
    /// Of a source whose root is this directory.
    pub(super) fn new(request: &Request<'a>, root: Identity) -> Scope<'a> {
        Scope {
            filter: request.filter,
            root,
            one_file_system: request.survey.source.one_file_system,
            private: rustix::fs::stat(request.private)
                .ok()
                .map(|stat| Identity::of(&stat)),
            private_path: RelPath::below(Path::new(&request.survey.source.path), request.private)
                .filter(|path| !path.is_root()),
        }
    }

    /// What a directory is that is looked at without its parents; `None`: it does not belong, or something above it does not.
    pub(super) fn place(&self, path: &RelPath) -> Option<Verdict> {
        if let Some(private) = &self.private_path
            && path.starts_with(private)
        {
            return None;
        }
        let mut names = path.as_bytes().split(|byte| *byte == b'/');
        let verdict = self.filter.decide(path.as_bytes(), true).verdict;
        (verdict != Verdict::Excluded && !names.any(is_temporary)).then_some(verdict)
    }

    /// What the name at `path` is, in a directory that is `parent`; `None`: it does not belong.
    pub(super) fn name(
        &self,
        parent: Verdict,
        path: &[u8],
        name: &[u8],
        directory: bool,
    ) -> Option<Verdict> {
        if is_temporary(name) {
            return None;
        }
        let verdict = self.filter.decide_child(parent, path, directory).verdict;
        (verdict != Verdict::Excluded).then_some(verdict)
    }

    /// Whether it is the service's own directory.
    pub(super) fn is_private(&self, stat: &Stat) -> bool {
        let found = Identity::of(stat);
        self.private == Some(found) && found != self.root
    }

    /// Whether it lies on another file system than the root.
    pub(super) fn is_foreign(&self, stat: &Stat) -> bool {
        Identity::of(stat).device != self.root.device
    }

    /// Whether a directory is listed but not entered.
    pub(super) fn is_shut(&self, foreign: bool) -> bool {
        foreign && self.one_file_system
    }
}

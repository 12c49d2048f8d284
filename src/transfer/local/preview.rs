//! What a full pass would do, by a look at both sides. Changes nothing.

use rustix::io::Errno;

use super::Request;
use super::fault::words;
use super::keep::Keep;
use super::meta::{Kind, Meta};
use super::tree::{Dir, For, Tree};
use crate::engine::{Job, RelPath};
use crate::filter::{Filter, Verdict};
use crate::plan::DeletePolicy;
use crate::transfer::Preview;
use crate::transfer::temporary::is_temporary;

/// What a full pass would send and delete, or why that cannot be told.
pub fn preview(request: &Request<'_>) -> Result<Preview, String> {
    let opened = |side: &str, path: &std::path::Path, error: Errno| {
        format!("opening the {side} `{}`: {}", path.display(), words(error))
    };
    let source = Tree::open(request.source_root)
        .map_err(|error| opened("source", request.source_root, error))?;
    let target = match Tree::open(request.target_root) {
        Ok(target) => Some(target),
        Err(Errno::NOENT) => None,
        Err(error) => return Err(opened("target", request.target_root, error)),
    };
    let keep = Keep::new(&request.job.route.attributes);
    let mut walk = Walk {
        source: &source,
        target: target.as_ref(),
        filter: request.filter,
        job: request.job,
        keep,
        found: Preview::default(),
    };
    walk.directory(&RelPath::root())?;
    Ok(walk.found)
}

struct Walk<'a> {
    source: &'a Tree,
    target: Option<&'a Tree>,
    filter: &'a Filter,
    job: &'a Job,
    keep: Keep,
    found: Preview,
}

impl Walk<'_> {
    /// One directory of the source, and what the target has in its place.
    fn directory(&mut self, path: &RelPath) -> Result<(), String> {
        let failed = |error: Errno| format!("looking at `{path}`: {}", words(error));
        let here = self.source.dir(path, For::Listing).map_err(failed)?;
        let listing = here.list();
        if let Some(error) = listing.error {
            return Err(failed(error));
        }
        let there = self
            .target
            .and_then(|target| target.dir(path, For::Listing).ok());
        let mut kept: Vec<Box<[u8]>> = Vec::new();
        for name in listing.names {
            let child = path.join(&name.bytes);
            let Some(meta) = here.look(&name.bytes).map_err(failed)? else {
                continue;
            };
            if is_temporary(&name.bytes) || !self.belongs(&child, &meta) {
                continue;
            }
            let other = match &there {
                Some(there) => there.look(&name.bytes).map_err(failed)?,
                None => None,
            };
            if other.is_none_or(|other| self.differs(&meta, &other)) {
                self.found.send.push(child.clone());
            }
            if meta.is_dir() && (meta.id.0 == self.source.id.0 || !self.job.source.one_file_system)
            {
                self.directory(&child)?;
            }
            kept.push(name.bytes);
        }
        match there {
            Some(there) => self.rest(path, &there, &kept),
            None => Ok(()),
        }
    }

    /// What only the target has.
    fn rest(&mut self, path: &RelPath, there: &Dir, kept: &[Box<[u8]>]) -> Result<(), String> {
        let listing = there.list();
        if let Some(error) = listing.error {
            return Err(format!(
                "looking at `{path}` on the target: {}",
                words(error)
            ));
        }
        for name in listing.names {
            let child = path.join(&name.bytes);
            let is_dir = matches!(there.kind(&name), Ok(Some(Kind::Dir)));
            let excluded =
                self.filter.decide(child.as_bytes(), is_dir).verdict == Verdict::Excluded;
            if excluded || is_temporary(&name.bytes) {
                continue;
            }
            self.found.target_entries += 1;
            if kept.contains(&name.bytes) {
                continue;
            }
            if is_dir && let Ok(inside) = there.child(&name.bytes, For::Listing) {
                self.rest(&child, &inside, &[])?;
            }
            if self.job.route.delete == DeletePolicy::Mirror {
                self.found.delete.push(child);
            }
        }
        Ok(())
    }

    fn belongs(&self, path: &RelPath, meta: &Meta) -> bool {
        let carried = match meta.kind {
            Kind::File | Kind::Dir => true,
            Kind::Symlink => self.keep.archive,
            Kind::Fifo | Kind::Socket | Kind::Char | Kind::Block => self.keep.devices,
        };
        carried
            && match self.filter.decide(path.as_bytes(), meta.is_dir()).verdict {
                Verdict::Included => true,
                Verdict::Parent => meta.is_dir(),
                Verdict::Excluded => false,
            }
    }

    fn differs(&self, source: &Meta, target: &Meta) -> bool {
        if source.kind != target.kind {
            return true;
        }
        let link = source.kind == Kind::Symlink;
        let content =
            source.kind == Kind::File && (source.size, source.mtime) != (target.size, target.mtime);
        let owner = self.keep.gives && (source.uid, source.gid) != (target.uid, target.gid);
        let metadata =
            source.mtime != target.mtime || owner || (!link && source.mode != target.mode);
        content
            || (link && source.size != target.size)
            || source.rdev != target.rdev
            || (self.keep.archive && metadata)
    }
}

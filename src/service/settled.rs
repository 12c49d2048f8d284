//! To which routes' `after` hooks nothing is owed, as the disk says it: one empty file a route in the state directory.
//!
//! It is a cache like the rest: a file that is lost costs a further run of the hook. One that is there although something is owed
//! would cost a run that is missing, so it is taken away, and the directory brought to the disk, before a transfer begins.
//! A route that is not in the plan any more keeps its file: it owes nothing, whenever it comes back.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::plan::{RouteName, SourceName, TargetName};

/// The files. Clones are the same.
#[derive(Clone, Debug)]
pub struct Settled(Arc<PathBuf>);

impl Settled {
    /// In this state directory.
    pub fn of(state: &Path) -> Settled {
        Settled(Arc::new(state.join("hooks")))
    }

    /// The routes that have a file. Where that cannot be read, none.
    pub fn load(&self) -> BTreeSet<RouteName> {
        let found = fs::read_dir(&*self.0);
        let names = found.into_iter().flatten().flatten();
        let names = names.filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            // No name of a source or target has a dot.
            let (source, target) = name.split_once('.')?;
            Some(RouteName {
                source: SourceName(source.to_owned()),
                target: TargetName(target.to_owned()),
            })
        });
        names.collect()
    }

    /// Something may be owed from now on. Returns when that is on the disk.
    pub fn owe(&self, route: &RouteName) -> io::Result<()> {
        match fs::remove_file(self.at(route)) {
            Ok(()) => File::open(&*self.0)?.sync_all(),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Nothing is owed.
    pub fn settle(&self, route: &RouteName) -> io::Result<()> {
        super::state::private_dir(&self.0)?;
        super::state::private_file(&self.at(route)).map(|_| ())
    }

    fn at(&self, route: &RouteName) -> PathBuf {
        self.0.join(format!("{}.{}", route.source, route.target))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_settled_is_remembered_until_it_is_owed() {
        let scratch = tempfile::tempdir().unwrap();
        let settled = Settled::of(scratch.path());
        let route = |target: &str| RouteName {
            source: SourceName("site".into()),
            target: TargetName(target.into()),
        };
        assert!(settled.load().is_empty());
        settled.owe(&route("a")).unwrap();
        settled.settle(&route("a")).unwrap();
        settled.settle(&route("b-c")).unwrap();
        assert_eq!(settled.load(), [route("a"), route("b-c")].into());
        settled.owe(&route("a")).unwrap();
        settled.owe(&route("a")).unwrap();
        assert_eq!(Settled::of(scratch.path()).load(), [route("b-c")].into());
    }
}

//! Before a run writes for the first time: the gate with the route's `before` hook. And who is told of what was written.

use std::os::fd::AsFd;

use super::attributes::Wanted;
use super::fault::{Fault, Stop};
use super::meta::{Kind, Meta};
use super::session::Session;
use super::xattrs;
use crate::engine::RelPath;
use crate::transfer::tally::Did;

impl Session<'_> {
    /// Something is written now.
    pub(super) fn first_write(&self) -> Result<(), Stop> {
        let Some((gate, batch)) = self.gate else {
            return Ok(());
        };
        gate.open_for(batch)
            .map_err(|verdict| Stop(Box::new(verdict)))
    }

    /// The metadata of what is under `there` is brought in step now, if it is not.
    pub(super) fn first_metadata(
        &self,
        wanted: &Wanted<'_>,
        there: impl AsFd,
        current: &Meta,
    ) -> Result<(), Fault> {
        if self.gate.is_none() {
            return Ok(());
        }
        let source = wanted.source;
        let link = source.kind == Kind::Symlink;
        let stands = self.keep.new_owner(source, current) == (None, None)
            && (link || wanted.mode == current.mode)
            && (!self.keep.archive || source.mtime == current.mtime);
        let stands = match &wanted.xattrs {
            Some(ours) if stands => *ours == xattrs::of_target(&self.keep, &there)?,
            _ => stands,
        };
        match stands {
            true => Ok(()),
            false => Ok(self.first_write()?),
        }
    }

    /// This was done.
    pub(super) fn tell(&self, did: Did, path: &RelPath) {
        if let Some(tally) = self.tally {
            tally.add(did, path);
        }
    }
}

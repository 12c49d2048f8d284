//! The names under which files are written before they take their final one, as the transfers need them.
//!
//! What such a name is stands in [`host`](crate::host), for surveys leave them out as well.

use crate::host::temporary::DIGITS;
pub(super) use crate::host::temporary::{is_temporary, name};

/// As a filter rule of rsync: neither sent nor, on a target, deleted.
pub(super) fn rsync_rule() -> String {
    format!("- .heliostat-{}.tmp", "?".repeat(DIGITS))
}

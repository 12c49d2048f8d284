//! The names under which files are written before they take their final one.
//!
//! Such a name is never carried over, by any kind of target and on either side: where one route's target is the next
//! route's source, what the first is just writing is no user's file. Sixteen hex digits keep it from being any user's in
//! practice. A survey leaves them out for the same reason.

const PREFIX: &[u8] = b".heliostat-";
const SUFFIX: &[u8] = b".tmp";
/// Hex digits between them.
pub const DIGITS: usize = 16;

/// A new one.
pub fn name(random: u64) -> String {
    format!(".heliostat-{random:016x}.tmp")
}

/// Whether a name is one of them.
pub fn is_temporary(name: &[u8]) -> bool {
    name.strip_prefix(PREFIX)
        .and_then(|rest| rest.strip_suffix(SUFFIX))
        .is_some_and(|random| {
            random.len() == DIGITS
                && random
                    .iter()
                    .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_names_are_temporary() {
        assert!(is_temporary(name(7).as_bytes()) && is_temporary(name(u64::MAX).as_bytes()));
        for other in [
            "heliostat-0123456789abcdef.tmp",
            ".heliostat-0123456789abcde.tmp",
            ".heliostat-0123456789abcdef.tmp2",
            ".heliostat-0123456789ABCDEF.tmp",
        ] {
            assert!(!is_temporary(other.as_bytes()), "{other}");
        }
    }
}

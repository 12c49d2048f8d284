//! What there is to say about each code, in one table.

mod across;
mod within;

use super::Severity::{Error, Warning};
use super::{Code, Entry};

/// Every code, in the order of [`Code`].
pub const REGISTRY: &[Entry] =
    &joined::<{ within::ROWS.len() + across::ROWS.len() }>(within::ROWS, across::ROWS);

/// Two tables one behind the other.
const fn joined<const N: usize>(first: &[Entry], second: &[Entry]) -> [Entry; N] {
    let mut rows = [first[0]; N];
    let mut at = 0;
    while at < N {
        rows[at] = if at < first.len() {
            first[at]
        } else {
            second[at - first.len()]
        };
        at += 1;
    }
    rows
}

const fn error(
    code: Code,
    id: &'static str,
    title: &'static str,
    explanation: &'static str,
) -> Entry {
    Entry {
        code,
        id,
        severity: Error,
        title,
        explanation,
    }
}

const fn warning(
    code: Code,
    id: &'static str,
    title: &'static str,
    explanation: &'static str,
) -> Entry {
    Entry {
        code,
        id,
        severity: Warning,
        title,
        explanation,
    }
}

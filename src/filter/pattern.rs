//! Globs, read once into parts.

/// Why a pattern was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct PatternError {
    /// Lower case, no full stop.
    pub message: String,
    /// What to write instead.
    pub help: Option<String>,
}

/// Whether `pattern` can be used as a rule.
pub fn check(_pattern: &str) -> Result<(), PatternError> {
    Ok(())
}

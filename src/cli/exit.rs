//! The exit codes. 1 and 2 never mean "changes".

/// Good.
pub const GOOD: u8 = 0;
/// A negative result: invalid, failing, excluded.
pub const NEGATIVE: u8 = 1;
/// Usage, or unreadable input.
pub const USAGE: u8 = 2;
/// Changes, where only these were asked for.
pub const CHANGES: u8 = 3;
/// The service is not reachable.
pub const NOT_REACHABLE: u8 = 4;
/// Timed out.
pub const TIMED_OUT: u8 = 5;
/// Held.
pub const HELD: u8 = 6;
/// No valid manifest to start with.
pub const NO_MANIFEST: u8 = 78;

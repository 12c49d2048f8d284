//! What is measured: one table, filled when somebody asks.
//!
//! | file | owns |
//! | --- | --- |
//! | `table` | every metric: name, kind, labels, help; `docs/metrics.md` is written from it |
//! | `tally` | what is counted as it happens: transfers, events, reloads |
//! | `page` | the samples of one moment |
//! | `gather` | fills a page from the status, the tally and the process |
//! | `process` | this process in numbers |
//! | `expose` | a page as OpenMetrics text, and in the older format |
//! | `textfile` | a page in a file, for hosts where nobody scrapes |
//!
//! Labels are names of the manifest and words of this program, never a path or a message: their number is bounded by the
//! plan. What a reload removes has no series any more. Called by the HTTP interface and the textfile's task.

pub mod expose;
pub mod gather;
pub mod page;
mod process;
pub mod table;
pub mod tally;
pub mod textfile;

pub use tally::Tally;

//! The status page: what `heliostat status`, `plan` and `render --origin` say, for a browser.
//!
//! | file | owns |
//! | --- | --- |
//! | `look` | the requests: asks for everything a page shows, and answers with it and the headers that guard it |
//! | `frame` | what every page has around it: head, header, banners, symbols |
//! | `overview` | all routes, the worst first; sources with what watches them |
//! | `filter` | which of the routes are shown: state, words, page |
//! | `route` | one route |
//! | `commands` | what can be said in a terminal, in sentences and by itself |
//! | `panels` | a route's tables: what is held, failing, pending, planned |
//! | `history` | what the recorded transfers say of one route: by time, and since when something holds |
//! | `plot` | throughput and lag as SVG and as a table |
//! | `files` | the effective manifest and the last rejected reload |
//! | `words` | times, numbers and states as markup |
//!
//! It only looks: there is nothing on it that changes anything, it shows commands to copy. It needs no script: what is sent is
//! whole, and a browser without scripts loads it again by itself. With one, `live.js` puts a new answer in the place of what
//! has changed. Nothing is taken from elsewhere, and nothing inline is allowed to run or to style.
//!
//! Nothing is gathered for it: plots are made of the ledger's runs when somebody asks, so that a service nobody looks at is
//! not woken. What is shown is bounded, however many routes there are.
//!
//! Everything here but `look` is a pure function of what it is given, the time and its zone included.

mod commands;
mod files;
mod filter;
mod frame;
mod history;
mod look;
mod overview;
mod panels;
mod plot;
mod route;
#[cfg(test)]
mod tests;
mod words;

pub(super) use look::pages;

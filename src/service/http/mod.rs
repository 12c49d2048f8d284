//! The HTTP interface: one router, served at the control socket and, where the agent file or `--http` says so, over TCP.
//!
//! | file | owns |
//! | --- | --- |
//! | `server` | what every request can use: questions to the engine, orders, facts of the service; how a refusal looks |
//! | `router` | which path is what, and of which class: a new request is one line there |
//! | `api` | the requests of the JSON interface |
//! | `events` | that the picture is different, for those who follow it |
//! | `page` | the status page |
//! | `health`, `scrape` | `/-/healthy`, `/-/ready`, `/-/insync`, and `/metrics` |
//! | `caller` | who asks and what he may: the classes *read* and *operate*, and what a browser must not be made to do |
//! | `operator` | who operates, by the kernel's word, and the line in the log about what he asked for |
//! | `groups` | the groups of the process at a socket's other end |
//! | `unix`, `tcp` | the two doors: binding them, and who comes in |
//! | `connection` | a connection's bounds: how many, how long, how much |
//! | `patient` | a stream that is given up when the other side reads nothing |
//!
//! Two classes. *Read* is looking and waiting. *Operate* is whatever changes what the service does. The control socket knows
//! its peer (`SO_PEERCRED`): the service's own user and root operate, others are what the agent file's `access` makes of their
//! groups, and by default do not even connect. Over TCP nobody knows who asks, so it reads, and operates only where
//! `http: {operate: true}` says so, which only a loopback address may have.
//!
//! Nothing here may hold the service up: a request waits for the engine, never the engine for a request; each door has
//! bounds of its own, so that a crowd at one does not shut the other.

mod api;
mod caller;
mod connection;
mod events;
mod groups;
mod health;
mod operator;
mod page;
mod patient;
mod router;
mod scrape;
mod server;
mod tcp;
mod unix;

pub use caller::{Caller, Class, Peer};
pub use operator::Operator;
pub use server::{Facts, Server, chosen, refuse};
pub use tcp::{Tcp, TcpOptions};
pub use unix::{Control, serve};

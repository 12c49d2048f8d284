//! systemd's journal: its native protocol, a datagram an entry with fields; and sd-daemon(3)'s `<N>` lines for where it is not.
//!
//! `journalctl HELIOSTAT_ROUTE=website/web98` finds what is about a route: each field of a line is a field of the entry, its
//! name in capitals behind `HELIOSTAT_`.

use std::fmt::{self, Debug};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

use super::FILES;
use super::lines::Lines;
use crate::engine::escape;

/// Of one value: a datagram has to fit into the socket's buffer, and nobody reads more.
const VALUE_MAX: usize = 16 << 10;
/// journald may be busy; one that hangs is not waited for longer.
const SEND_MAX: Duration = Duration::from_secs(5);

/// A connection to journald.
#[derive(Debug)]
pub struct Journal {
    socket: UnixDatagram,
    at: PathBuf,
}

impl Journal {
    /// Where it listens; `None`: nobody does.
    pub fn connect(at: &Path) -> Option<Journal> {
        let socket = UnixDatagram::unbound().ok()?;
        socket.set_write_timeout(Some(SEND_MAX)).ok()?;
        socket.connect(at).ok()?;
        let at = at.to_owned();
        Some(Journal { socket, at })
    }

    /// Whether the entry was taken. A journald that was started anew is found again.
    pub fn send(&mut self, entry: &[u8]) -> bool {
        if self.socket.send(entry).is_ok() {
            return true;
        }
        match Journal::connect(&self.at) {
            Some(anew) => {
                *self = anew;
                self.socket.send(entry).is_ok()
            }
            None => false,
        }
    }
}

/// Makes entries.
pub struct JournalLayer(Lines);

impl JournalLayer {
    /// To be sent through these.
    pub fn new(lines: Lines) -> JournalLayer {
        JournalLayer(lines)
    }
}

impl<S: Subscriber> Layer<S> for JournalLayer {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let meta = event.metadata();
        let mut entry = Entry::default();
        entry.field("PRIORITY", &priority(*meta.level()).to_string());
        entry.field("SYSLOG_IDENTIFIER", "heliostat");
        event.record(&mut entry);
        self.0.push(entry.0, meta.target() == FILES);
    }
}

/// An entry as journald takes it.
#[derive(Default)]
struct Entry(Vec<u8>);

impl Entry {
    fn field(&mut self, name: &str, value: &str) {
        let mut end = value.len().min(VALUE_MAX);
        while !value.is_char_boundary(end) {
            end -= 1;
        }
        let value = &value[..end];
        self.0.extend_from_slice(name.as_bytes());
        if value.contains('\n') {
            // The form for values of more than one line.
            self.0.push(b'\n');
            self.0
                .extend_from_slice(&(value.len() as u64).to_le_bytes());
        } else {
            self.0.push(b'=');
        }
        self.0.extend_from_slice(value.as_bytes());
        self.0.push(b'\n');
    }
}

impl Visit for Entry {
    fn record_str(&mut self, field: &Field, value: &str) {
        // In quotes only where it is a word of ours in a text.
        self.record_debug(field, &format_args!("{value}"));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let value = format!("{value:?}");
        let clean = match value.contains(|c: char| c.is_control() && c != '\n' && c != '\t') {
            true => escape(value.as_bytes()).into_owned(),
            false => value,
        };
        match field.name() {
            "message" => self.field("MESSAGE", &clean),
            name => {
                let name: String = name
                    .chars()
                    .map(|c| {
                        if c.is_ascii_alphanumeric() {
                            c.to_ascii_uppercase()
                        } else {
                            '_'
                        }
                    })
                    .collect();
                self.field(&format!("HELIOSTAT_{name}"), &clean);
            }
        }
    }
}

fn priority(level: Level) -> u8 {
    match level {
        Level::ERROR => 3,
        Level::WARN => 4,
        Level::INFO => 6,
        Level::DEBUG | Level::TRACE => 7,
    }
}

/// sd-daemon(3)'s lines: `<6>message field=value`.
pub struct Prefixed;

impl<S, N> FormatEvent<S, N> for Prefixed
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        ctx: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        line: &Event<'_>,
    ) -> fmt::Result {
        write!(writer, "<{}>", priority(*line.metadata().level()))?;
        ctx.field_format().format_fields(writer.by_ref(), line)?;
        writeln!(writer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_has_fields_and_keeps_what_is_in_them() {
        let mut entry = Entry::default();
        entry.field("MESSAGE", "one line");
        entry.field("HELIOSTAT_X", "two\nlines");
        let expected = b"MESSAGE=one line\nHELIOSTAT_X\n\x09\0\0\0\0\0\0\0two\nlines\n";
        assert_eq!(entry.0, expected);
        let mut long = Entry::default();
        long.field("MESSAGE", &"ü".repeat(VALUE_MAX));
        assert!(long.0.len() < VALUE_MAX + 20 && std::str::from_utf8(&long.0).is_ok());
    }
}

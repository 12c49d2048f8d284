//! What an import makes: a manifest to be, and what became of each part of the original.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use serde::Serialize;

use crate::manifest::name;

/// What became of a part of the original.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum What {
    /// It means the same here, or is not needed.
    Mapped,
    /// It is done in another way here.
    Changed,
    /// Somebody must look at it: it was left out, or cannot be known.
    Decide,
    /// Nothing is made of the file for it.
    Refused,
}

impl What {
    fn word(self) -> &'static str {
        match self {
            What::Mapped => "mapped",
            What::Changed => "changed",
            What::Decide => "decide",
            What::Refused => "refused",
        }
    }
}

/// One line of the report.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Note {
    /// Of the original, from 1.
    pub line: usize,
    /// What became of it.
    pub what: What,
    /// What it was; never a secret.
    pub was: String,
    /// What it is, and why.
    pub is: String,
}

/// Reads another file that the original names, or says why not.
pub type Files = fn(&str) -> Result<String, String>;

/// A manifest to be.
#[derive(Debug, Default)]
pub struct Draft {
    /// For files of patterns.
    pub files: Option<Files>,
    /// In the order of the original.
    pub sources: Vec<Source>,
    /// The report so far.
    pub notes: Vec<Note>,
}

/// A source of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Source {
    /// Absolute.
    pub path: String,
    /// Globs.
    pub exclude: Vec<String>,
    /// Names of events; none: the default.
    pub events: Vec<&'static str>,
    /// Minutes between full passes; `None`: the default.
    pub rescan_minutes: Option<u64>,
    /// Where to.
    pub targets: Vec<Target>,
}

/// A target of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Target {
    /// Its url, without password.
    pub url: String,
    /// What its name is made of.
    pub called: String,
    /// Whether everything goes that the source has not. Only where the original deletes so.
    pub mirror: bool,
    /// As the original has it.
    pub max_delete: Option<u64>,
    /// A file with the password.
    pub password_file: Option<String>,
    /// A private key.
    pub identity_file: Option<String>,
    /// A file with the host keys.
    pub known_hosts_file: Option<String>,
    /// A jump host.
    pub jump: Option<String>,
    /// Words of `attributes`; none: the default.
    pub attributes: Vec<&'static str>,
    /// On the wire.
    pub compress: bool,
    /// KiB a second.
    pub bandwidth_kib: Option<u64>,
    /// Seconds.
    pub timeout_s: Option<u64>,
    /// Further options of rsync.
    pub rsync_args: Vec<String>,
}

impl Draft {
    /// Adds a line of the report.
    pub fn note(&mut self, line: usize, what: What, was: impl Into<String>, is: impl Into<String>) {
        let note = Note {
            line,
            what,
            was: was.into(),
            is: is.into(),
        };
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }

    /// Whether nothing is made of it.
    pub fn is_refused(&self) -> bool {
        self.notes.iter().any(|note| note.what == What::Refused)
    }

    /// The report, for people.
    pub fn report(&mut self, file: &str) -> String {
        self.notes.sort();
        let mut out = String::new();
        for Note {
            line,
            what,
            was,
            is,
        } in &self.notes
        {
            let was = crate::engine::escape(was.as_bytes());
            let is = crate::engine::escape(is.as_bytes());
            // A text cannot be too short for what is written to it.
            let _ = writeln!(out, "{file}:{line}: {}: {was}: {is}", what.word());
        }
        let count = |wanted: What| self.notes.iter().filter(|note| note.what == wanted).count();
        let _ = writeln!(
            out,
            "{} mapped, {} changed, {} to decide, {} refused",
            count(What::Mapped),
            count(What::Changed),
            count(What::Decide),
            count(What::Refused)
        );
        out
    }

    /// The manifest's text.
    pub fn text(&self, file: &str) -> String {
        let mut out = format!(
            "# yaml-language-server: $schema=manifest.schema.json\n# Made of {} by `heliostat import`. What was changed, and what is to be decided, is in its report;\n\
             # look at `heliostat plan` before `heliostat run`.\napiVersion: heliostat/v1\nkind: Manifest\nsources:\n",
            crate::engine::escape(file.as_bytes())
        );
        let mut names = BTreeSet::new();
        for source in &self.sources {
            let last = source.path.rsplit('/').next().unwrap_or_default();
            let name = unique(last, "source", &mut names);
            source.write(&name, &mut out);
        }
        out
    }
}

impl Source {
    fn write(&self, name: &str, out: &mut String) {
        out.push_str(&format!("  {name}:\n    path: {}\n", quoted(&self.path)));
        list(out, 4, "exclude", &self.exclude);
        if !self.events.is_empty() {
            out.push_str(&format!("    events: [{}]\n", self.events.join(", ")));
        }
        if let Some(minutes) = self.rescan_minutes {
            out.push_str(&format!("    rescan: {{every: {minutes}m}}\n"));
        }
        out.push_str("    targets:\n");
        let mut names = BTreeSet::new();
        for target in &self.targets {
            let name = unique(&target.called, "target", &mut names);
            target.write(&name, out);
        }
    }
}

impl Target {
    /// This place, with what the options beside it say. A local directory takes nothing that is a connection's.
    pub fn with(self, options: Target, mirror: bool) -> Target {
        let local = self.url.starts_with("file://");
        let mut target = Target {
            url: self.url,
            called: self.called,
            mirror,
            ..options
        };
        if local {
            target.compress = false;
            target.rsync_args.clear();
            target.password_file = None;
        }
        target
    }

    fn write(&self, name: &str, out: &mut String) {
        out.push_str(&format!("      {name}:\n"));
        let mut line = |text: String| out.push_str(&format!("        {text}\n"));
        line(format!("url: {}", quoted(&self.url)));
        if let Some(file) = &self.password_file {
            line(format!("passwordFile: {}", quoted(file)));
        }
        let ssh = [
            ("identityFile", &self.identity_file),
            ("knownHostsFile", &self.known_hosts_file),
            ("jump", &self.jump),
        ];
        let ssh = ssh.into_iter().filter_map(|(key, value)| {
            let value = value.as_ref()?;
            Some(format!("{key}: {}", quoted(value)))
        });
        let ssh: Vec<String> = ssh.collect();
        if !ssh.is_empty() {
            line(format!("ssh: {{{}}}", ssh.join(", ")));
        }
        if self.mirror {
            line("delete: mirror".to_owned());
            line(match self.max_delete {
                Some(count) => format!("maxDelete: {count}"),
                None => "maxDelete: 10%".to_owned(),
            });
        } else {
            line("delete: never".to_owned());
        }
        if !self.attributes.is_empty() {
            line(format!("attributes: [{}]", self.attributes.join(", ")));
        }
        if self.compress {
            line("compress: auto".to_owned());
        }
        if let Some(rate) = self.bandwidth_kib {
            line(format!("bandwidth: {rate}KiB/s"));
        }
        if let Some(seconds) = self.timeout_s {
            line(format!("timeout: {seconds}s"));
        }
        list(out, 8, "rsyncArgs", &self.rsync_args);
    }
}

fn list(out: &mut String, indent: usize, key: &str, items: &[String]) {
    if !items.is_empty() {
        let items: Vec<String> = items.iter().map(|item| format!("{item:?}")).collect();
        out.push_str(&format!("{:indent$}{key}: [{}]\n", "", items.join(", ")));
    }
}

/// A scalar as YAML writes it, also within braces.
fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-@:".contains(c);
    let begins = text.starts_with(|c: char| c == '/' || c.is_ascii_alphabetic());
    match begins && text.chars().all(plain) && !text.ends_with(':') {
        true => text.to_owned(),
        false => format!("{text:?}"),
    }
}

/// A DNS label that resembles a text, and is not among those that there are.
fn unique(text: &str, otherwise: &str, names: &mut BTreeSet<String>) -> String {
    let plain: String = text
        .to_lowercase()
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
        .take(50)
        .collect();
    let plain = plain.trim_matches('-');
    let base = match name::dns_label(plain) {
        Ok(()) => plain,
        Err(_) => otherwise,
    };
    let mut found = base.to_owned();
    let mut number = 2;
    while !names.insert(found.clone()) {
        found = format!("{base}-{number}");
        number += 1;
    }
    found
}

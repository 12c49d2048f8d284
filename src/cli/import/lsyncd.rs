//! lsyncd's Lua, as far as it is a list of `sync{…}` with texts in it. Nothing is run: what only running would tell is said.

use super::draft::{Draft, Source, Target, What};
use super::lua::{Item, Reader, Token, Value, tokens};
use super::options::Options;
use super::patterns::{from_file, glob};
use super::place::{self, Access};

/// Reads it. An error is a line and a message.
pub fn read(text: &str, draft: &mut Draft) -> Result<(), (usize, String)> {
    let tokens = tokens(text)?;
    let mut reader = Reader::new(&tokens);
    while let Some(token) = reader.peek(0) {
        let line = reader.line();
        match (token, reader.peek(1)) {
            (Token::Name(name), _) if name == "local" => reader.skip(1),
            (Token::Name(name), next) if name == "settings" => {
                reader.skip(1);
                reader.take('=');
                let round = next == Some(&Token::Sign('('));
                reader.skip(usize::from(round));
                if reader.peek(0) == Some(&Token::Sign('{')) {
                    settings(reader.table(1), draft);
                }
                reader.take(')');
            }
            (Token::Name(name), next) if name == "sync" => {
                reader.skip(1);
                if next == Some(&Token::Sign('(')) {
                    reader.skip(1);
                }
                match reader.peek(0) {
                    Some(Token::Sign('{')) => {
                        let table = reader.table(1);
                        sync(table, line, draft);
                    }
                    _ => draft.note(
                        line,
                        What::Refused,
                        "`sync`",
                        "its table is made elsewhere: write it in its place",
                    ),
                }
                reader.take(')');
            }
            (Token::Name(name), Some(Token::Sign('='))) => {
                let name = name.clone();
                reader.skip(2);
                let value = reader.value(0);
                reader.names.push((name, value));
            }
            (Token::Name(name), _)
                if ["function", "if", "for", "while", "repeat"].contains(&name.as_str()) =>
            {
                let (inside, name) = (reader.line(), name.clone());
                if ["for", "while"].contains(&name.as_str()) {
                    let begins = |token: &Token| *token == Token::Name("do".to_owned());
                    while reader.peek(0).is_some_and(|token| !begins(token)) {
                        reader.skip(1);
                    }
                }
                reader.function();
                draft.note(
                    inside,
                    What::Decide,
                    format!("`{name} …`"),
                    "not run: what it would make is left out",
                );
            }
            _ => reader.skip(1),
        }
    }
    if draft.sources.is_empty() && !draft.is_refused() {
        draft.note(
            1,
            What::Refused,
            "the file",
            "there is no `sync{…}` that could be read",
        );
    }
    Ok(())
}

fn settings(table: Value, draft: &mut Draft) {
    let Value::Table(items) = table else { return };
    for Item { line, key, .. } in items {
        let name = key.unwrap_or_default();
        let is = match name.as_str() {
            "logfile" | "log" | "logident" | "logfacility" => {
                "the log goes to stderr; see `--log-format`"
            }
            "statusFile" | "statusInterval" => "`heliostat status`",
            "nodaemon" | "pidfile" => "it stays in the foreground, for systemd",
            "maxProcesses" | "maxDelays" => {
                "`limits` of the agent file bound transfers; changes are gathered without a bound that loses any"
            }
            "insist" => "a target that is away at the start is tried again by itself",
            "inotifyMode" => "`events` says what triggers",
            _ => "not needed, or not known here",
        };
        draft.note(line, What::Changed, format!("`settings.{name}`"), is);
    }
}

fn text(value: &Value) -> Option<&str> {
    match value {
        Value::Text(text) => Some(text),
        _ => None,
    }
}

/// One `sync{…}`.
fn sync(table: Value, line: usize, draft: &mut Draft) {
    let Value::Table(items) = table else { return };
    let kind = items
        .iter()
        .find_map(|item| match (&item.key, &item.value) {
            (None, Value::Name(name)) => Some(name.clone()),
            _ => None,
        });
    let kind = kind.unwrap_or_default();
    if !["default.rsync", "default.rsyncssh", "default.direct"].contains(&kind.as_str()) {
        draft.note(
            line,
            What::Refused,
            format!("`sync{{{kind} …}}`"),
            "only `default.rsync`, `default.rsyncssh` and `default.direct` are read",
        );
        return;
    }
    let mut one = Sync {
        line,
        ..Sync::default()
    };
    for item in &items {
        one.item(item, draft);
    }
    one.made(&kind, draft);
}

#[derive(Default)]
struct Sync {
    line: usize,
    source: Option<String>,
    target: Option<String>,
    host: Option<String>,
    directory: Option<String>,
    /// `None`: lsyncd's default, everything.
    keeps: bool,
    options: Options,
    exclude: Vec<String>,
    keeps_all: bool,
}

impl Sync {
    fn item(&mut self, item: &Item, draft: &mut Draft) {
        let Item { line, key, value } = item;
        let Some(key) = key else { return };
        let known = text(value).map(str::to_owned);
        let place = match key.as_str() {
            "source" => Some(&mut self.source),
            "target" => Some(&mut self.target),
            "host" => Some(&mut self.host),
            "targetdir" => Some(&mut self.directory),
            _ => None,
        };
        if let Some(place) = place {
            if known.is_none() {
                draft.note(
                    *line,
                    What::Refused,
                    format!("`{key}`"),
                    "only running the file would tell what it is: write it as a text",
                );
            }
            *place = known;
            return;
        }
        match (key.as_str(), value) {
            ("delete", Value::Flag(false)) => {
                self.keeps = true;
                draft.note(*line, What::Mapped, "`delete = false`", "`delete: never`");
            }
            ("delete", Value::Flag(true)) => {}
            ("delete", _) => {
                self.keeps = true;
                let was = format!("`delete = {}`", known.unwrap_or_default());
                draft.note(
                    *line,
                    What::Decide,
                    was,
                    "`delete: never`: `propagate` deletes what was seen to vanish, `mirror` whatever the source has not, each at any time",
                );
            }
            ("exclude", Value::Table(items)) => {
                for item in items {
                    self.excluded(item.line, text(&item.value), draft);
                }
            }
            ("exclude", _) => self.excluded(*line, known.as_deref(), draft),
            ("excludeFrom", Value::Text(path)) => {
                let was = format!("`excludeFrom = {path}`");
                self.keeps_all |= !from_file(path, &was, *line, &mut self.exclude, draft);
            }
            ("excludeFrom" | "filter" | "filterFrom", _) => {
                self.keeps_all = true;
                draft.note(
                    *line,
                    What::Decide,
                    format!("`{key}`"),
                    "what it leaves out is not known here: all is sent, and so `delete` is `never`; write it as `exclude`",
                );
            }
            ("delay", _) => draft.note(
                *line,
                What::Changed,
                "`delay`",
                "a change leaves after 5 ms of quiet; `debounce: {quiet: 1s, maxWait: 15s}` gathers longer",
            ),
            ("rsync", Value::Table(items)) => {
                for item in items {
                    self.rsync(item, draft);
                }
            }
            ("ssh", Value::Table(items)) => {
                for item in items {
                    self.ssh(item, draft);
                }
            }
            ("maxProcesses" | "maxDelays", _) => {
                draft.note(*line, What::Changed, format!("`{key}`"), "one transfer at a time goes to a target");
            }
            ("init", Value::Flag(false)) => draft.note(
                *line,
                What::Changed,
                "`init = false`",
                "the first start compares everything; `rescan: {onStart: never}` does not",
            ),
            _ => draft.note(*line, What::Decide, format!("`{key}`"), "not known here, or made by code: left out"),
        }
    }

    fn excluded(&mut self, line: usize, pattern: Option<&str>, draft: &mut Draft) {
        match pattern.and_then(glob) {
            Some(glob) => {
                draft.note(
                    line,
                    What::Mapped,
                    format!("`exclude {}`", pattern.unwrap_or_default()),
                    format!("`exclude: {glob:?}`"),
                );
                self.exclude.push(glob);
            }
            None => {
                self.keeps_all = true;
                draft.note(
                    line,
                    What::Decide,
                    "`exclude`",
                    "a pattern that is not read here: left out, and so `delete` is `never`; write it as `exclude`",
                );
            }
        }
    }

    /// A key of `rsync = {…}`: mostly the name of an option.
    fn rsync(&mut self, item: &Item, draft: &mut Draft) {
        let Item { line, key, value } = item;
        let name = key.clone().unwrap_or_default().replace('_', "-");
        match (name.as_str(), value) {
            ("-extra", Value::Table(items)) => {
                let words: Vec<String> = items
                    .iter()
                    .filter_map(|item| text(&item.value))
                    .map(str::to_owned)
                    .collect();
                if words.len() < items.len() {
                    self.keeps_all = true;
                    draft.note(*line, What::Decide, "`_extra`", "not all of it is known without running it: left out, and so `delete` is `never`");
                }
                let read = Options::read(&words, *line, draft);
                self.join(read);
            }
            ("binary", _) => draft.note(
                *line,
                What::Changed,
                "`binary`",
                "`rsync: {path: …}` of the agent file",
            ),
            (_, Value::Flag(false)) => {
                if ["archive", "links", "perms", "times", "owner", "group"].contains(&name.as_str())
                {
                    draft.note(
                        *line,
                        What::Changed,
                        format!("`{name} = false`"),
                        "`attributes: [archive]` keeps it",
                    );
                }
            }
            ("bwlimit" | "timeout" | "max-delete", Value::Number(number)) => {
                let number = number.round().to_string();
                self.options.long(&name, Some(&number), *line, draft);
            }
            ("rsh", Value::Text(command)) => self.options.rsh(command, *line, draft),
            (_, Value::Flag(true)) => self.options.long(&name, None, *line, draft),
            (_, Value::Text(value)) => self.options.long(&name, Some(value), *line, draft),
            _ => draft.note(
                *line,
                What::Decide,
                format!("`rsync.{name}`"),
                "only running the file would tell what it is: left out",
            ),
        }
    }

    fn join(&mut self, read: Options) {
        let (ours, theirs) = (&mut self.options.target, read.target);
        ours.attributes.extend(
            theirs
                .attributes
                .into_iter()
                .filter(|word| *word != "archive"),
        );
        ours.rsync_args.extend(theirs.rsync_args);
        ours.compress |= theirs.compress;
        ours.mirror |= theirs.mirror;
        ours.max_delete = ours.max_delete.or(theirs.max_delete);
        ours.password_file = ours.password_file.take().or(theirs.password_file);
        ours.bandwidth_kib = ours.bandwidth_kib.or(theirs.bandwidth_kib);
        ours.timeout_s = ours.timeout_s.or(theirs.timeout_s);
        ours.identity_file = ours.identity_file.take().or(theirs.identity_file);
        ours.known_hosts_file = ours.known_hosts_file.take().or(theirs.known_hosts_file);
        ours.jump = ours.jump.take().or(theirs.jump);
        self.options.access.port = self.options.access.port.or(read.access.port);
        self.options.access.ssh_port = self.options.access.ssh_port.or(read.access.ssh_port);
        self.options.access.shell |= read.access.shell;
        self.options.access.user = self.options.access.user.take().or(read.access.user);
        self.exclude.extend(read.exclude);
        self.keeps_all |= read.keeps_all;
    }

    fn ssh(&mut self, item: &Item, draft: &mut Draft) {
        let Item { line, key, value } = item;
        match (key.as_deref().unwrap_or_default(), value) {
            ("port", Value::Number(port)) => self.options.access.ssh_port = Some(*port as u16),
            ("port", Value::Text(port)) => self.options.access.ssh_port = port.parse().ok(),
            ("identityFile", Value::Text(file)) => {
                self.options.target.identity_file = Some(file.clone())
            }
            ("options", Value::Table(items)) => {
                for item in items {
                    let (Some(name), Some(value)) = (&item.key, text(&item.value)) else {
                        continue;
                    };
                    self.options
                        .rsh(&format!("ssh -o {name}={value}"), item.line, draft);
                }
            }
            (name, _) => draft.note(*line, What::Decide, format!("`ssh.{name}`"), "left out"),
        }
    }

    fn made(mut self, kind: &str, draft: &mut Draft) {
        let line = self.line;
        let (Some(source), Some(at)) = (self.source.clone(), self.place(kind)) else {
            draft.note(
                line,
                What::Refused,
                format!("`sync{{{kind} …}}`"),
                "it names no source or no target",
            );
            return;
        };
        let at = match at {
            Ok(at) => at,
            Err(why) => return draft.note(line, What::Refused, "its target", why),
        };
        if !source.starts_with('/') {
            return draft.note(line, What::Refused, "`source`", "it is no absolute path");
        }
        self.exclude.append(&mut self.options.exclude);
        let unknown = self.keeps_all || self.options.keeps_all;
        let mirror = !self.keeps && !unknown;
        if mirror {
            draft.note(
                line,
                What::Changed,
                format!("`sync{{{kind} …}}` deletes whatever the source has not"),
                "`delete: mirror` with `maxDelete`: more at once waits for `heliostat approve`",
            );
        }
        draft.note(
            line,
            What::Mapped,
            format!("`sync{{{kind} …}}`"),
            format!("`{source}` to `{}`", at.url),
        );
        let mut theirs = std::mem::take(&mut self.options.target);
        if !theirs.attributes.is_empty() && theirs.attributes[0] != "archive" {
            theirs.attributes.sort_unstable();
            theirs.attributes.dedup();
            theirs.attributes.insert(0, "archive");
        }
        let target = at.with(theirs, mirror);
        let path = source.trim_end_matches('/').to_owned();
        let same = draft
            .sources
            .iter_mut()
            .find(|other| other.path == path && other.exclude == self.exclude);
        match same {
            Some(other) => other.targets.push(target),
            None => draft.sources.push(Source {
                path,
                exclude: self.exclude,
                targets: vec![target],
                ..Source::default()
            }),
        }
    }

    fn place(&self, kind: &str) -> Option<Result<Target, String>> {
        let access = Access {
            ..self.options.access.clone()
        };
        if kind == "default.rsyncssh" {
            let host = self.host.as_deref()?;
            let directory = self.directory.as_deref()?;
            return Some(place::place(&format!("{host}:{directory}"), &access, None));
        }
        let target = self.target.as_deref()?;
        Some(place::place(target.trim_end_matches('/'), &access, None))
    }
}

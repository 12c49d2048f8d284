//! The script of `inotifywait` and `rsync`: its variables, the events that it waits for, and each rsync that it calls.

use super::draft::{Draft, Source, Target, What};
use super::grammar::{BEFORE, NEEDLESS, assignment, functions, known_event, looped};
use super::options::Options;
use super::patterns::below;
use super::place;
use super::shell::{Command, Variables, array, commands};

/// Options of inotifywait that take the next word.
const VALUED: &[&str] = &[
    "-e",
    "--event",
    "--format",
    "--timefmt",
    "--exclude",
    "--excludei",
    "--include",
    "--includei",
    "-t",
    "--timeout",
    "--fromfile",
    "-o",
    "--outfile",
];

/// Reads it.
pub fn read(text: &str, draft: &mut Draft) {
    let commands = commands(text);
    let mut script = Script {
        functions: functions(&commands),
        ..Script::default()
    };
    for command in commands {
        script.command(&command, draft);
        for name in script.variables.defaulted() {
            script.guessed = true;
            draft.note(
                command.line,
                What::Decide,
                format!("`${{{name}:-…}}`"),
                "its default is taken: what the script is started with is not known here",
            );
        }
    }
    script.end(draft);
}

#[derive(Default)]
struct Script {
    variables: Variables,
    /// What is watched, and where that is said.
    watched: Vec<(usize, String)>,
    events: Vec<&'static str>,
    calls: Vec<Call>,
    /// Where it has gone by `cd`.
    directory: Option<String>,
    /// Its own functions: what they call stands in the script, and is read there.
    functions: Vec<String>,
    /// A default was taken for something: what is sent where may be another.
    guessed: bool,
}

/// One rsync that it calls.
struct Call {
    line: usize,
    /// Whether some of its words are only known to the script: it sends a part of the source.
    partial: bool,
    options: Options,
    source: String,
    target: Target,
}

impl Script {
    fn command(&mut self, command: &Command, draft: &mut Draft) {
        let line = command.line;
        let mut words = command.words.as_slice();
        // Words of the grammar stand before a command.
        while let Some((first, rest)) = words.split_first() {
            if !BEFORE.contains(&first.as_str()) {
                break;
            }
            words = rest;
        }
        if let Some((name, values)) = looped(words) {
            let values: Option<Vec<Vec<Vec<String>>>> = values
                .iter()
                .map(|word| self.variables.expand(word))
                .collect();
            if let Some(values) = values {
                let all = values.into_iter().flatten().flatten().collect();
                self.variables.set(name, all);
            }
            return;
        }
        let exported = words.first().is_some_and(|word| {
            ["export", "readonly", "local", "declare"].contains(&word.as_str())
        });
        let mut words = if exported { &words[1..] } else { words };
        while exported && words.first().is_some_and(|word| word.starts_with('-')) {
            words = &words[1..];
        }
        while let Some((name, value)) = words.first().and_then(|word| assignment(word)) {
            self.assign(name, value, line, draft);
            words = &words[1..];
        }
        let Some((program, arguments)) = words.split_first() else {
            return;
        };
        let Some(program) = self
            .variables
            .expand(program)
            .and_then(|ways| ways.into_iter().next())
        else {
            return;
        };
        let Some((program, more)) = program.split_first() else {
            return;
        };
        let before: Vec<String> = more.iter().map(|word| format!("'{word}'")).collect();
        let arguments: Vec<String> = before
            .into_iter()
            .chain(arguments.iter().cloned())
            .collect();
        match program.rsplit('/').next().unwrap_or_default() {
            "inotifywait" => self.watch(&arguments, line, draft),
            "cd" => {
                let words = self.variables.ways(&arguments).into_iter().next().unwrap_or_default();
                let known = words.into_iter().next().flatten();
                self.directory = known.filter(|at| at.starts_with('/'));
            }
            "rsync" => self.rsync(&arguments, line, draft),
            "sshpass" => draft.note(
                line,
                What::Refused,
                "`sshpass`",
                "a password stands in the script: make a key with `ssh-keygen`, name it as `identityFile`, and change the password",
            ),
            "sleep" => draft.note(line, What::Changed, "`sleep`", "`debounce` gathers changes, and a fault is tried again by itself"),
            "." | "source" => draft.note(
                line,
                What::Decide,
                "another file that it reads",
                "not read: what that sets is not known here",
            ),
            known if NEEDLESS.contains(&known) => {}
            own if self.functions.iter().any(|name| name == own) => {}
            other => draft.note(
                line,
                What::Decide,
                format!("`{other}`"),
                "not read: what it does besides sending can be a hook (`hooks: {after: …}`)",
            ),
        }
    }

    fn assign(&mut self, name: &str, value: &str, line: usize, draft: &mut Draft) {
        if name == "RSYNC_PASSWORD" || name == "SSHPASS" {
            draft.note(
                line,
                What::Refused,
                format!("`{name}`"),
                "a password stands in the script: put it into a file of mode 0600, name it as `passwordFile`, and change it, as it was readable here",
            );
            return;
        }
        let (name, more) = match name.strip_suffix('+') {
            Some(name) => (name, true),
            None => (name, false),
        };
        if let Some(words) = array(value) {
            let ways: Option<Vec<Vec<Vec<String>>>> = words
                .iter()
                .map(|word| self.variables.expand(word))
                .collect();
            match ways {
                Some(ways) => {
                    let words = ways.into_iter().flatten().flatten().collect();
                    self.variables.set_array(name, words, more);
                }
                None => {
                    self.variables.forget_array(name);
                    let is = "not all of its words are known without running the script";
                    draft.note(line, What::Decide, format!("`{name}=(…)`"), is);
                }
            }
            return;
        }
        // An assignment is not cut at blanks.
        let quoted = match value.contains(['"', '\'']) {
            true => value.to_owned(),
            false => format!("\"{value}\""),
        };
        if let Some(ways) = self.variables.expand(&quoted) {
            let before = match more {
                true => self.variables.get(name).unwrap_or_default().to_owned(),
                false => String::new(),
            };
            let values = ways.into_iter().map(|way| before.clone() + &way.join(" "));
            self.variables.set(name, values.collect());
        }
    }

    fn watch(&mut self, arguments: &[String], line: usize, draft: &mut Draft) {
        let ways = self.variables.ways(arguments);
        let mut words = ways.into_iter().next().unwrap_or_default().into_iter();
        while let Some(word) = words.next() {
            let Some(word) = word else {
                draft.note(
                    line,
                    What::Decide,
                    "`inotifywait`",
                    "not all of its words are known without running the script",
                );
                continue;
            };
            let (name, mut value) = match word.split_once('=') {
                Some((name, value)) if name.starts_with("--") => {
                    (name.to_owned(), Some(value.to_owned()))
                }
                _ => (word.clone(), None),
            };
            // `-mrqe modify`: the last letter takes it.
            let bundle = name.starts_with('-') && !name.starts_with("--") && name.len() > 2;
            let last = bundle.then(|| format!("-{}", name.chars().last().unwrap_or_default()));
            let name = last
                .filter(|last| VALUED.contains(&last.as_str()))
                .unwrap_or(name);
            if value.is_none() && VALUED.contains(&name.as_str()) {
                value = words.next().flatten();
            }
            match name.as_str() {
                "-e" | "--event" => self.events(value.as_deref().unwrap_or_default(), line, draft),
                "--exclude" | "--excludei" | "--include" | "--includei" => draft.note(
                    line,
                    What::Changed,
                    format!("inotifywait's `{name}`"),
                    "left out: it kept events from being told, not files from being sent; what is not to be sent is `exclude`",
                ),
                "--fromfile" => draft.note(line, What::Decide, "`--fromfile`", "what is in the file is not known here"),
                "." | "./" => match &self.directory {
                    Some(directory) => self.watched.push((line, directory.clone())),
                    None => draft.note(
                        line,
                        What::Decide,
                        "`.`",
                        "the directory that it was in is not known here",
                    ),
                },
                path if path.starts_with('/') => self.watched.push((line, path.to_owned())),
                _ => {}
            }
        }
    }

    fn events(&mut self, list: &str, line: usize, draft: &mut Draft) {
        for event in list.split(',') {
            let name = event.trim();
            let Some(ours) = known_event(name) else {
                continue;
            };
            if name == "modify" {
                draft.note(
                    line,
                    What::Changed,
                    "the event `modify`",
                    "`closeWrite`: a file is sent when it is written, not while",
                );
            }
            if !self.events.contains(&ours) {
                self.events.push(ours);
            }
        }
    }

    /// Most of these scripts forget them: a renamed file then waits for the next event.
    fn renames(&mut self, draft: &mut Draft) {
        let has = |event: &str| self.events.contains(&event);
        if self.events.is_empty() {
            return;
        }
        let renames = has("move") || has("movedFrom") && has("movedTo");
        if !renames {
            let line = self.watched.first().map_or(1, |(line, _)| *line);
            draft.note(
                line,
                What::Changed,
                "renames are not among its events",
                "they are here: `move`",
            );
            self.events.push("move");
        }
        let all = ["create", "closeWrite", "attrib", "move", "delete"];
        if all.iter().all(|event| self.events.contains(event)) {
            // What holds without the key.
            self.events.clear();
        }
    }

    fn rsync(&mut self, arguments: &[String], line: usize, draft: &mut Draft) {
        for way in self.variables.ways(arguments) {
            let known: Vec<String> = way.iter().flatten().cloned().collect();
            let unknown = known.len() < way.len();
            let mut options = Options::read(&known, line, draft);
            let rest = std::mem::take(&mut options.rest);
            // Redirections are no words of rsync's.
            let redirects = |word: &String| word.contains('>') || word.starts_with('<');
            let cut = rest.iter().position(redirects).unwrap_or(rest.len());
            let (sources, destination) = match &rest[..cut] {
                [sources @ .., destination] if !sources.is_empty() => (sources, destination),
                [one] if unknown && !one.starts_with('/') => (&[][..], one),
                _ => {
                    let why = "its source or destination is not known without running the script: write them as texts";
                    draft.note(line, What::Refused, "`rsync`", why);
                    continue;
                }
            };
            if unknown && sources.iter().any(|source| source.starts_with('/')) {
                draft.note(
                    line,
                    What::Decide,
                    "words of rsync that only the script knows",
                    "they may be options: what they leave out is not known, all is sent, and so `delete` is `never`; write it as `exclude`",
                );
            } else if unknown {
                draft.note(
                    line,
                    What::Changed,
                    "words of rsync that only the script knows",
                    "the changed paths are known here, and sent alone; the whole source is what is kept",
                );
            }
            let given = sources
                .iter()
                .find(|source| source.starts_with('/'))
                .cloned();
            let Some(source) = given.or_else(|| {
                self.watched
                    .first()
                    .map(|(_, path)| format!("{}/", path.trim_end_matches('/')))
            }) else {
                let why = "its source is not known without running the script: write it as an absolute path";
                draft.note(line, What::Refused, "`rsync`", why);
                continue;
            };
            let mut partial = unknown;
            if sources.len() > 1 {
                partial = true;
                draft.note(
                    line,
                    What::Decide,
                    "several sources",
                    format!("only `{source}` is taken: make a source of each"),
                );
            }
            // All that is in it but what begins with a dot; nothing of it is deleted.
            let source = match source.strip_suffix("/*") {
                Some(directory) => {
                    partial = true;
                    draft.note(
                        line,
                        What::Changed,
                        "`/*`",
                        "the directory's contents, also what begins with a dot",
                    );
                    format!("{directory}/")
                }
                None => source,
            };
            if source.contains(['*', '?', '[']) {
                let why = "its source is a pattern: name a directory, and what of it as `include`";
                draft.note(line, What::Refused, "`rsync`", why);
                continue;
            }
            options.exclude = below(std::mem::take(&mut options.exclude), &source, line, draft);
            // Without a slash at its end, the directory itself is made on the target.
            let name = source.rsplit('/').next().filter(|name| !name.is_empty());
            match place::place(destination, &options.access, name) {
                Ok(target) => {
                    draft.note(
                        line,
                        What::Mapped,
                        "`rsync`",
                        format!("`{source}` to `{}`", target.url),
                    );
                    self.calls.push(Call {
                        line,
                        partial,
                        options,
                        source: source.trim_end_matches('/').to_owned(),
                        target,
                    });
                }
                Err(why) => draft.note(line, What::Refused, "rsync's destination", why),
            }
        }
    }

    fn end(mut self, draft: &mut Draft) {
        self.renames(draft);
        if self.watched.is_empty() {
            draft.note(
                1,
                What::Decide,
                "the script",
                "no `inotifywait` with an absolute path was found: look at `path`",
            );
        }
        for (line, path) in &self.watched {
            let path = path.trim_end_matches('/');
            let sent =
                |call: &Call| path == call.source || path.starts_with(&format!("{}/", call.source));
            match self.calls.iter().any(sent) {
                true => draft.note(
                    *line,
                    What::Mapped,
                    format!("inotifywait of `{path}`"),
                    "the source is watched whole",
                ),
                false => draft.note(
                    *line,
                    What::Decide,
                    format!("inotifywait of `{path}`"),
                    "no rsync sends this directory",
                ),
            }
        }
        for Call {
            line,
            partial,
            mut options,
            source,
            target: at,
        } in self.calls
        {
            let wanted = options.target.mirror;
            let mirror = wanted && !options.keeps_all && !partial && !self.guessed;
            if mirror {
                draft.note(
                    line,
                    What::Changed,
                    "`--delete`: whatever the source has not is deleted",
                    "`delete: mirror` with `maxDelete`: more at once waits for `heliostat approve`",
                );
            } else if wanted && self.guessed {
                draft.note(
                    line,
                    What::Decide,
                    "`--delete`, where defaults were taken",
                    "`delete: never`, as it is not known for certain what is sent where; `mirror` deletes whatever the source has not",
                );
            } else if wanted && partial {
                draft.note(
                    line,
                    What::Decide,
                    "`--delete`, of a part of the source",
                    "`delete: never`: `propagate` deletes what was seen to vanish, `mirror` whatever the source has not",
                );
            }
            let target = at.with(std::mem::take(&mut options.target), mirror);
            let same = draft
                .sources
                .iter_mut()
                .find(|other| other.path == source && other.exclude == options.exclude);
            let known = same.map(|same| {
                let place = same
                    .targets
                    .iter()
                    .position(|other| other.url == target.url);
                (same, place)
            });
            match known {
                // Called in several places of the script: what one of them deletes, the original deletes.
                Some((other, Some(place))) => other.targets[place].mirror |= target.mirror,
                Some((other, None)) => other.targets.push(target),
                None => draft.sources.push(Source {
                    path: source,
                    exclude: options.exclude,
                    events: self.events.clone(),
                    rescan_minutes: None,
                    targets: vec![target],
                }),
            }
        }
        if draft.sources.is_empty() && !draft.is_refused() {
            draft.note(
                1,
                What::Refused,
                "the script",
                "there is no `rsync` in it that could be read",
            );
        }
    }
}

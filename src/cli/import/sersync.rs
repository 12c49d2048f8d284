//! sersync's `confxml.xml`.

use roxmltree::{Document, Node};

use super::draft::{Draft, Source, Target, What};
use super::options::Options;
use super::place::{self, Access};

/// Reads it. An error is a line and a message.
pub fn read(text: &str, draft: &mut Draft) -> Result<(), (usize, String)> {
    let document = Document::parse(text).map_err(|error| {
        let at = error.pos();
        (at.row as usize, format!("not XML: {error}"))
    })?;
    let reading = Reading {
        document: &document,
    };
    reading.all(draft);
    Ok(())
}

struct Reading<'d> {
    document: &'d Document<'d>,
}

impl<'d> Reading<'d> {
    fn line(&self, node: Node<'d, 'd>) -> usize {
        self.document.text_pos_at(node.range().start).row as usize
    }

    /// The elements of that name, wherever they stand.
    fn named(&self, name: &'static str) -> impl Iterator<Item = Node<'d, 'd>> {
        let all = self.document.descendants();
        all.filter(move |node| node.has_tag_name(name))
    }

    fn all(&self, draft: &mut Draft) {
        let rsync = self.options(draft);
        let (mut exclude, known) = self.excludes(draft);
        let events = self.events(draft);
        let known = known && !rsync.keeps_all;
        let mirror = self.deletes() && known;
        self.says(known, draft);
        let rescan = self.crontab(draft);
        self.others(draft);
        exclude.extend(rsync.exclude.iter().cloned());
        for local in self.named("localpath") {
            let line = self.line(local);
            let path = local
                .attribute("watch")
                .unwrap_or_default()
                .trim_end_matches('/');
            if !path.starts_with('/') {
                draft.note(
                    line,
                    What::Refused,
                    "`localpath`",
                    "its `watch` is no absolute path",
                );
                continue;
            }
            draft.note(
                line,
                What::Mapped,
                format!("`watch=\"{path}\"`"),
                "the source's `path`",
            );
            let mut source = Source {
                path: path.to_owned(),
                exclude: exclude.clone(),
                events: events.clone(),
                rescan_minutes: rescan,
                targets: Vec::new(),
            };
            for remote in local.children().filter(|node| node.has_tag_name("remote")) {
                let line = self.line(remote);
                match self.target(remote, &rsync) {
                    Ok(target) => {
                        let target = Target { mirror, ..target };
                        draft.note(
                            line,
                            What::Mapped,
                            "`remote`",
                            format!("`url: {}`", target.url),
                        );
                        source.targets.push(target);
                    }
                    Err(why) => draft.note(line, What::Refused, "`remote`", why),
                }
            }
            match source.targets.is_empty() {
                true => draft.note(line, What::Refused, "`localpath`", "it has no `remote`"),
                false => draft.sources.push(source),
            }
        }
        if draft.sources.is_empty() && !draft.is_refused() {
            draft.note(
                1,
                What::Refused,
                "the file",
                "there is no `localpath`: it is none of sersync's",
            );
        }
    }

    fn target(&self, remote: Node<'_, '_>, rsync: &Options) -> Result<Target, String> {
        let host = remote.attribute("ip").unwrap_or_default();
        let name = remote.attribute("name").unwrap_or_default();
        if host.is_empty() || name.is_empty() {
            return Err("it names no `ip` or no `name`".to_owned());
        }
        let ssh = self.started("ssh");
        let user = rsync.access.user.clone();
        let at = match ssh {
            true => place::over_ssh(user, host, rsync.access.port, name)?,
            false => {
                let access = Access {
                    user,
                    ..rsync.access.clone()
                };
                place::place(&format!("{host}::{name}"), &access, None)?
            }
        };
        Ok(Target {
            url: at.url,
            called: at.called,
            password_file: rsync.target.password_file.clone().filter(|_| !ssh),
            ..rsync.target.clone()
        })
    }

    /// Whether there is such an element with `start="true"`.
    fn started(&self, name: &'static str) -> bool {
        self.named(name).any(starts)
    }

    fn options(&self, draft: &mut Draft) -> Options {
        let mut options = Options::default();
        if let Some(params) = self.named("commonParams").next() {
            let line = self.line(params);
            let words = params.attribute("params").unwrap_or_default();
            let words: Vec<String> = words.split_whitespace().map(str::to_owned).collect();
            options = Options::read(&words, line, draft);
        }
        for auth in self.named("auth").filter(|auth| starts(*auth)) {
            let line = self.line(auth);
            let user = auth.attribute("users").unwrap_or_default();
            if user.contains(':') {
                let way = "a password stands in `users`: put it into a file of mode 0600, and change it, as it was readable here";
                draft.note(line, What::Refused, "`auth`", way);
                continue;
            }
            options.access.user = Some(user.to_owned()).filter(|user| !user.is_empty());
            options.long("password-file", auth.attribute("passwordfile"), line, draft);
        }
        for port in self.named("userDefinedPort").filter(|port| starts(*port)) {
            options.long("port", port.attribute("port"), self.line(port), draft);
        }
        for timeout in self.named("timeout").filter(|timeout| starts(*timeout)) {
            options.long(
                "timeout",
                timeout.attribute("time"),
                self.line(timeout),
                draft,
            );
        }
        options
    }

    /// The patterns, and whether all of them could be read.
    fn excludes(&self, draft: &mut Draft) -> (Vec<String>, bool) {
        let (mut globs, mut known) = (Vec::new(), true);
        let filters = self.named("filter").filter(|filter| starts(*filter));
        let of_plugin =
            |filter: &Node<'_, '_>| filter.ancestors().any(|node| node.has_tag_name("plugin"));
        for filter in filters.filter(|filter| !of_plugin(filter)) {
            for exclude in filter
                .children()
                .filter(|node| node.has_tag_name("exclude"))
            {
                let line = self.line(exclude);
                let expression = exclude.attribute("expression").unwrap_or_default();
                match glob(expression) {
                    Some(glob) => {
                        let is = format!(
                            "`exclude: {glob:?}`; the expression also excluded names in which it merely occurs"
                        );
                        draft.note(line, What::Changed, format!("`{expression}`"), is);
                        globs.push(glob);
                    }
                    None => {
                        known = false;
                        draft.note(
                            line,
                            What::Decide,
                            format!("`{expression}`"),
                            "a regular expression that is not read here: left out, and so `delete` is `never`; write it as `exclude`",
                        );
                    }
                }
            }
        }
        (globs, known)
    }

    fn events(&self, draft: &mut Draft) -> Vec<&'static str> {
        let names = [
            ("createFolder", "create"),
            ("createFile", "create"),
            ("closeWrite", "closeWrite"),
            ("moveFrom", "movedFrom"),
            ("moveTo", "movedTo"),
            ("attrib", "attrib"),
            ("delete", "delete"),
        ];
        let Some(inotify) = self.named("inotify").next() else {
            return Vec::new();
        };
        let mut events = Vec::new();
        for (theirs, ours) in names {
            let on = inotify
                .children()
                .any(|node| node.has_tag_name(theirs) && starts(node));
            if on && !events.contains(&ours) {
                events.push(ours);
            }
        }
        for modify in inotify
            .children()
            .filter(|node| node.has_tag_name("modify") && starts(*node))
        {
            draft.note(
                self.line(modify),
                What::Changed,
                "`modify`",
                "`closeWrite`: a file is sent when it is written, not while",
            );
            if !events.contains(&"closeWrite") {
                events.push("closeWrite");
            }
        }
        if !events.is_empty() {
            draft.note(
                self.line(inotify),
                What::Mapped,
                "`inotify`",
                format!("`events: [{}]`", events.join(", ")),
            );
        }
        events
    }

    /// Its switch for deletions.
    fn switch(&self) -> Option<Node<'d, 'd>> {
        let inotify = self.named("inotify").next()?;
        inotify.children().find(|node| node.has_tag_name("delete"))
    }

    fn deletes(&self) -> bool {
        self.switch().is_some_and(starts)
    }

    fn says(&self, known: bool, draft: &mut Draft) {
        let Some(switch) = self.switch() else { return };
        let line = self.line(switch);
        let all = "`delete start=\"true\"`: whatever the source has not is deleted";
        match (starts(switch), known) {
            (true, true) => draft.note(
                line,
                What::Changed,
                all,
                "`delete: mirror` with `maxDelete: 10%`: more at once waits for `heliostat approve`",
            ),
            (true, false) => draft.note(
                line,
                What::Decide,
                all,
                "`delete: never`, as it is not known what was left out",
            ),
            (false, _) => draft.note(
                line,
                What::Mapped,
                "`delete start=\"false\"`",
                "`delete: never`",
            ),
        }
    }

    fn crontab(&self, draft: &mut Draft) -> Option<u64> {
        let crontab = self.named("crontab").find(|crontab| starts(*crontab))?;
        let line = self.line(crontab);
        let filters = crontab
            .children()
            .filter(|node| node.has_tag_name("crontabfilter"));
        for filter in filters.filter(|filter| starts(*filter)) {
            draft.note(
                self.line(filter),
                What::Decide,
                "`crontabfilter`",
                "left out: full passes cover the same set as changes do",
            );
        }
        let minutes = crontab
            .attribute("schedule")
            .and_then(|minutes| minutes.parse().ok());
        match minutes {
            Some(minutes @ 1..) => {
                draft.note(
                    line,
                    What::Mapped,
                    "`crontab`",
                    format!("`rescan: {{every: {minutes}m}}`"),
                );
                Some(minutes)
            }
            _ => {
                draft.note(
                    line,
                    What::Decide,
                    "`crontab`",
                    "its `schedule` is no number of minutes: the nightly rescan is left",
                );
                None
            }
        }
    }

    fn others(&self, draft: &mut Draft) {
        for log in self.named("failLog") {
            let is = "what fails is tried again by itself, path by path, and `heliostat status` has the reason";
            draft.note(self.line(log), What::Changed, "`failLog`", is);
        }
        let in_sersync = |node: &Node<'_, '_>| {
            node.parent()
                .is_some_and(|node| node.has_tag_name("sersync"))
        };
        for plugin in self
            .named("plugin")
            .filter(|plugin| starts(*plugin) && in_sersync(plugin))
        {
            let name = plugin.attribute("name").unwrap_or_default();
            let is = "left out: write it as `hooks: {after: {run: [/PROGRAM]}}`, which is run once a batch and told all changed paths";
            draft.note(
                self.line(plugin),
                What::Decide,
                format!("the plugin `{name}`"),
                is,
            );
        }
        for system in self
            .named("fileSystem")
            .filter(|node| node.attribute("xfs") == Some("true"))
        {
            draft.note(
                self.line(system),
                What::Mapped,
                "`fileSystem xfs=\"true\"`",
                "not needed",
            );
        }
    }
}

fn starts(node: Node<'_, '_>) -> bool {
    node.attribute("start")
        .is_some_and(|start| start.trim() == "true")
}

/// A regular expression of the shapes that people use there.
fn glob(expression: &str) -> Option<String> {
    let plain = |text: &str| {
        !text.is_empty()
            && text
                .chars()
                .all(|c| c.is_alphanumeric() || "_-/".contains(c))
    };
    // `(.*)\.gz`, `(.*)\.gz$`
    let ending = expression
        .strip_prefix("(.*)")
        .or(expression.strip_prefix(".*"));
    if let Some(ending) = ending {
        let ending = ending.strip_suffix('$').unwrap_or(ending);
        let text = ending.replace("\\.", ".");
        return plain(&text.replace('.', "x"))
            .then(|| format!("*{text}"))
            .filter(|_| !ending.replace("\\.", "").contains('.'));
    }
    // `^info/*`, `^info/`
    let begin = expression.strip_prefix('^')?;
    let folder = begin.trim_end_matches('*').strip_suffix('/')?;
    plain(folder).then(|| format!("/{folder}/"))
}

//! A target and what it shares with `defaults.target`.

use super::fields::{Field, Fields};
use super::reading::{Bounds, Reading, Scalar, scalar};
use super::rsync_args::rsync_args;
use super::source::{checked_name, is_list};
use super::yaml::{Key, Kind, Node};
use super::{
    Attribute, Compress, DeletePolicy, MaxDelete, Retry, Secret, Spanned, Ssh, Target, TargetOptions, Url, name, paths,
    timing, unit,
};
use crate::diagnostic::{Code, Diagnostic, Place};

/// Keys that people write at a target, but which belong elsewhere.
const ELSEWHERE: &[(&str, &str)] = &[
    ("path", "a source; a target has its path in `url`"),
    ("include", "a source: a target may only narrow its set, with `exclude`"),
    ("events", "a source"),
    ("hosts", "a source"),
    ("suspend", "a source"),
    ("oneFileSystem", "a source"),
    ("marker", "a source's `guard`"),
    ("requireMount", "`guard`"),
    ("identityFile", "`ssh`"),
    ("knownHostsFile", "`ssh`"),
    ("jump", "`ssh`"),
    ("schedule", "`sync` or `rescan`"),
    ("every", "`sync` or `rescan`"),
    ("compare", "`rescan`"),
    ("quiet", "`debounce`"),
    ("maxWait", "`debounce`"),
];

/// An entry of a mapping from names.
pub(super) struct Named<'n> {
    pub(super) key: &'n Key,
    /// `None`: reported; the rest is still read.
    pub(super) name: Option<Spanned<String>>,
    pub(super) node: &'n Node,
}

/// `sources` and `targets`: mappings from names.
pub(super) fn names<'n>(reading: &mut Reading<'_>, key: &'static str, node: &'n Node) -> Option<Vec<Named<'n>>> {
    match &node.kind {
        Kind::Mapping(entries) if !entries.is_empty() => Some(
            entries.iter().map(|(key, node)| Named { key, name: checked_name(reading, key), node }).collect(),
        ),
        _ if is_list(node) => {
            let example = key.trim_end_matches('s');
            let message = format!("`{key}` is a mapping from names, but this is a list");
            let at = Place { span: node.at.span.start..node.at.span.start + 1, ..node.at.clone() };
            reading.wrong(Code::WrongType, &at, message, format!("write `{example}-name:` and indent its fields"));
            None
        }
        Kind::Mapping(_) => reading.empty(key, &node.at),
        Kind::Broken => None,
        _ if matches!(scalar(node), Scalar::Null) => reading.empty(key, &node.at),
        _ => reading.wrong_type(key, "a mapping from names", node),
    }
}

/// One entry of `targets`.
pub(super) fn target(reading: &mut Reading<'_>, named: Named<'_>, defaults: &TargetOptions) -> Option<Target> {
    let mut fields = Fields::of(reading, &named.key.text, "a target", named.node)?;
    let url_field = fields.take("url");
    if url_field.is_none() {
        fields.missing(reading, "url", &named.key.at);
    }
    let url = url_field.and_then(|field| url(reading, field.node));
    let (own, limited) = options(reading, &mut fields);
    fields.finish(reading, ELSEWHERE);
    let url = url?;
    for (fits, field) in limited {
        misfit(reading, &url, fits, field);
    }
    let options = own.over(&defaults.fitting(&url.value));
    if let (Some(password), super::UrlParts::Daemon { user: None, .. }) = (&options.password, &url.value.parts) {
        reading.report(
            Diagnostic::new(Code::PasswordWithoutUser, "a password is given, but the url names no user")
                .primary(&url.at, "write `rsync://USER@…`")
                .secondary(&password.at, "for this password"),
        );
    }
    Some(Target { name: named.name?, url, options })
}

fn url(reading: &mut Reading<'_>, node: &Node) -> Option<Spanned<Url>> {
    let text = reading.text("url", node)?;
    match Url::parse(&text.value) {
        Ok(url) => Some(Spanned::new(url, text.at)),
        Err(problem) => {
            let at = reading.inside(&text.at, &text.value, &problem.range);
            let mut diagnostic = Diagnostic::new(problem.code, problem.message).primary(&at, problem.label);
            if let Some(secret) = &problem.secret {
                diagnostic = diagnostic
                    .mask(reading.inside(&text.at, &text.value, secret))
                    .help("name a file instead (`passwordFile`), and change the password: it was readable here");
            }
            reading.report(diagnostic);
            None
        }
    }
}

/// Which schemes an option has a meaning for.
#[derive(Clone, Copy)]
enum Fits {
    Daemon,
    Ssh,
    Local,
    /// What rsync carries.
    Remote,
}

impl Fits {
    fn scheme(self, scheme: &str) -> bool {
        match self {
            Fits::Daemon => scheme == "rsync",
            Fits::Ssh => scheme == "ssh",
            Fits::Local => scheme == "file",
            Fits::Remote => scheme != "file",
        }
    }

    fn names(self) -> &'static str {
        match self {
            Fits::Daemon => "`rsync://`",
            Fits::Ssh => "`ssh://`",
            Fits::Local => "`file://`",
            Fits::Remote => "`rsync://` or `ssh://`",
        }
    }
}

fn misfit(reading: &mut Reading<'_>, url: &Spanned<Url>, fits: Fits, key: &Key) {
    let scheme = url.value.parts.scheme();
    if !fits.scheme(scheme) {
        let message = format!("`{}` has no meaning for a `{scheme}://` target", key.text);
        reading.report(
            Diagnostic::new(Code::WrongScheme, message)
                .primary(&key.at, format!("goes with {}", fits.names()))
                .secondary(&url.at, "the target's url"),
        );
    }
}

/// The keys that were given of those which need a certain scheme.
type Limited<'n> = Vec<(Fits, &'n Key)>;

/// What a target and `defaults.target` may say alike.
fn options<'n>(reading: &mut Reading<'_>, fields: &mut Fields<'n>) -> (TargetOptions, Limited<'n>) {
    let mut limited = Vec::new();
    let mut limit = |fits: Fits, field: Option<Field<'n>>| {
        limited.extend(field.map(|field| (fits, field.key)));
        field
    };
    let passwords = ["passwordFile", "passwordCredential", "passwordEnv"].map(|key| limit(Fits::Daemon, fields.take(key)));
    let ssh_field = limit(Fits::Ssh, fields.take("ssh"));
    let compress_field = limit(Fits::Remote, fields.take("compress"));
    let args_field = limit(Fits::Remote, fields.take("rsyncArgs"));
    let guard_field = limit(Fits::Local, fields.take("guard"));
    let options = TargetOptions {
        password: password(reading, passwords),
        ssh: ssh_field.and_then(|field| ssh(reading, field.node)).unwrap_or_default(),
        compress: compress_field.and_then(|field| compress(reading, field.node)),
        rsync_args: args_field.and_then(|field| rsync_args(reading, "rsyncArgs", field.node)).unwrap_or_default(),
        require_mount: guard_field.and_then(|field| require_mount(reading, field.node)),
        delete: fields.read(reading, "delete", |reading, key, node| reading.choice(key, node, DELETE)),
        max_delete: fields.read(reading, "maxDelete", max_delete),
        sync: fields.read(reading, "sync", timing::sync),
        windows: fields.read(reading, "windows", timing::windows).unwrap_or_default(),
        exclude: fields.read(reading, "exclude", |reading, key, node| reading.texts(key, node)).unwrap_or_default(),
        debounce: fields.read(reading, "debounce", timing::debounce).unwrap_or_default(),
        rescan: fields.read(reading, "rescan", timing::rescan).unwrap_or_default(),
        bandwidth: fields.read(reading, "bandwidth", |reading, key, node| reading.rate(key, node)),
        attributes: fields.read(reading, "attributes", attributes),
        timeout_ms: fields
            .read(reading, "timeout", |reading, key, node| reading.duration(key, node, &timing::TIMEOUT)),
        retry: fields.read(reading, "retry", timing::retry).unwrap_or_default(),
    };
    if let Some(hooks_field) = fields.take("hooks") {
        hooks(reading, hooks_field);
    }
    (options, limited)
}

/// `defaults.target`: what does not fit a target's scheme is not given to it.
pub(super) fn defaults(reading: &mut Reading<'_>, key: &str, node: &Node) -> Option<TargetOptions> {
    let mut fields = Fields::of(reading, key, "`defaults.target`", node)?;
    let (options, _) = options(reading, &mut fields);
    fields.finish(reading, &[("url", "each target")]);
    Some(options)
}

impl TargetOptions {
    /// This one, and what it leaves open from `base`; lists replace, `exclude` appends.
    #[must_use]
    pub fn over(self, base: &TargetOptions) -> TargetOptions {
        fn or<T: Clone>(own: Vec<T>, base: &[T]) -> Vec<T> {
            if own.is_empty() { base.to_vec() } else { own }
        }
        TargetOptions {
            password: self.password.or_else(|| base.password.clone()),
            ssh: Ssh {
                identity_file: self.ssh.identity_file.or_else(|| base.ssh.identity_file.clone()),
                known_hosts_file: self.ssh.known_hosts_file.or_else(|| base.ssh.known_hosts_file.clone()),
                jump: self.ssh.jump.or_else(|| base.ssh.jump.clone()),
            },
            delete: self.delete.or_else(|| base.delete.clone()),
            max_delete: self.max_delete.or_else(|| base.max_delete.clone()),
            sync: self.sync.or_else(|| base.sync.clone()),
            windows: or(self.windows, &base.windows),
            exclude: base.exclude.iter().cloned().chain(self.exclude).collect(),
            debounce: self.debounce.over(&base.debounce),
            rescan: self.rescan.over(&base.rescan),
            bandwidth: self.bandwidth.or_else(|| base.bandwidth.clone()),
            compress: self.compress.or_else(|| base.compress.clone()),
            attributes: self.attributes.or_else(|| base.attributes.clone()),
            timeout_ms: self.timeout_ms.or_else(|| base.timeout_ms.clone()),
            retry: Retry {
                initial_ms: self.retry.initial_ms.or_else(|| base.retry.initial_ms.clone()),
                max_ms: self.retry.max_ms.or_else(|| base.retry.max_ms.clone()),
            },
            rsync_args: or(self.rsync_args, &base.rsync_args),
            require_mount: self.require_mount.or_else(|| base.require_mount.clone()),
        }
    }

    /// What of these defaults has a meaning for a target of this url.
    fn fitting(&self, url: &Url) -> TargetOptions {
        let fits = |fits: Fits| fits.scheme(url.parts.scheme());
        let all = self.clone();
        TargetOptions {
            password: all.password.filter(|_| fits(Fits::Daemon)),
            ssh: if fits(Fits::Ssh) { all.ssh } else { Ssh::default() },
            compress: all.compress.filter(|_| fits(Fits::Remote)),
            rsync_args: if fits(Fits::Remote) { all.rsync_args } else { Vec::new() },
            require_mount: all.require_mount.filter(|_| fits(Fits::Local)),
            ..all
        }
    }
}

const DELETE: &[(&str, DeletePolicy)] =
    &[("never", DeletePolicy::Never), ("propagate", DeletePolicy::Propagate), ("mirror", DeletePolicy::Mirror)];

fn password(reading: &mut Reading<'_>, fields: [Option<Field<'_>>; 3]) -> Option<Spanned<Secret>> {
    let mut given: Vec<Field<'_>> = fields.iter().flatten().copied().collect();
    given.sort_by_key(|field| field.key.at.span.start);
    if let [first, rest @ ..] = given.as_slice() {
        for field in rest {
            let message = format!("`{}` and `{}` exclude each other", first.key.text, field.key.text);
            reading.report(
                Diagnostic::new(Code::Exclusive, message)
                    .primary(&field.key.at, "remove one of them")
                    .secondary(&first.key.at, "first set here"),
            );
        }
    }
    let [file, credential, variable] = fields;
    let file = file.and_then(|field| {
        let path = paths::absolute(reading, "passwordFile", field.node)?;
        Some(Spanned::new(Secret::File(path.value), path.at))
    });
    let credential = credential.and_then(|field| {
        let label = "the name of a systemd credential, as in `LoadCredential=NAME:…`";
        let name = named_secret(reading, field, name::credential, label)?;
        Some(Spanned::new(Secret::Credential(name.value), name.at))
    });
    let variable = variable.and_then(|field| {
        let label = "the name of an environment variable, not its value";
        let name = named_secret(reading, field, name::variable, label)?;
        Some(Spanned::new(Secret::Env(name.value), name.at))
    });
    file.or(credential).or(variable)
}

/// A name; if it is none it may be the secret itself, and is not shown.
fn named_secret(
    reading: &mut Reading<'_>,
    field: Field<'_>,
    fits: fn(&str) -> bool,
    label: &str,
) -> Option<Spanned<String>> {
    let name = reading.text(&field.key.text, field.node)?;
    if fits(&name.value) {
        return Some(name);
    }
    let message = format!("`{}` does not name a secret", field.key.text);
    reading.report(Diagnostic::new(Code::BadText, message).primary(&field.key.at, label).mask(name.at));
    None
}

fn ssh(reading: &mut Reading<'_>, node: &Node) -> Option<Ssh> {
    let mut fields = Fields::of(reading, "ssh", "`ssh`", node)?;
    let ssh = Ssh {
        identity_file: fields.read(reading, "identityFile", paths::absolute),
        known_hosts_file: fields.read(reading, "knownHostsFile", paths::absolute),
        jump: fields.read(reading, "jump", jump),
    };
    fields.finish(reading, &[("user", "the `url`"), ("port", "the `url`"), ("host", "the `url`")]);
    Some(ssh)
}

/// `[user@]host[:port]`, several with commas: checked as an `ssh://` url's authority is.
fn jump(reading: &mut Reading<'_>, key: &str, node: &Node) -> Option<Spanned<String>> {
    let jump = reading.text(key, node)?;
    let substituted = jump.value.contains("${");
    if !substituted && jump.value.split(',').all(|hop| !hop.contains('/') && Url::parse(&format!("ssh://{hop}/x")).is_ok())
    {
        return Some(jump);
    }
    reading.wrong(Code::SshOption, &jump.at, "not a jump host", "write `user@host:port`");
    None
}

fn max_delete(reading: &mut Reading<'_>, key: &str, node: &Node) -> Option<Spanned<MaxDelete>> {
    let text = match scalar(node) {
        Scalar::Text(text) if !text.is_empty() => text,
        Scalar::Number(_) => {
            let count = reading.count(key, node, 0..=u64::from(u32::MAX))?;
            return Some(Spanned::new(MaxDelete::Count(count.value), count.at));
        }
        Scalar::Broken => return None,
        Scalar::Null | Scalar::Text(_) => return reading.empty(key, &node.at),
        _ => return reading.wrong_type(key, "a count or a percentage", node),
    };
    match unit::share(text) {
        Ok(share) => Some(Spanned::new(MaxDelete::Share(share), node.at.clone())),
        Err(message) => {
            reading.wrong(Code::BadPercentage, &node.at, message, "write for instance `500` or `10%`");
            None
        }
    }
}

fn attributes(reading: &mut Reading<'_>, key: &str, node: &Node) -> Option<Spanned<Vec<Spanned<Attribute>>>> {
    let words = [
        ("archive", Attribute::Archive),
        ("acls", Attribute::Acls),
        ("xattrs", Attribute::Xattrs),
        ("hardLinks", Attribute::HardLinks),
        ("devices", Attribute::Devices),
        ("numericIds", Attribute::NumericIds),
    ];
    let attributes = reading.list(key, node, |reading, item| reading.choice(key, item, &words))?;
    reading.distinct(key, &attributes);
    Some(Spanned::new(attributes, node.at.clone()))
}

fn compress(reading: &mut Reading<'_>, node: &Node) -> Option<Spanned<Compress>> {
    let words = [
        ("none", Compress::None),
        ("auto", Compress::Auto),
        ("zstd", Compress::Zstd),
        ("lz4", Compress::Lz4),
        ("zlib", Compress::Zlib),
    ];
    reading.choice("compress", node, &words)
}

fn require_mount(reading: &mut Reading<'_>, node: &Node) -> Option<Spanned<bool>> {
    let mut fields = Fields::of(reading, "guard", "a target's guard", node)?;
    let require = fields.read(reading, "requireMount", |reading, key, node| reading.boolean(key, node));
    fields.finish(reading, &[("marker", "a source's `guard`"), ("allowEmpty", "a source's `guard`")]);
    require
}

/// `hooks: {after: {run: [/program, argument], timeout: 30s, onError: warn}}`: checked in full, then refused.
fn hooks(reading: &mut Reading<'_>, field: Field<'_>) {
    const TIMEOUT: Bounds = Bounds { ms: 1_000..=3_600_000, least: "1s", most: "1h" };
    if let Some(mut fields) = Fields::of(reading, "hooks", "`hooks`", field.node) {
        if let Some(after) = fields.take("after")
            && let Some(mut fields) = Fields::of(reading, "after", "a hook", after.node)
        {
            match fields.take("run") {
                None => fields.missing(reading, "run", &after.key.at),
                Some(run) => command(reading, run.node),
            }
            fields.read(reading, "timeout", |reading, key, node| reading.duration(key, node, &TIMEOUT));
            fields.read(reading, "onError", |reading, key, node| {
                reading.choice(key, node, &[("warn", ()), ("fail", ())])
            });
            fields.finish(reading, &[]);
        }
        fields.finish(reading, &[]);
    }
    reading.wrong(Code::NotSupported, &field.key.at, "`hooks` is not supported yet", "remove it for now");
}

/// argv, without a shell.
fn command(reading: &mut Reading<'_>, node: &Node) {
    let mut first = true;
    reading.list("run", node, |reading, item| {
        if std::mem::take(&mut first) {
            paths::absolute(reading, "run", item)
        } else {
            reading.text("run", item)
        }
    });
}

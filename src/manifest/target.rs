//! A target and what it shares with `defaults.target`.

use super::fields::{Field, Fields};
use super::reading::{Reading, Scalar, near, scalar};
use super::rsync_args::rsync_args;
use super::source::{appended, checked_name, is_list};
use super::yaml::{Key, Kind, Node};
use super::{
    Attribute, Compress, DeletePolicy, Durability, MaxDelete, Retry, Spanned, Ssh, Target,
    TargetOptions, Url, Warm, access, hooks, mend, timing, unit, url,
};
use crate::diagnostic::{Code, Diagnostic, Place};

/// Keys that people write at a target, but which belong elsewhere.
const ELSEWHERE: &[(&str, &str)] = &[
    ("path", "a source; a target has its path in `url`"),
    (
        "include",
        "a source: a target may only narrow its set, with `exclude`",
    ),
    ("events", "a source"),
    ("hosts", "a source"),
    ("suspend", "a source"),
    ("oneFileSystem", "a source"),
    ("marker", "a source's `guard`"),
    ("requireMount", "`guard`"),
    ("identityFile", "`ssh`"),
    ("knownHostsFile", "`ssh`"),
    ("jump", "`ssh`"),
    ("user", "the `url`"),
    ("port", "the `url`"),
    ("host", "the `url`"),
    ("module", "the `url`"),
    ("archive", "`attributes`, as one of its words"),
    ("acls", "`attributes`, as one of its words"),
    ("xattrs", "`attributes`, as one of its words"),
    ("hardLinks", "`attributes`, as one of its words"),
    ("devices", "`attributes`, as one of its words"),
    ("numericIds", "`attributes`, as one of its words"),
    ("checksum", "`rescan`, as `compare: checksum`"),
    ("schedule", "`sync` or `rescan`"),
    ("every", "`sync` or `rescan`"),
    ("compare", "`rescan`"),
    ("quiet", "`debounce`"),
    ("maxWait", "`debounce`"),
];

/// An entry of a mapping from names.
pub(super) struct Named<'n> {
    pub(super) key: &'n Key,
    /// As it was written; one that cannot be a name was reported, and the rest is still read.
    pub(super) name: Spanned<String>,
    pub(super) node: &'n Node,
}

/// `sources` and `targets`: mappings from names.
pub(super) fn names<'n>(
    reading: &mut Reading<'_>,
    key: &'static str,
    node: &'n Node,
) -> Option<Vec<Named<'n>>> {
    match &node.kind {
        Kind::Mapping(entries) if !entries.is_empty() => Some(
            entries
                .iter()
                .map(|(key, node)| Named {
                    key,
                    name: checked_name(reading, key),
                    node,
                })
                .collect(),
        ),
        _ if is_list(node) => {
            let example = key.trim_end_matches('s');
            let message = format!("`{key}` is a mapping from names, but this is a list");
            let at = Place {
                span: node.at.span.start..node.at.span.start + 1,
                ..node.at.clone()
            };
            reading.wrong(
                Code::WrongType,
                &at,
                message,
                format!("write `{example}-name:` and indent its fields"),
            );
            None
        }
        Kind::Mapping(_) => reading.empty(key, &node.at),
        Kind::Broken => None,
        _ if matches!(scalar(node), Scalar::Null) => reading.empty(key, &node.at),
        _ => reading.wrong_type(key, "a mapping from names", node),
    }
}

/// One entry of `targets`.
pub(super) fn target(
    reading: &mut Reading<'_>,
    named: Named<'_>,
    defaults: &TargetOptions,
) -> Option<Target> {
    let mut fields = Fields::of(reading, &named.key.text, "a target", named.node)?;
    let url_field = fields.take("url");
    if url_field.is_none() {
        fields.missing(reading, "url", &named.key.at);
    }
    let url = url_field.and_then(|field| written_url(reading, field.node));
    let (own, limited) = options(reading, &mut fields);
    fields.finish(reading, ELSEWHERE);
    let Some(url) = url else {
        // What else it says is still looked at by the compiler; where it leads is not.
        return Some(Target {
            name: named.name,
            url: Spanned::new(Url::unknown(), named.key.at.clone()),
            options: own.over(defaults),
        });
    };
    for (fits, field) in limited {
        misfit(reading, &url, fits, field);
    }
    let options = own.over(&defaults.fitting(&url.value));
    if let (Some(password), super::UrlParts::Daemon { user: None, .. }) =
        (&options.password, &url.value.parts)
    {
        reading.report(
            Diagnostic::new(
                Code::PasswordWithoutUser,
                "a password is given, but the url names no user",
            )
            .primary(&url.at, "write `rsync://USER@…`")
            .secondary(&password.at, "for this password"),
        );
    }
    Some(Target {
        name: named.name,
        url,
        options,
    })
}

fn written_url(reading: &mut Reading<'_>, node: &Node) -> Option<Spanned<Url>> {
    let text = reading.text("url", node)?;
    match Url::parse(&text.value) {
        Ok(url) => Some(Spanned::new(url, text.at)),
        Err(problem) => {
            let at = reading.inside(&text.at, &text.value, &problem.range);
            let mut diagnostic =
                Diagnostic::new(problem.code, problem.message).primary(&at, problem.label);
            // A part of it, where that is what is wrong; else the whole, as other programs write it.
            if problem.code == Code::UnknownScheme {
                let scheme = &text.value[problem.range.clone()];
                if let Some(near) = near(scheme, url::SCHEMES.into_iter()) {
                    diagnostic = diagnostic.mend(&at, near.word, near.certain);
                }
            } else if problem.code == Code::BadUrl
                && let Some(meant) = mend::url(&text.value)
                && Url::parse(&meant.text).is_ok()
            {
                // Inside quotes it stays there.
                let at = reading.inside(&text.at, &text.value, &(0..text.value.len()));
                let plain = at != text.at || !meant.text.contains([' ', '#', '{', '}']);
                let mended = match plain {
                    true => meant.text,
                    false => mend::quoted(&meant.text),
                };
                if !(at != text.at && mended.contains(['"', '\'', '\\'])) {
                    diagnostic = diagnostic.mend(&at, mended, meant.certain);
                }
            }
            if let Some(secret) = &problem.secret {
                diagnostic = diagnostic.mask(reading.inside(&text.at, &text.value, secret));
            }
            if problem.code == Code::InlinePassword {
                diagnostic = diagnostic.help(
                    "name a file instead (`passwordFile`), and change it: it was readable here",
                );
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
    let passwords = ["passwordFile", "passwordCredential", "passwordEnv"]
        .map(|key| limit(Fits::Daemon, fields.take(key)));
    let ssh_field = limit(Fits::Ssh, fields.take("ssh"));
    let warm_field = limit(Fits::Remote, fields.take("warm"));
    let compress_field = limit(Fits::Remote, fields.take("compress"));
    let args_field = limit(Fits::Remote, fields.take("rsyncArgs"));
    let guard_field = limit(Fits::Local, fields.take("guard"));
    let hooks = fields
        .take("hooks")
        .map(|field| hooks::hooks(reading, field))
        .unwrap_or_default();
    let options = TargetOptions {
        hooks,
        password: access::password(reading, passwords),
        ssh: ssh_field
            .and_then(|field| access::ssh(reading, field.node))
            .unwrap_or_default(),
        warm: warm_field.and_then(|field| {
            let words = [("auto", Warm::Auto), ("off", Warm::Off)];
            reading.choice("warm", field.node, &words)
        }),
        compress: compress_field.and_then(|field| compress(reading, field.node)),
        rsync_args: args_field
            .and_then(|field| rsync_args(reading, "rsyncArgs", field.node))
            .unwrap_or_default(),
        require_mount: guard_field.and_then(|field| require_mount(reading, field.node)),
        delete: fields.read(reading, "delete", |reading, key, node| {
            reading.choice(key, node, DELETE)
        }),
        max_delete: fields.read(reading, "maxDelete", max_delete),
        sync: fields.read(reading, "sync", timing::sync),
        windows: fields
            .read(reading, "windows", timing::windows)
            .unwrap_or_default(),
        exclude: fields
            .read(reading, "exclude", |reading, key, node| {
                reading.texts(key, node)
            })
            .unwrap_or_default(),
        debounce: fields
            .read(reading, "debounce", timing::debounce)
            .unwrap_or_default(),
        rescan: fields
            .read(reading, "rescan", timing::rescan)
            .unwrap_or_default(),
        bandwidth: fields.read(reading, "bandwidth", |reading, key, node| {
            reading.rate(key, node)
        }),
        durability: fields.read(reading, "durability", |reading, key, node| {
            reading.choice(key, node, DURABILITY)
        }),
        attributes: fields.read(reading, "attributes", attributes),
        timeout_ms: fields.read(reading, "timeout", |reading, key, node| {
            reading.duration(key, node, &timing::TIMEOUT)
        }),
        retry: fields
            .read(reading, "retry", timing::retry)
            .unwrap_or_default(),
    };
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
                identity_file: self
                    .ssh
                    .identity_file
                    .or_else(|| base.ssh.identity_file.clone()),
                known_hosts_file: self
                    .ssh
                    .known_hosts_file
                    .or_else(|| base.ssh.known_hosts_file.clone()),
                jump: self.ssh.jump.or_else(|| base.ssh.jump.clone()),
            },
            delete: self.delete.or_else(|| base.delete.clone()),
            max_delete: self.max_delete.or_else(|| base.max_delete.clone()),
            sync: self.sync.or_else(|| base.sync.clone()),
            windows: or(self.windows, &base.windows),
            exclude: appended(&base.exclude, self.exclude),
            debounce: self.debounce.over(&base.debounce),
            rescan: self.rescan.over(&base.rescan),
            bandwidth: self.bandwidth.or_else(|| base.bandwidth.clone()),
            warm: self.warm.or_else(|| base.warm.clone()),
            compress: self.compress.or_else(|| base.compress.clone()),
            durability: self.durability.or_else(|| base.durability.clone()),
            attributes: self.attributes.or_else(|| base.attributes.clone()),
            timeout_ms: self.timeout_ms.or_else(|| base.timeout_ms.clone()),
            retry: Retry {
                initial_ms: self
                    .retry
                    .initial_ms
                    .or_else(|| base.retry.initial_ms.clone()),
                max_ms: self.retry.max_ms.or_else(|| base.retry.max_ms.clone()),
            },
            rsync_args: or(self.rsync_args, &base.rsync_args),
            require_mount: self.require_mount.or_else(|| base.require_mount.clone()),
            hooks: self.hooks.over(&base.hooks),
        }
    }

    /// What of these defaults has a meaning for a target of this url.
    fn fitting(&self, url: &Url) -> TargetOptions {
        let fits = |fits: Fits| fits.scheme(url.parts.scheme());
        let all = self.clone();
        TargetOptions {
            password: all.password.filter(|_| fits(Fits::Daemon)),
            ssh: if fits(Fits::Ssh) {
                all.ssh
            } else {
                Ssh::default()
            },
            warm: all.warm.filter(|_| fits(Fits::Remote)),
            compress: all.compress.filter(|_| fits(Fits::Remote)),
            rsync_args: if fits(Fits::Remote) {
                all.rsync_args
            } else {
                Vec::new()
            },
            require_mount: all.require_mount.filter(|_| fits(Fits::Local)),
            ..all
        }
    }
}

const DURABILITY: &[(&str, Durability)] = &[
    ("none", Durability::None),
    ("file", Durability::File),
    ("full", Durability::Full),
];

const DELETE: &[(&str, DeletePolicy)] = &[
    ("never", DeletePolicy::Never),
    ("propagate", DeletePolicy::Propagate),
    ("mirror", DeletePolicy::Mirror),
];

fn max_delete(reading: &mut Reading<'_>, key: &str, node: &Node) -> Option<Spanned<MaxDelete>> {
    let text = match scalar(node) {
        Scalar::Text(text) if !text.is_empty() => text,
        Scalar::Number(text) if text.contains('.') => text,
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
            let meant = mend::count_or_share(text);
            let label = match &meant {
                Some(meant) => format!("write `{}`", meant.text),
                None => "write for instance `500` or `10%`".to_owned(),
            };
            reading.mended(Code::BadPercentage, &node.at, message, label, meant);
            None
        }
    }
}

fn attributes(
    reading: &mut Reading<'_>,
    key: &str,
    node: &Node,
) -> Option<Spanned<Vec<Spanned<Attribute>>>> {
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
    let require = fields.read(reading, "requireMount", |reading, key, node| {
        reading.boolean(key, node)
    });
    fields.finish(
        reading,
        &[
            ("marker", "a source's `guard`"),
            ("allowEmpty", "a source's `guard`"),
        ],
    );
    require
}

//! One route: a target as written, with its source, becomes a [`RoutePlan`].

use super::collector::Collector;
use super::substitute::Variables;
use super::{hooks, rules, target as place, timing};
use crate::diagnostic::{Code, Diagnostic};
use crate::filter::FilterSpec;
use crate::manifest::{self, Attribute, MaxDelete, defaults};
use crate::plan::{
    Attributes, Compress, DeleteBudget, DeletePolicy, Durability, Retry, RouteName, RoutePlan,
    SourceName, Target, TargetName,
};

/// Lowers a target. `None` where it is not known where it leads; everything else that is wrong is left out of it.
pub(super) fn lower(
    source: &manifest::Source,
    target: &manifest::Target,
    root: &str,
    base: &FilterSpec,
    variables: Variables<'_>,
    out: &mut Collector<'_>,
) -> Option<RoutePlan> {
    let options = &target.options;
    // Everything is looked at before the url can end it, so that all errors are collected.
    let filter = rules::route(target, base, root, out);
    let sync = timing::sync(options.sync.as_ref(), out);
    let windows = timing::windows(&options.windows, out);
    let debounce = timing::debounce(&options.debounce.over(&source.options.debounce), out);
    let rescan = options.rescan.over(&source.options.rescan);
    timing::lag(&sync, debounce, &rescan, options, out);
    let rescan = timing::rescan(&rescan, out);
    let retry = retry(&options.retry, out);
    let hooks = hooks::lower(&options.hooks, variables, out);
    let url = place::lower(target, variables, out)?;
    let off = options.warm.as_ref().map(|warm| warm.value) == Some(manifest::Warm::Off);
    // It would keep the disk busy that somebody may want to unmount.
    let mounted = source.options.guard.require_mount.as_ref();
    let mounted = mounted.is_some_and(|required| required.value);
    let warm = !off && !mounted && !matches!(url, Target::Local { .. });
    let durability = durability(options, &url, out);
    Some(RoutePlan {
        name: RouteName {
            source: SourceName(source.name.value.clone()),
            target: TargetName(target.name.value.clone()),
        },
        target: url,
        filter,
        delete: options
            .delete
            .as_ref()
            .map_or(DeletePolicy::Never, |delete| policy(delete.value)),
        max_delete: match options.max_delete.as_ref().map(|budget| budget.value) {
            None => DeleteBudget::Default,
            Some(MaxDelete::Count(count)) => DeleteBudget::Count(count),
            Some(MaxDelete::Share(share)) => DeleteBudget::Share(share),
        },
        sync,
        windows,
        debounce,
        rescan,
        bandwidth: options.bandwidth.as_ref().map(|bandwidth| bandwidth.value),
        warm,
        compress: options
            .compress
            .as_ref()
            .map_or(Compress::None, |compress| compression(compress.value)),
        durability,
        attributes: options
            .attributes
            .as_ref()
            .map_or_else(Attributes::default, |list| attributes(&list.value)),
        timeout_ms: options
            .timeout_ms
            .as_ref()
            .map_or(defaults::TIMEOUT_MS, |timeout| timeout.value),
        retry,
        rsync_args: options
            .rsync_args
            .iter()
            .map(|arg| arg.value.clone())
            .collect(),
        require_mount: options
            .require_mount
            .as_ref()
            .is_some_and(|require| require.value),
        hooks,
    })
}

fn policy(written: manifest::DeletePolicy) -> DeletePolicy {
    match written {
        manifest::DeletePolicy::Never => DeletePolicy::Never,
        manifest::DeletePolicy::Propagate => DeletePolicy::Propagate,
        manifest::DeletePolicy::Mirror => DeletePolicy::Mirror,
    }
}

/// What rsync can do of it is to sync each file; nothing that it says tells whether names and deletions are on the far disk.
fn durability(
    options: &manifest::TargetOptions,
    url: &Target,
    out: &mut Collector<'_>,
) -> Durability {
    let Some(written) = &options.durability else {
        return Durability::None;
    };
    match written.value {
        manifest::Durability::None => Durability::None,
        manifest::Durability::File => Durability::File,
        manifest::Durability::Full if matches!(url, Target::Local { .. }) => Durability::Full,
        manifest::Durability::Full => {
            let message = format!("`durability: full` cannot be had from `{url}`");
            out.push(
                Diagnostic::new(Code::WrongScheme, message)
                    .primary(&written.at, "goes with `file://`")
                    .help(
                        "write `durability: file`: rsync syncs each file before it takes its name",
                    ),
            );
            Durability::File
        }
    }
}

fn compression(written: manifest::Compress) -> Compress {
    match written {
        manifest::Compress::None => Compress::None,
        manifest::Compress::Auto => Compress::Auto,
        manifest::Compress::Zstd => Compress::Zstd,
        manifest::Compress::Lz4 => Compress::Lz4,
        manifest::Compress::Zlib => Compress::Zlib,
    }
}

fn attributes(list: &[manifest::Spanned<Attribute>]) -> Attributes {
    let has = |attribute: Attribute| list.iter().any(|item| item.value == attribute);
    Attributes {
        archive: has(Attribute::Archive),
        acls: has(Attribute::Acls),
        xattrs: has(Attribute::Xattrs),
        hard_links: has(Attribute::HardLinks),
        devices: has(Attribute::Devices),
        numeric_ids: has(Attribute::NumericIds),
    }
}

/// A bound that was not given makes way for one that was.
fn retry(written: &manifest::Retry, out: &mut Collector<'_>) -> Retry {
    let bounds = timing::Bounds {
        low: (
            "initial",
            written.initial_ms.as_ref(),
            defaults::RETRY_INITIAL_MS,
        ),
        high: ("max", written.max_ms.as_ref(), defaults::RETRY_MAX_MS),
        code: crate::diagnostic::Code::OutOfRange,
    };
    let (initial_ms, max_ms) = bounds.lower(out);
    Retry { initial_ms, max_ms }
}

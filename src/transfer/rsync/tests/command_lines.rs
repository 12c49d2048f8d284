//! What is asked of rsync: command lines and lists.

use super::*;

const COMMON: &str = "--no-motd --no-human-readable --out-format=%i|%b|%n";
const OWN: &str = "--filter=- .heliostat-????????????????.tmp";

#[test]
fn command_lines_of_a_daemon_route() {
    let mut mirror = route(
        daemon("htdocs", Some(Secret::File("/etc/heliostat/secret".into()))),
        DeletePolicy::Mirror,
    );
    mirror.filter.exclude = rules(&["/cache/"]);
    let rules = Filter::compile(&mirror.filter).unwrap().rsync_rules();
    let rules: String = rules
        .iter()
        .map(|rule| format!(" '--filter={rule}'"))
        .collect();
    let tail = format!(
        "'--out-format=%i|%b|%n' --contimeout=10 --sockopts=TCP_NODELAY --password-file=/etc/heliostat/secret '{OWN}'{rules} -- \
         /data/website/ rsync://web@10.0.0.9:873/m/htdocs/"
    );
    let head = "rsync --links --perms --times --owner --group --recursive --delete-after";
    assert_eq!(
        command_lines(&source(), &mirror),
        [
            format!(
                "{head} --delete-missing-args --force --max-delete=COUNTED --from0 --files-from=- --modify-window=-1 --ignore-times \
                 --one-file-system --timeout=60 --no-motd --no-human-readable {tail}"
            ),
            format!(
                "{head} --force --max-delete=COUNTED --stats --modify-window=-1 --one-file-system --timeout=60 --no-motd \
                 --no-human-readable --info=progress2 {tail}"
            ),
        ]
    );
}

#[test]
fn a_durable_route_has_each_file_synced_once() {
    let mut route = route(daemon("", None), DeletePolicy::Never);
    let count = |route: &RoutePlan| {
        let lines = command_lines(&source(), route);
        let counts = lines.iter().map(|line| line.matches("--fsync").count());
        counts.collect::<Vec<_>>()
    };
    assert_eq!(count(&route), [0, 0]);
    route.durability = Durability::File;
    assert_eq!(count(&route), [1, 1]);
    route.rsync_args = vec!["--fsync".into()];
    assert_eq!(count(&route), [1, 1]);
}

#[test]
fn secrets_are_shown_by_reference() {
    let lines = |secret| {
        command_lines(
            &source(),
            &route(daemon("", Some(secret)), DeletePolicy::Never),
        )
    };
    assert!(lines(Secret::Env("PW".into()))[0].starts_with("RSYNC_PASSWORD=\"$PW\" rsync "));
    assert!(
        lines(Secret::Credential("c".into()))[0]
            .starts_with("RSYNC_PASSWORD=\"$(cat \"$CREDENTIALS_DIRECTORY/c\")\" rsync ")
    );
    assert!(
        command_lines(
            &source(),
            &route(
                Target::Local {
                    path: "/mnt/x".into()
                },
                DeletePolicy::Never
            )
        )
        .is_empty()
    );
}

#[test]
fn the_remote_shell_is_one_word() {
    let line = &command_lines(&source(), &route(ssh(), DeletePolicy::Never))[0];
    let shell = "-e 'ssh -o BatchMode=yes -o StrictHostKeyChecking=yes -o LogLevel=ERROR -o ServerAliveInterval=15 -o ConnectTimeout=10 \
                 -o UserKnownHostsFile=/etc/heliostat/known_hosts -o GlobalKnownHostsFile=/dev/null \
                 -o '\\''IdentityFile=\"/etc/heliostat/a key\"'\\'' -o IdentitiesOnly=yes \
                 -o '\\''ProxyCommand=ssh -W \"[%h]:%p\" -o BatchMode=yes -o StrictHostKeyChecking=yes -o LogLevel=ERROR \
                 -o ServerAliveInterval=15 -o ConnectTimeout=10 -o UserKnownHostsFile=/etc/heliostat/known_hosts \
                 -o GlobalKnownHostsFile=/dev/null -o \"IdentityFile=\\\"/etc/heliostat/a key\\\"\" -o IdentitiesOnly=yes bastion'\\'' -p 2222'";
    assert!(line.contains(shell), "{line}");
    assert!(
        line.ends_with("-- /data/website/ 'mirror@[2001:db8::1]:/srv/mirror/'"),
        "{line}"
    );
    assert!(
        !line.contains("--contimeout") && !line.contains("delete"),
        "{line}"
    );
}

#[test]
fn each_leave_has_its_options() {
    let mut route = route(daemon("", None), DeletePolicy::Mirror);
    route.filter.exclude = Vec::new();
    let step = Step {
        entries: vec![entry("a", Act::Remove)],
        recurse: true,
        trust: false,
        delete: true,
        pass: None,
    };
    let rules: String = Filter::compile(&route.filter)
        .unwrap()
        .rsync_rules()
        .iter()
        .map(|rule| format!("--filter={rule} "))
        .collect();
    let line = |middle: &str| {
        format!(
            "--links --perms --times --owner --group --recursive {middle}--from0 --files-from=- --modify-window=-1 --ignore-times \
             --one-file-system --whole-file --bwlimit=5 {COMMON} --kind {OWN} {rules}-- /data/website/ far:/"
        )
    };
    for (leave, middle) in [
        (Leave::Never, ""),
        (Leave::One, "--delete-missing-args --max-delete=1 "),
        (
            Leave::None,
            "--delete-during --delete-missing-args --max-delete=0 ",
        ),
        (
            Leave::Count,
            "--dry-run --delete-after --delete-missing-args --force ",
        ),
        (
            Leave::Counted(7),
            "--delete-after --delete-missing-args --force --max-delete=7 ",
        ),
    ] {
        assert_eq!(words(&route, &step, leave), line(middle), "{leave:?}");
    }
    // Without `--delete` nothing else that deletes may be there: the receiver would not know the filters.
    let keeping = Step {
        delete: false,
        ..step
    };
    assert_eq!(words(&route, &keeping, Leave::Counted(7)), line(""));
}

#[test]
fn attributes_and_options() {
    let mut route = route(daemon("", None), DeletePolicy::Never);
    route.attributes = Attributes {
        archive: false,
        acls: true,
        xattrs: true,
        hard_links: true,
        devices: true,
        numeric_ids: true,
    };
    route.compress = Compress::Zlib;
    route.bandwidth = Some(1);
    route.rsync_args = vec!["--chmod=D755".into()];
    let step = Step {
        entries: vec![entry("a", Act::Attributes)],
        trust: true,
        ..Step::default()
    };
    let line = words(&route, &step, Leave::Never);
    let begin = "--times --devices --specials --hard-links --acls --xattrs --numeric-ids --no-recursive --from0 --files-from=- \
                 --modify-window=-1 --one-file-system --whole-file --bwlimit=1 --compress-choice=zlibx";
    assert!(
        line.starts_with(begin) && line.contains(" --chmod=D755 --kind "),
        "{line}"
    );
    assert!(
        line.contains(&format!(" {OWN} ")) && line.contains(" --filter=- *.tmp"),
        "{line}"
    );
    let pass = Step {
        recurse: true,
        trust: true,
        pass: Some(Compare::Checksum),
        ..Step::default()
    };
    let line = words(&route, &pass, Leave::Never);
    assert!(
        line.contains(" --stats --modify-window=-1 --checksum ") && !line.contains("files-from"),
        "{line}"
    );
}

#[test]
fn a_removed_way_passes_its_own_filter() {
    let mut route = route(daemon("", None), DeletePolicy::Mirror);
    route.filter = FilterSpec {
        include: rules(&["*.rs"]),
        exclude: Vec::new(),
    };
    let entries = vec![
        entry("a.rs", Act::Remove),
        entry("d/e", Act::Remove),
        entry("w*[x]\\y", Act::Remove),
        entry("b\\c", Act::Remove),
    ];
    let step = Step {
        entries,
        recurse: true,
        delete: true,
        ..Step::default()
    };
    let line = words(&route, &step, Leave::Counted(1));
    assert!(
        line.contains("tmp --filter=+ /d/e --filter=+ /w\\*\\[x]\\\\y --filter=+ /b\\c --filter="),
        "{line}"
    );
    assert!(!line.contains("+ /a.rs"), "{line}");
}

#[test]
fn the_list_is_bytes_each_with_its_dot() {
    let entries = vec![
        entry("#a", Act::Send),
        entry("-rf\nx", Act::Send),
        entry("", Act::Send),
    ];
    assert_eq!(
        list(&Step {
            entries,
            ..Step::default()
        }),
        b"./#a\0./-rf\nx\0./\0"
    );
}

#[test]
fn a_listing_is_named_with_its_slash_and_nothing_is_entered() {
    let entries = vec![
        entry("", Act::Listing),
        entry("d\n", Act::Listing),
        entry("d\n/e", Act::Listing),
    ];
    let step = Step {
        entries,
        trust: true,
        delete: true,
        ..Step::default()
    };
    assert_eq!(list(&step), b"./\0./d\n/\0./d\n/e/\0");
    let mirror = route(daemon("", None), DeletePolicy::Mirror);
    let line = words(&mirror, &step, Leave::Counted(3));
    assert!(
        line.contains(
            " --no-recursive --delete-after --delete-missing-args --force --max-delete=3 --from0 "
        ),
        "{line}"
    );
    assert!(!line.contains("- /*") && !line.contains("--ignore-times"));
}

/// rsync takes `./` for the root and everything directly in it.
#[test]
fn the_roots_own_attributes_bring_nothing_of_what_is_in_it() {
    let mirror = route(daemon("", None), DeletePolicy::Mirror);
    let step = |path| Step {
        entries: vec![entry(path, Act::Attributes)],
        trust: true,
        ..Step::default()
    };
    assert!(words(&mirror, &step(""), Leave::Never).contains(" --filter=- /* --filter="));
    assert!(!words(&mirror, &step("d"), Leave::Never).contains("- /*"));
}

// ------------------------------------------------------------------ judging

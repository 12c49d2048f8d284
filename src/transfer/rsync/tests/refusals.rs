//! Runs that failed as a whole, by what rsync and ssh said.

use super::*;

/// How a refusal is judged: `retry` or `permanent`, its code, and what its message must say.
fn refused(target: Target, code: i32, output: &str, expected: (&str, &str), says: &str) {
    let judged = judged(target, &batch(&["d"]), Leave::None, Some(code), output);
    let (kind, trouble) = match judged.verdict {
        Verdict::Retry(trouble) => ("retry", trouble),
        Verdict::Permanent(trouble) => ("permanent", trouble),
        other => panic!("{other:?}"),
    };
    assert_eq!((kind, trouble.code), expected, "{trouble:?}");
    assert!(
        trouble.message.contains(says) && !trouble.message.contains('\n'),
        "{trouble:?}"
    );
    assert_eq!(trouble.soon, trouble.code == "busy");
}

#[test]
fn refusals_of_a_daemon() {
    let cases = [
        (
            5,
            "@ERROR: auth failed on module m",
            ("permanent", "auth"),
            "auth failed",
        ),
        (
            5,
            "@ERROR: Unknown module 'nomod'",
            ("permanent", "unknownModule"),
            "nomod",
        ),
        (
            5,
            "@ERROR: max connections (1) reached -- try again later",
            ("retry", "busy"),
            "max connections",
        ),
        (
            5,
            "@ERROR: chdir failed",
            ("retry", "noDestination"),
            "mount or create",
        ),
        (
            5,
            "rsync: [sender] read error: Connection reset by peer (104)\n@ERROR: chroot failed",
            ("retry", "noDestination"),
            "chroot",
        ),
        (
            5,
            "rsync: server sent \"HTTP/1.1 400 Bad Request\" rather than greeting",
            ("retry", "daemon"),
            "HTTP",
        ),
        (
            1,
            "ERROR: module is read only",
            ("permanent", "readOnly"),
            "read only = no",
        ),
        (
            1,
            "ERROR: password file must not be other-accessible",
            ("permanent", "passwordFile"),
            "chmod 600",
        ),
        (
            1,
            "rsync: --foo: unknown option",
            ("permanent", "usage"),
            "--foo",
        ),
        (
            2,
            "protocol version mismatch -- is your shell clean?",
            ("permanent", "protocol"),
            "too old",
        ),
        (3, "", ("retry", "sourceMissing"), "nothing"),
        (
            10,
            "rsync: [sender] failed to connect to 127.0.0.1 (127.0.0.1): Connection refused (111)",
            ("retry", "unreachable"),
            "refused",
        ),
        (
            10,
            "rsync: getaddrinfo: nohost.invalid 873: Name or service not known",
            ("retry", "unreachable"),
            "nohost",
        ),
        (
            11,
            "rsync: [receiver] write failed on \"/bigf\" (in full): No space left on device (28)",
            ("retry", "noSpace"),
            "make room",
        ),
        (
            11,
            "rsync: [Receiver] mkdir \"/a/b/c\" (in full) failed: No such file or directory (2)",
            ("retry", "noDestination"),
            "create",
        ),
        (
            12,
            "rsync: connection unexpectedly closed (8 bytes received so far) [sender]",
            ("retry", "connectionLost"),
            "closed",
        ),
        (
            30,
            "[sender] io timeout after 1 seconds -- exiting",
            ("retry", "timeout"),
            "io timeout",
        ),
        (35, "", ("retry", "timeout"), ""),
    ];
    for (code, output, expected, says) in cases {
        refused(daemon("", None), code, output, expected, says);
    }
}

#[test]
fn refusals_of_ssh() {
    let closed = "rsync: connection unexpectedly closed (0 bytes received so far) [sender]\n\
                  rsync error: unexplained error (code 255) at io.c(232) [sender=3.5.0]";
    let cases = [
        (
            "mirror@host: Permission denied (publickey).",
            ("permanent", "auth"),
        ),
        ("Host key verification failed.", ("permanent", "hostKey")),
        (
            "ssh: connect to host host port 1: Connection refused",
            ("retry", "unreachable"),
        ),
        (
            "ssh: Could not resolve hostname host: Name or service not known",
            ("retry", "unreachable"),
        ),
        (
            "kex_exchange_identification: banner line contains invalid characters",
            ("retry", "ssh"),
        ),
    ];
    for (line, expected) in cases {
        refused(ssh(), 255, &format!("{line}\n{closed}"), expected, line);
    }
    refused(
        ssh(),
        127,
        "bash: line 1: rsync: command not found",
        ("permanent", "noRsync"),
        "install",
    );
    check(
        ssh(),
        &batch(&["d/f", "g"]),
        23,
        &format!(
            "rsync: [receiver] mkstemp \"/srv/mirror/d/.f.aBcDeF\" failed: Permission denied (13)\n{PARTIAL}"
        ),
        &["d/f: mkstemp: permission denied"],
        &[],
    );
}

#[test]
fn messages_cannot_speak_to_a_terminal() {
    let judged = judged(
        daemon("", None),
        &batch(&["d"]),
        Leave::None,
        Some(5),
        "@ERROR: \u{1b}[31mauth failed",
    );
    assert!(
        matches!(judged.verdict, Verdict::Permanent(trouble) if !trouble.message.contains('\u{1b}'))
    );
}

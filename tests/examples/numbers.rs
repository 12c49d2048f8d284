//! Numbers that the documents say and the program has as constants: who changes the one is led to the other.

use super::*;

/// Page, words of it, file, and the constant's line.
const NUMBERS: &[(&str, &str, &str, &str)] = &[
    (
        "docs/status.md",
        "would delete (the first 20)",
        "src/engine/job.rs",
        "SAMPLE_MAX: usize = 20;",
    ),
    (
        "docs/http.md",
        "| connections | 64 over TCP;",
        "src/service/http/tcp.rs",
        "CONNECTIONS_MAX: usize = 64;",
    ),
    (
        "docs/http.md",
        "256 of operators, 64 of readers",
        "src/service/http/unix.rs",
        "OPERATORS_MAX: usize = 256;",
    ),
    (
        "docs/http.md",
        "256 of operators, 64 of readers",
        "src/service/http/unix.rs",
        "READERS_MAX: usize = 64;",
    ),
    (
        "docs/http.md",
        "| 16 KiB, 64 headers (431), within 10 s |",
        "src/service/http/connection.rs",
        "HEAD_MAX: usize = 16 << 10;",
    ),
    (
        "docs/http.md",
        "| 16 KiB, 64 headers (431), within 10 s |",
        "src/service/http/connection.rs",
        "HEADERS_MAX: usize = 64;",
    ),
    (
        "docs/http.md",
        "| 16 KiB, 64 headers (431), within 10 s |",
        "src/service/http/connection.rs",
        "HEAD_WITHIN: Duration = Duration::from_secs(10);",
    ),
    (
        "docs/http.md",
        "| its body | 16 KiB (413), within 10 s (408) |",
        "src/service/http/caller.rs",
        "BODY_MAX: usize = 16 << 10;",
    ),
    (
        "docs/http.md",
        "| its body | 16 KiB (413), within 10 s (408) |",
        "src/service/http/caller.rs",
        "BODY_WITHIN: Duration = Duration::from_secs(10);",
    ),
    (
        "docs/http.md",
        "given up after 30 s",
        "src/service/http/patient.rs",
        "UNREAD_MAX: Duration = Duration::from_secs(30);",
    ),
    (
        "docs/http.md",
        "engine's loop answers within 5 s",
        "src/service/http/health.rs",
        "ANSWER_WITHIN: Duration = Duration::from_secs(5);",
    ),
    (
        "docs/http.md",
        "is said, and tried again every ten seconds",
        "src/service/http/tcp.rs",
        "BIND_AGAIN: Duration = Duration::from_secs(10);",
    ),
    (
        "docs/http.md",
        "Eight at once; who reads too slowly",
        "src/service/tap.rs",
        "LISTENERS_MAX: usize = 8;",
    ),
    (
        "docs/http.md",
        "at most seven days",
        "src/engine/pause.rs",
        "PAUSE_MAX: Duration = Duration::from_secs(7 * 24 * 3600);",
    ),
    (
        "docs/status-page.md",
        "200 routes a page",
        "src/service/http/page/filter.rs",
        "ROWS_MAX: usize = 200;",
    ),
    (
        "docs/status-page.md",
        "(100 each",
        "src/service/http/page/panels.rs",
        "FAILING_MAX: usize = 100;",
    ),
    (
        "docs/status-page.md",
        "(100 each",
        "src/engine/detail.rs",
        "PENDING_MAX: usize = 100;",
    ),
    (
        "docs/status-page.md",
        "of the last six hours",
        "src/service/http/page/history.rs",
        "HOURS: usize = 6;",
    ),
    (
        "docs/status-page.md",
        "the ledger keeps (10,000, of all\nroutes)",
        "src/ledger/store.rs",
        "RUNS_MAX: i64 = 10_000;",
    ),
    (
        "docs/status-page.md",
        "loads it again every ten seconds",
        "src/service/http/page/frame.rs",
        "REFRESH_SECONDS: u32 = 10;",
    ),
    (
        "docs/status.md",
        "of each route up to 1,000 that fail",
        "src/engine/status.rs",
        "PATHS_MAX: usize = 1000;",
    ),
    (
        "docs/status.md",
        "after about 5 s, doubling",
        "src/engine/backoff.rs",
        "PERMANENT_INITIAL: Duration = Duration::from_secs(5);",
    ),
    (
        "docs/guarantee.md",
        "| `debounce` (5 ms of quiet",
        "src/manifest/defaults.rs",
        "QUIET_MS: u64 = 5;",
    ),
    (
        "docs/guarantee.md",
        "250 ms; at most 1 s)",
        "src/manifest/defaults.rs",
        "MAX_WAIT_MS: u64 = 1000;",
    ),
    (
        "docs/guarantee.md",
        "| `retry` (1 s, doubling, at most 60 s) |",
        "src/manifest/defaults.rs",
        "RETRY_INITIAL_MS: u64 = 1_000;",
    ),
    (
        "docs/guarantee.md",
        "| `retry` (1 s, doubling, at most 60 s) |",
        "src/manifest/defaults.rs",
        "RETRY_MAX_MS: u64 = 60_000;",
    ),
    (
        "docs/guarantee.md",
        "from 50,000 directories",
        "src/watch/mechanism.rs",
        "MANY: u64 = 50_000;",
    ),
    (
        "docs/guarantee.md",
        "from 1 s to 7 days",
        "src/engine/pause.rs",
        "PAUSE_MIN: Duration = Duration::from_secs(1);",
    ),
    (
        "docs/guarantee.md",
        "about 20,000 marks in memory",
        "src/engine/parked.rs",
        "PARKED_MARKS: usize = 20_000;",
    ),
    (
        "docs/cost.md",
        "| 200,000 paths, about 30 MB |",
        "src/engine/change_set.rs",
        "MARKS_MAX: usize = 200_000;",
    ),
    (
        "docs/cost.md",
        "| 20,000 paths | the ledger keeps",
        "src/engine/parked.rs",
        "PARKED_MARKS: usize = 20_000;",
    ),
    (
        "docs/cost.md",
        "| 10,000 a route |",
        "src/engine/failing.rs",
        "FAILING_MAX: usize = 10_000;",
    ),
    (
        "docs/cost.md",
        "| sessions that are begun ahead | 16 |",
        "src/transfer/rsync/warm.rs",
        "SESSIONS_MAX: usize = 16;",
    ),
    (
        "docs/cost.md",
        "(`limits`: 16 in all, 4 to one host)",
        "src/manifest/defaults.rs",
        "LIMIT_TRANSFERS: u32 = 16;",
    ),
    (
        "docs/cost.md",
        "(`limits`: 16 in all, 4 to one host)",
        "src/manifest/defaults.rs",
        "LIMIT_TRANSFERS_PER_HOST: u32 = 4;",
    ),
    (
        "docs/cost.md",
        "| survey threads | 4,",
        "src/service/keeper.rs",
        "THREADS_MAX: usize = 4;",
    ),
    (
        "docs/limits.md",
        "has 50,000 directories or more",
        "src/watch/mechanism.rs",
        "MANY: u64 = 50_000;",
    ),
    (
        "docs/limits.md",
        "every 5 s or for a twentieth of the time",
        "src/watch/stand.rs",
        "POLL_MIN: Duration = Duration::from_secs(5);",
    ),
    (
        "docs/limits.md",
        "every 5 s or for a twentieth of the time",
        "src/watch/stand.rs",
        "POLL_SHARE: u32 = 20;",
    ),
    (
        "README.md",
        "from 50,000 directories on",
        "src/watch/mechanism.rs",
        "MANY: u64 = 50_000;",
    ),
    (
        "docs/targets.md",
        "is left alone for ten minutes",
        "src/transfer/rsync/warm.rs",
        "REFRAIN: Duration = Duration::from_secs(600);",
    ),
    (
        "docs/targets.md",
        "no more than four over the connection",
        "src/transfer/rsync/warm.rs",
        "SSH_MAX: usize = 4;",
    ),
    (
        "docs/targets.md",
        "rsync must be 3.4 or later here",
        "src/transfer/rsync/binary.rs",
        "OLDEST: [u32; 3] = [3, 4, 0];",
    ),
    (
        "docs/targets.md",
        "should be 3.5 there and here",
        "src/transfer/rsync/binary.rs",
        "SAFE: [u32; 3] = [3, 5, 0];",
    ),
    (
        "docs/deletes.md",
        "Deletions of the last minute",
        "src/engine/budget.rs",
        "SPENT_FOR: Duration = Duration::from_secs(60);",
    ),
    (
        "docs/hooks.md",
        "After `timeout` (30s where none is given)",
        "src/manifest/defaults.rs",
        "HOOK_TIMEOUT_MS: u64 = 30_000;",
    ),
    (
        "docs/hooks.md",
        "more than 10,000 paths or 2 MiB",
        "src/engine/changed.rs",
        "PATHS_MAX: usize = 10_000;",
    ),
    (
        "docs/hooks.md",
        "more than 10,000 paths or 2 MiB",
        "src/engine/changed.rs",
        "BYTES_MAX: usize = 2 << 20;",
    ),
    (
        "docs/hooks.md",
        "SIGKILL\na second later",
        "src/transfer/hook/process.rs",
        "GRACE: Duration = Duration::from_secs(1);",
    ),
    (
        "docs/reload.md",
        "or after 15 seconds with a note",
        "src/service/reloader.rs",
        "LEAVE: Duration = Duration::from_secs(15);",
    ),
    (
        "docs/reload.md",
        "may end within ten seconds",
        "src/engine/leaving.rs",
        "DRAIN: Duration = Duration::from_secs(10);",
    ),
    (
        "docs/reload.md",
        "The last ten are kept",
        "src/service/generations.rs",
        "KEPT: usize = 10;",
    ),
    (
        "docs/systemd.md",
        "gets 7 seconds",
        "src/service/world.rs",
        "DRAIN: Duration = Duration::from_secs(7);",
    ),
    (
        "docs/systemd.md",
        "told to end 4 more",
        "src/service/world.rs",
        "CANCEL: Duration = Duration::from_secs(4);",
    ),
    (
        "docs/systemd.md",
        "every twenty seconds",
        "src/service/vitals.rs",
        "STARTING_EVERY: Duration = Duration::from_secs(20);",
    ),
    (
        "docs/systemd.md",
        "for five minutes (a file system that hangs)",
        "src/service/vitals.rs",
        "READY_MAX: Duration = Duration::from_secs(300);",
    ),
    (
        "docs/metrics.md",
        "A request is HTTP/1.1, has ten seconds",
        "src/service/heartbeat/mod.rs",
        "ANSWER_WITHIN: Duration = Duration::from_secs(10);",
    ),
    (
        "docs/manifest.md",
        "A file may have 1 MiB and 250,000 keys",
        "src/manifest/yaml.rs",
        "MAX_FILE_BYTES: usize = 1024 * 1024;",
    ),
    (
        "docs/manifest.md",
        "A file may have 1 MiB and 250,000 keys",
        "src/manifest/yaml.rs",
        "MAX_NODES: usize = 250_000;",
    ),
    (
        "docs/manifest.md",
        "a file may have 5,000 routes",
        "src/manifest/bounds.rs",
        "ROUTES_MAX: usize = 5_000;",
    ),
    (
        "docs/manifest.md",
        "a document 100,000\npatterns",
        "src/manifest/bounds.rs",
        "PATTERNS_MAX: usize = 100_000;",
    ),
    (
        "docs/manifest.md",
        "at most 64 labels",
        "src/manifest/bounds.rs",
        "LABELS_MAX: usize = 64;",
    ),
    (
        "docs/manifest.md",
        "of a file 200 errors",
        "src/manifest/mod.rs",
        "MAX_PROBLEMS: usize = 200;",
    ),
];

/// Which half of a row is not there.
fn missing((page, says, file, constant): &(&str, &str, &str, &str)) -> Option<String> {
    // A sentence may be broken anywhere.
    let plain = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    if !plain(&read(page).text).contains(&plain(says)) {
        return Some(format!("{page} does not say `{says}`"));
    }
    let there = read(file).text.contains(&format!("const {constant}"));
    (!there).then(|| format!("{file} has no `{constant}`, and {page} says `{says}`"))
}

#[test]
fn numbers_in_the_documents_are_the_programs_own() {
    let wrong: Vec<String> = NUMBERS.iter().filter_map(missing).collect();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    let (page, says, file, constant) = NUMBERS[0];
    assert!(missing(&(page, "| connections | 65 over TCP;", file, constant)).is_some());
    assert!(missing(&(page, says, file, "CONNECTIONS_MAX: usize = 65;")).is_some());
}

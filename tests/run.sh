#!/usr/bin/env bash
# Everything that is checked: formatting, lints, licences, and every test against a real rsync, sshd and file system.
#
#   bash tests/run.sh                          installs what is missing (as root, on Debian), then checks
#   HELIOSTAT_DENY=0 bash tests/run.sh         goes without cargo-deny, which has to be built where it is missing
#   HELIOSTAT_DEB=0 bash tests/run.sh          goes without cargo-deb, likewise: no Debian package is built and installed
#
# Ends with 0 only if everything is as it should be. What the tests say is kept whole in target/tests.log.
set -euo pipefail
cd "$(dirname "$0")/.."

RUST_MIN=1.95
RSYNC_MIN=3.4.0
# Far above what the tests take: one that hangs is ended.
TESTS_MAX=20m
DENY_VERSION=0.20.2
# It takes about two and a half minutes of one processor.
DENY_MAX=10m

began=$SECONDS
say() { printf '\n== %s  (%d s)\n' "$*" $((SECONDS - began)); }

say "What the tests need"
. tests/prepare.sh
need_cargo "$RUST_MIN"
need_packages cc gcc libc6-dev
need_component fmt rustfmt
need_component clippy clippy
need_rsync "$RSYNC_MIN"
need_packages sshd openssh-server
need_packages setfacl acl
need_packages setfattr attr
need_packages git git
need_packages chattr e2fsprogs
need_packages strace strace
need_packages chromium chromium
need_packages chromedriver chromium-driver
need_packages curl curl
need_packages openssl openssl
need_packages promtool prometheus
need_packages systemd-analyze systemd
need_packages python3 python3
echo "cargo $(cargo --version | cut -d' ' -f2), rsync $(rsync_version)"
if [ "$(id -u)" != 0 ]; then
    echo "note: not root. Tests that change owners, mount something or start a daemon will fail."
fi

say "cargo fmt --check"
cargo fmt --check

say "cargo clippy --all-targets"
cargo clippy --locked --all-targets -- -D warnings

say "cargo deny check"
denied=
PATH="$PWD/target/tools/bin:$PATH"
if [ "${HELIOSTAT_DENY:-}" = 0 ]; then
    denied="licences, bans, sources and advisories were not checked, as HELIOSTAT_DENY=0 asks"
elif ! command -v cargo-deny > /dev/null; then
    # Unoptimised: it runs for seconds, and takes half as long to build. One version: a later one may need a later Rust.
    echo "building cargo-deny $DENY_VERSION into target/tools, once; HELIOSTAT_DENY=0 goes without"
    timeout --foreground "$DENY_MAX" cargo install cargo-deny --version "$DENY_VERSION" --locked --debug --quiet --root target/tools ||
        denied="licences, bans, sources and advisories were not checked: cargo-deny cannot be built here"
fi
if [ -z "$denied" ]; then
    cargo deny --all-features check bans licenses sources
    # The advisories are a git repository of their own, which not every machine reaches.
    if timeout 60 cargo deny fetch db > /dev/null 2>&1; then
        cargo deny --all-features check --disable-fetch advisories
    else
        denied="advisories were not checked: their database cannot be fetched from here"
    fi
fi
[ -z "$denied" ] || echo "note: $denied"

say "cargo deb"
unpacked=
if [ "${HELIOSTAT_DEB:-}" = 0 ]; then
    unpacked="no Debian package was built and installed, as HELIOSTAT_DEB=0 asks"
elif ! command -v cargo-deb > /dev/null; then
    version=$(sed -n 's/^CARGO_DEB_VERSION=//p' packaging/build.sh)
    echo "building cargo-deb $version into target/tools, once (half a minute of one processor); HELIOSTAT_DEB=0 goes without"
    timeout --foreground "$DENY_MAX" cargo install cargo-deb --version "$version" --locked --debug --quiet --root target/tools ||
        unpacked="no Debian package was built and installed: cargo-deb cannot be built here"
fi
if [ -n "$unpacked" ]; then
    export HELIOSTAT_DEB=0
    echo "note: $unpacked"
fi

say "cargo test"
mkdir -p target
# What passing tests print is for the log only, but for lines that begin with `figure:`.
# Most tests wait for processes most of the time: two for each core keep it busy.
passed=0
export RUST_TEST_THREADS=${RUST_TEST_THREADS:-$(($(nproc) * 2))}
timeout --foreground "$TESTS_MAX" cargo test --locked --no-fail-fast -- --show-output 2>&1 | tee target/tests.log |
    awk '/^successes:$/ { quiet = 1 } /^(failures:|test result:)/ { quiet = 0 } !quiet { print; fflush() }' || passed=$?
if [ "$passed" != 0 ]; then
    echo "the tests failed ($passed)" >&2
    exit 1
fi

say "cargo test --bench (each benchmark's parts once, or that it starts)"
timeout --foreground "$TESTS_MAX" cargo test --locked --bench micro --bench compare --bench watch

say "Figures"
sed -n 's/^figure: //p' target/tests.log | sort -u
awk '/^test result:/ { passed += $4; ignored += $8 } END { printf "%d tests passed, %d are only run when asked for\n", passed, ignored }' target/tests.log
[ -z "$denied" ] || echo "note: $denied"
[ -z "$unpacked" ] || echo "note: $unpacked"
say "Everything is as it should be"

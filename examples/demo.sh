#!/usr/bin/env bash
# heliostat, once through: builds it, keeps a directory reflected on another, and stops it again.
#
# Everything but the build happens in one temporary directory, which is removed at the end. Ends with 0 only if
# everything came out as it is said here.
#
#   HELIOSTAT_BINARY=/usr/local/bin/heliostat bash examples/demo.sh     takes one that is there, and builds none
set -euo pipefail
cd "$(dirname "$0")/.."

RUST_MIN=1.95

heading='\n\033[1m== %s\033[0m\n'
prompt='\033[2m$ %s\033[0m\n'
# No colours where nobody sees them.
if [ ! -t 1 ] || [ -n "${NO_COLOR:-}" ]; then
    heading='\n== %s\n'
    prompt='$ %s\n'
fi
# shellcheck disable=SC2059 # the formats are the two above
say() { printf "$heading" "$*"; }
# shellcheck disable=SC2059
show() {
    printf "$prompt" "$*"
    "$@"
}
fail() {
    printf '\nfailed: %s\n' "$*" >&2
    [ -f "${log:-}" ] && { echo "the service's last lines:" >&2; tail -n 20 "$log" >&2; }
    exit 1
}

# Reports a step's exit status, which is part of what is promised.
expect_status() {
    local expected=$1 status=0
    shift
    show "$@" || status=$?
    [ "$status" = "$expected" ] || fail "\`$*\` ended with $status instead of $expected"
}

# ---------------------------------------------------------------------------------------------------------------------
if [ -n "${HELIOSTAT_BINARY:-}" ]; then
    # Built already; the program's own tests run this so.
    PATH="$(dirname "$HELIOSTAT_BINARY"):$PATH"
else
    say "What the build needs"

    . tests/prepare.sh
    need_cargo "$RUST_MIN"
    need_packages cc gcc libc6-dev
    echo "cargo $(cargo --version | cut -d' ' -f2), $(cc --version | head -n 1). rsync is not needed here."

    say "Building (a few minutes the first time)"
    cargo build --release --locked
    target=$(cargo metadata --format-version 1 --no-deps --locked | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')
    PATH="$target/release:$PATH"
fi
show heliostat version

# ---------------------------------------------------------------------------------------------------------------------
dir=$(mktemp -d "${TMPDIR:-/tmp}/heliostat-demo.XXXXXX")
service=
cleanup() {
    if [ -n "$service" ] && kill -0 "$service" 2>/dev/null; then
        kill "$service" 2>/dev/null || true
        wait "$service" 2>/dev/null || true
    fi
    rm -rf "$dir"
}
trap cleanup EXIT
trap 'exit 130' INT TERM
chmod 700 "$dir"
log=$dir/log
cd "$dir"

# Every command speaks to this service (`--socket`), not to one that may run on this host.
# A barrier: returns when everything that was done before it is on the target.
barrier() { expect_status 0 heliostat wait --socket socket --timeout 30s; }
# A line of shell, shown before it is run.
line() {
    printf "$prompt" "$1"
    bash -euc "$1"
}
in_step() {
    diff -r site copy || fail "the two directories differ"
    echo "site and copy are equal: $(find copy -type f | wc -l) files"
}

say "A source with 200 files in an archive, and a manifest"
mkdir -p site/archive copy
echo '<h1>hello</h1>' > site/index.html
for number in $(seq 200); do echo "article $number" > "site/archive/$number.html"; done
cat > manifest.yaml <<MANIFEST
apiVersion: heliostat/v1
kind: Manifest
sources:
  site:
    path: $dir/site
    exclude: ["*.tmp"]
    targets:
      copy:
        url: file://$dir/copy
        delete: mirror        # the target has nothing that the source has not,
        maxDelete: 20         # but more than 20 deletions at once wait for you
MANIFEST
show cat manifest.yaml
expect_status 0 heliostat validate manifest.yaml

say "The service starts; its first pass sends what is out of step"
# shellcheck disable=SC2059
printf "$prompt" 'heliostat run manifest.yaml --state-dir state --socket socket 2> log &'
heliostat run manifest.yaml --state-dir state --socket socket 2> log &
service=$!
for _ in $(seq 100); do
    heliostat status --socket socket > /dev/null 2>&1 && break
    kill -0 "$service" 2>/dev/null || fail "the service did not start"
    sleep 0.1
done
barrier
in_step
show heliostat status --socket socket

say "Changes: a write, a nested new directory, a rename, a deletion"
line "echo '<h1>hello, world</h1>' > site/index.html"
line "mkdir -p site/2026/11/22 && echo news > site/2026/11/22/first.html"
line "mv site/archive/1.html site/renamed.html"
line "rm site/archive/2.html"
line "echo 'half written' > site/upload.tmp"
barrier
show cat copy/index.html copy/2026/11/22/first.html copy/renamed.html
show ls copy copy/2026/11/22
[ "$(cat copy/index.html)" = '<h1>hello, world</h1>' ] || fail "the write is not on the target"
[ "$(cat copy/2026/11/22/first.html)" = news ] || fail "the file in a new directory is not on the target"
[ -f copy/renamed.html ] && [ ! -e copy/archive/1.html ] || fail "the rename is not on the target"
[ ! -e copy/archive/2.html ] || fail "the deleted file is still on the target"
[ ! -e copy/upload.tmp ] || fail "an excluded file is on the target"
rm site/upload.tmp
in_step

say "An accident: the whole archive is deleted"
line "rm -r site/archive"
expect_status 6 heliostat wait --socket socket --timeout 30s
show heliostat status --socket socket
left=$(find copy/archive -type f | wc -l)
# The first ones of a large removal may leave before it is seen to be one, but never more than the budget.
[ "$left" -ge 178 ] || fail "more than 20 were deleted without being asked for"
echo "copy/archive still has $left of its 198 files"

say "It was meant: approved, for exactly what was shown"
approve=$(heliostat status --socket socket | sed -n 's/.*\(heliostat approve [^ ]* --id [0-9a-f]*\).*/\1/p')
[ -n "$approve" ] || fail "status does not say how to approve"
# shellcheck disable=SC2086 # words, as they were printed
expect_status 0 $approve --socket socket
barrier
[ ! -e copy/archive ] || fail "what was approved was not done"
in_step
show heliostat status --socket socket

say "The service ends with SIGTERM"
kill "$service"
ended=0
wait "$service" || ended=$?
service=
[ "$ended" = 0 ] || fail "the service ended with $ended"
show cat log

say "Everything came out as promised"

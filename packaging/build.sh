#!/usr/bin/env bash
# Builds what is given to users: into dist/, a Debian package, a tarball, a static one where the toolchain can, the software
# bill of materials, and the checksums of all of them.
#
#   bash packaging/build.sh                   all of it, from a release build
#   bash packaging/build.sh deb tarball sbom musl   only these
#   HELIOSTAT_PROFILE=dev bash packaging/build.sh deb   from the debug build that is there already; for tests
#   HELIOSTAT_DIST=DIR bash packaging/build.sh      elsewhere than in dist/
#   HELIOSTAT_MAINTAINER='Name <address>' bash packaging/build.sh   who answers for the package, if others are given it
#
# Needs cargo and python3; the package also cargo-deb, which is built into target/tools where it is missing. The same
# program packed twice gives the same bytes: all times are those of the last commit.
set -euo pipefail
cd "$(dirname "$0")/.."

PROFILE=${HELIOSTAT_PROFILE:-release}
DIST=${HELIOSTAT_DIST:-dist}
CARGO_DEB_VERSION=3.8.0
MUSL=x86_64-unknown-linux-musl
STAGE=target/package
MAINTAINER=${HELIOSTAT_MAINTAINER:-$(sed -n 's/^maintainer = "\(.*\)"/\1/p' Cargo.toml)}

say() { printf '== %s\n' "$*"; }
skip() { printf 'note: %s\n' "$*" >&2; }
when() { git log -1 --format=%ct 2> /dev/null || echo 0; }
version() { sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1; }

PATH="$PWD/target/tools/bin:$PATH"
case $PROFILE in
    dev) built=target/debug ;;
    *) built=target/$PROFILE ;;
esac
what=("$@")
[ ${#what[@]} -gt 0 ] || what=(deb tarball sbom musl)
mkdir -p "$DIST"
made=()

build() {
    [ "$PROFILE" = dev ] && [ -x "$built/heliostat" ] && return
    say "cargo build, profile $PROFILE"
    cargo build --locked --profile "$PROFILE" --bin heliostat
}

# stage BINARY: what goes with the binary, made by itself or of its sources.
stage() {
    rm -rf "$STAGE"
    mkdir -p "$STAGE/man" "$STAGE/completions" "$STAGE/examples"
    "$1" man --all "$STAGE/man"
    gzip --best --no-name "$STAGE"/man/*
    "$1" completions bash > "$STAGE/completions/heliostat"
    "$1" completions zsh > "$STAGE/completions/_heliostat"
    "$1" completions fish > "$STAGE/completions/heliostat.fish"
    "$1" schema > "$STAGE/manifest.schema.json"
    "$1" schema agent > "$STAGE/agent.schema.json"
    python3 packaging/inventory.py licences > "$STAGE/THIRD-PARTY.txt"
    gzip --best --no-name --stdout CHANGELOG.md > "$STAGE/changelog.gz"
    {
        printf 'heliostat (%s-1) unstable; urgency=medium\n\n  * What is new is in changelog.gz beside this file.\n\n' "$(version)"
        printf ' -- %s  %s\n' "$MAINTAINER" "$(date --utc --rfc-email --date="@$(when)")"
    } > "$STAGE/changelog.Debian"
    cp -R examples/. "$STAGE/examples/"
    # Examples name their schema by where it is in the repository.
    find "$STAGE/examples" -name '*.yaml' -exec sed -i 's|\$schema=.*/\([a-z]*\.schema\.json\)|$schema=/usr/share/heliostat/\1|' {} +
}

deb() {
    if ! cargo deb --version > /dev/null 2>&1; then
        say "building cargo-deb $CARGO_DEB_VERSION into target/tools, once"
        cargo install cargo-deb --version "$CARGO_DEB_VERSION" --locked --debug --quiet --root target/tools
    fi
    build
    stage "$built/heliostat"
    say "the Debian package"
    local further=()
    # Tests look at the package, and not at how small it is.
    [ "$PROFILE" != dev ] || further=(--fast)
    cargo deb --locked --no-build --profile "$PROFILE" --maintainer "$MAINTAINER" --output "$DIST/" "${further[@]}"
    made+=("$(ls -t "$DIST"/heliostat_*.deb | head -n 1)")
}

# tree BINARY NAME: a tarball that can be unpacked anywhere, with the tree that `make install` would make.
tree() {
    local name=$2 at
    at=$STAGE/$name
    stage "$1"
    mkdir -p "$at/bin" "$at/share/doc/heliostat"
    install -m 755 "$1" "$at/bin/heliostat"
    strip "$at/bin/heliostat"
    mkdir -p "$at/share/man/man1" "$at/share/man/man5"
    cp "$STAGE"/man/*.1.gz "$at/share/man/man1/"
    cp "$STAGE"/man/*.5.gz "$at/share/man/man5/"
    cp -R "$STAGE/completions" "$at/share/"
    install -D -m 644 -t "$at/share/heliostat" "$STAGE"/*.schema.json
    cp -R packaging/systemd packaging/sysusers.d packaging/tmpfiles.d "$at/share/"
    cp README.md CHANGELOG.md SECURITY.md LICENSE-MIT LICENSE-APACHE "$STAGE/THIRD-PARTY.txt" "$at/share/doc/heliostat/"
    cp -R docs "$STAGE/examples" "$at/share/doc/heliostat/"
    tar --create --directory "$STAGE" --sort=name --owner=0 --group=0 --numeric-owner --mtime="@$(when)" "$name" |
        gzip --no-name > "$DIST/$name.tar.gz"
    made+=("$DIST/$name.tar.gz")
}

tarball() {
    build
    say "the tarball"
    tree "$built/heliostat" "heliostat-$(version)-$(uname -m)-linux-gnu"
}

# The static one needs Rust's library for musl, and a C compiler for SQLite's source.
musl() {
    if ! rustc --print target-libdir --target "$MUSL" 2> /dev/null | xargs -I{} test -d {}; then
        skip "no static tarball: this Rust has no library for $MUSL; \`rustup target add $MUSL\` brings it"
        return
    fi
    if ! command -v musl-gcc > /dev/null; then
        skip "no static tarball: \`musl-gcc\` is missing; on Debian: apt-get install musl-tools"
        return
    fi
    say "the static tarball"
    CC_x86_64_unknown_linux_musl=musl-gcc cargo build --locked --release --target "$MUSL" --bin heliostat
    TARGET=$MUSL tree "target/$MUSL/release/heliostat" "heliostat-$(version)-x86_64-linux-musl"
}

sbom() {
    say "the software bill of materials"
    local name
    name="$DIST/heliostat-$(version).cdx.json"
    python3 packaging/inventory.py sbom > "$name"
    made+=("$name")
}

for one in "${what[@]}"; do
    case $one in
        deb | tarball | musl | sbom) "$one" ;;
        *)
            echo "there is no \`$one\`: deb, tarball, sbom, musl" >&2
            exit 2
            ;;
    esac
done

say "checksums"
if [ ${#made[@]} -gt 0 ]; then
    (cd "$DIST" && sha256sum -- "${made[@]##*/}" | tee SHA256SUMS)
fi

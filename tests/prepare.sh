# What the two commands of the README need of the host. Sourced by both; installs nothing that is there.
# shellcheck shell=bash

# An update of the package lists, once and only if something is missing.
updated=
install_packages() {
    if [ -z "$updated" ]; then
        apt-get update
        updated=yes
    fi
    DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@"
}

# need_packages COMMAND PACKAGE…: installs the packages if the command is missing; without the right to, says what is missing.
need_packages() {
    local wanted=$1
    shift
    PATH="$PATH:/usr/sbin:/sbin" command -v "$wanted" > /dev/null && return
    if [ "$(id -u)" != 0 ] || ! command -v apt-get > /dev/null; then
        echo "\`$wanted\` is missing, and only root can install it: on Debian, apt-get install $*" >&2
        exit 1
    fi
    echo "\`$wanted\` is missing: installing $*"
    install_packages "$@"
}

# need_cargo VERSION: a Rust that is old enough to be a distribution's does not build this.
need_cargo() {
    if ! command -v cargo > /dev/null && [ -x "$HOME/.cargo/bin/cargo" ]; then
        PATH="$HOME/.cargo/bin:$PATH"
    fi
    local have
    have=$(cargo --version 2> /dev/null | cut -d' ' -f2) || have=
    if [ -z "$have" ]; then
        echo "\`cargo\` is missing: install Rust $1 or later with rustup" >&2
        exit 1
    fi
    if [ "$(printf '%s\n' "$1" "$have" | sort -V | head -n 1)" != "$1" ]; then
        echo "cargo $have is too old: install Rust $1 or later with rustup" >&2
        exit 1
    fi
}

# need_component SUBCOMMAND COMPONENT: a part of the Rust toolchain.
need_component() {
    cargo "$1" --version > /dev/null 2>&1 && return
    if command -v rustup > /dev/null && rustup component add "$2"; then
        return
    fi
    echo "\`cargo $1\` is missing: rustup component add $2" >&2
    exit 1
}

rsync_version() {
    rsync --version 2> /dev/null | sed -n '1s/^rsync  *version v\{0,1\}\([0-9.]*\).*/\1/p'
}

# need_rsync VERSION: older ones are refused by heliostat itself.
need_rsync() {
    need_packages rsync rsync
    if [ "$(printf '%s\n' "$1" "$(rsync_version)" | sort -V | head -n 1)" != "$1" ] && [ "$(id -u)" = 0 ] &&
        command -v apt-get > /dev/null; then
        echo "rsync $(rsync_version) is too old: looking for a newer one"
        install_packages rsync
    fi
    local have
    have=$(rsync_version)
    if [ "$(printf '%s\n' "$1" "$have" | sort -V | head -n 1)" != "$1" ]; then
        echo "rsync $have is too old: the tests need $1 or later; Debian 12 has it in its security updates" >&2
        exit 1
    fi
}

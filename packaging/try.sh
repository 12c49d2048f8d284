#!/usr/bin/env bash
# Tries the Debian package on a machine of its own, with systemd as its first process: Debian in a directory, started by
# systemd-nspawn, without a network. What is tried there is in try/machine.sh; nothing of this host is changed.
#
#   bash packaging/build.sh deb && bash packaging/try.sh dist/heliostat_*.deb     takes some three minutes
#   HELIOSTAT_MACHINE=DIR bash packaging/try.sh FILE      keeps Debian in DIR for the next time, a gigabyte
#   HELIOSTAT_MIRROR=URL bash packaging/try.sh FILE       Debian from elsewhere than debootstrap takes it
#   HELIOSTAT_SUITE=sid bash packaging/try.sh FILE        another Debian than trixie, with rsync 3.4 or later
#
# Needs root; on Debian: apt-get install debootstrap systemd-container. Ends with 0 only if everything is as it should be.
set -euo pipefail
cd "$(dirname "$0")"

SUITE=${HELIOSTAT_SUITE:-trixie}
# Far above what it takes: a machine that hangs is ended.
TRY_MAX=15m
INSIDE=systemd,systemd-sysv,dbus,libpam-systemd,rsync,openssh-client,openssh-server,procps,jq

package=$(cd "$OLDPWD" && realpath --quiet -- "${1:-}") || package=
[ -f "$package" ] || { echo "usage: bash packaging/try.sh heliostat_….deb" >&2; exit 2; }
[ "$(id -u)" = 0 ] || { echo "only root can start a machine" >&2; exit 2; }
for needed in debootstrap systemd-nspawn; do
    command -v "$needed" > /dev/null || { echo "\`$needed\` is missing: apt-get install debootstrap systemd-container" >&2; exit 2; }
done

at=$(mktemp -d)
trap 'rm -rf --one-file-system "$at"' EXIT
debian=${HELIOSTAT_MACHINE:-$at/debian}
if [ ! -e "$debian/etc/debian_version" ]; then
    echo "== Debian $SUITE"
    debootstrap --variant=minbase --include="$INSIDE" "$SUITE" "$debian" ${HELIOSTAT_MIRROR:-} > "$at/log" 2>&1 || { tail "$at/log" >&2; exit 1; }
fi
cp -a --reflink=auto "$debian" "$at/machine"

# The same again under a later number: what an upgrade is.
given=$at/machine/given
mkdir -p "$given"
dpkg-deb --raw-extract "$package" "$at/later"
sed -i 's/^Version: .*/&+later/' "$at/later/DEBIAN/control"
dpkg-deb --build --root-owner-group -Znone "$at/later" "$given/later.deb" > "$at/log"
cp "$package" "$given/first.deb"
cp try/machine.sh "$given/"
cat > "$at/machine/etc/systemd/system/try.service" <<'UNIT'
[Service]
Type=exec
ExecStart=/bin/bash /given/machine.sh
StandardOutput=file:/given/said
StandardError=file:/given/said
ExecStopPost=/bin/systemctl --no-block poweroff
UNIT
mkdir -p "$at/machine/etc/systemd/system/multi-user.target.wants"
ln -s ../try.service "$at/machine/etc/systemd/system/multi-user.target.wants/"
: > "$given/said"

echo "== the machine, with $(dpkg-deb --show --showformat='${Package} ${Version}' "$package")"
tail --follow --lines=+1 --pid=$$ "$given/said" &
told=$!
# Its own control groups are of the kind that systemd has now, also where this host's are older. The system calls are
# fanotify's, and the one with which systemd has devices guarded; a container is refused them otherwise.
SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1 timeout "$TRY_MAX" systemd-nspawn --quiet --boot --directory="$at/machine" --machine="try-$$" \
    --private-network --register=no --keep-unit --settings=no --console=pipe --system-call-filter='fanotify_init fanotify_mark open_by_handle_at bpf' \
    < /dev/null > "$at/log" 2>&1 || { echo "the machine did not end well:"; tail -n 30 "$at/log"; }
kill "$told"
wait "$told" 2> /dev/null || true
[ "$(tail -n 1 "$given/said")" = "as it should be" ]

# What the package does where systemd runs, from its installation to its purge. ../try.sh starts this as a service of a machine
# that is thrown away afterwards. Whatever is not as it should be ends it.
set -euo pipefail
export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8
cd /

UNIT=heliostat.service
DROP_INS=/usr/share/doc/heliostat/systemd
CONF=/etc/heliostat/conf.d/website.yaml

say() { echo "- $*"; }
wrong() {
    echo "wrong: $*"
    systemctl status --no-pager --full --lines=0 $UNIT || true
    journalctl --no-pager --unit=$UNIT --lines=40 --output=cat || true
    heliostat status --paths || true
    exit 1
}
# soon WHAT COMMAND…: until the command succeeds, within two minutes.
soon() {
    local what=$1 until=$((SECONDS + 120))
    shift
    until "$@" > /given/last 2>&1; do
        [ $SECONDS -lt $until ] || { cat /given/last; wrong "not within two minutes: $what"; }
        sleep 0.2
    done
}
of() { systemctl show --property="$1" --value $UNIT; }
is() { [ "$(of "$1")" = "$2" ]; }
# status FILTER: holds, as jq has it, for what `heliostat status` prints.
status() { heliostat status --format json | jq --exit-status "$1"; }
same() { diff -r /data/website "$1"; }
in_sync() { soon "everything in sync" status 'all(.routes[]; .state == "in sync")'; }
# Whether the journal of the unit has these words, since the mark.
mark() { journalctl --sync; cursor=$(journalctl --no-pager --lines=0 --show-cursor | sed -n 's/^-- cursor: //p'); }
told() { journalctl --sync; journalctl --no-pager --unit=$UNIT --after-cursor="$cursor" --output=cat | grep --quiet -- "$1"; }
processes() { pgrep --euid heliostat --list-full; }
sending() { pgrep --euid heliostat --exact rsync; }

manifest() { # manifest LINES…: of a target `near`, and these below it.
    cat > $CONF <<YAML
apiVersion: heliostat/v1
kind: Manifest
sources:
  website:
    path: /data/website
    targets:
      web98:
        url: rsync://website@127.0.0.1/website
        passwordCredential: web98
        delete: mirror
YAML
    printf '%s\n' "$@" >> $CONF
}

say "systemd $(systemctl --version | sed -n '1s/^systemd \([0-9]*\).*/\1/p'), $(rsync --version | sed -n 1p | tr -s ' ')"
mkdir -p /data/website/private /far
echo "dear" > /data/website/private/letter
echo "all" > /data/website/public
chown -R games:games /data/website/private
chmod -R go= /data/website
printf 'website:secret\n' > /root/secrets
chmod 600 /root/secrets
cat > /root/rsyncd.conf <<'CONF'
use chroot = no
[website]
path = /far
read only = false
uid = root
gid = root
auth users = website
secrets file = /root/secrets
CONF
systemd-run --quiet --unit=far rsync --daemon --no-detach --address=127.0.0.1 --config=/root/rsyncd.conf

say "installed: a user, and nothing that runs"
dpkg --install /given/first.deb > /given/log 2>&1 || { cat /given/log; wrong "not installed"; }
getent passwd heliostat > /dev/null || wrong "no user"
is UnitFileState disabled || wrong "it was enabled: $(of UnitFileState)"
is ActiveState inactive || wrong "it was started"
systemd-analyze verify --man=no $UNIT > /given/log 2>&1 && [ ! -s /given/log ] || { cat /given/log; wrong "the unit as installed"; }

say "without a manifest it is not started, is not tried again, and says so"
systemctl start $UNIT > /given/log 2>&1 && wrong "it started"
is ExecMainStatus 78 && is ActiveState failed || wrong "$(of ExecMainStatus), $(of ActiveState)"
is NRestarts 0 || wrong "it was tried again"

say "a password that only root can read: $UNIT is ready, and what it promises holds"
manifest
(umask 077 && printf 'secret\n' > /etc/heliostat/credentials/web98)
install -D -m 644 -t /etc/systemd/system/$UNIT.d $DROP_INS/credentials.conf
systemctl daemon-reload
timeout 60 systemctl enable --now $UNIT > /given/log 2>&1 || { cat /given/log; wrong "not started"; }
is ActiveState active && is SubState running || wrong "$(of ActiveState)"
# Ready means that no later change is missed.
echo 1 > /data/website/after-ready
timeout 60 heliostat wait > /given/log || wrong "wait"
same /far || wrong "not the same"
soon "the status line" is StatusText "1 of 1 routes in sync"
main=$(of MainPID)
[ "$(stat -c %U /proc/"$main")" = heliostat ] || wrong "it runs as $(stat -c %U /proc/"$main")"
for set in CapEff CapPrm CapBnd CapAmb; do
    grep --quiet "^$set:[[:space:]]0*4$" /proc/"$main"/status || wrong "more than CAP_DAC_READ_SEARCH: $(grep Cap /proc/"$main"/status)"
done
tr '\0' '\n' < /proc/"$main"/environ | grep --quiet '^CREDENTIALS_DIRECTORY=' || wrong "no credentials"
grep --recursive --quiet secret /var/lib/heliostat /var/log/heliostat /run/heliostat && wrong "the password is on the disk"
journalctl --no-pager --unit=$UNIT | grep --quiet secret && wrong "the password is in the journal"
heliostat doctor > /given/log 2>&1 || { cat /given/log; wrong "the doctor"; }
journalctl --sync
journalctl --no-pager --output=cat HELIOSTAT_ROUTE=website/web98 | grep --quiet '^sent' || wrong "the journal has no route"
# A disk that is mounted while it runs is there for it as well.
mount -t tmpfs disk /mnt
nsenter --target "$main" --mount findmnt /mnt > /given/log || wrong "what is mounted later is not seen"
umount /mnt

say "reload: is over when it is, fails with the reason in the journal, and the old one goes on"
cp $CONF /root/good
mark
manifest "        bandwith: 1MiB/s"
systemctl reload $UNIT > /given/log 2>&1 && wrong "a bad manifest was taken over"
told 'H0105' || wrong "no reason in the journal"
is ActiveState active || wrong "a bad reload ended it"
case $(of StatusText) in *rejected*) ;; *) wrong "the status line has nothing of it: $(of StatusText)" ;; esac
manifest "        bandwidth: 1GiB/s"
systemctl reload $UNIT || wrong "a good manifest was not taken over"
status '.generation == 2 and .rejected == null' > /given/log || { cat /given/log; wrong "not generation 2"; }
is StatusText "1 of 1 routes in sync" || soon "the status line" is StatusText "1 of 1 routes in sync"
is MainPID "$main" || wrong "a reload is a restart"

say "over ssh, with a key of the service's, below the same unit"
mkdir -p /far-ssh /root/.ssh
install -d -m 700 -o heliostat -g heliostat /etc/heliostat/ssh
ssh-keygen -q -t ed25519 -N '' -f /etc/heliostat/ssh/dr
cp /etc/heliostat/ssh/dr.pub /root/.ssh/authorized_keys
ssh-keyscan -t ed25519 127.0.0.1 > /etc/heliostat/ssh/known_hosts 2> /given/log
chown heliostat:heliostat /etc/heliostat/ssh/*
manifest '      dr:' '        url: ssh://root@127.0.0.1/far-ssh' '        delete: mirror' '        ssh:' \
    '          identityFile: /etc/heliostat/ssh/dr' '          knownHostsFile: /etc/heliostat/ssh/known_hosts'
systemctl reload $UNIT
timeout 60 heliostat wait > /given/log && same /far-ssh || wrong "not the same"
echo 4 > /data/website/over-ssh
timeout 60 heliostat wait > /given/log && same /far-ssh || wrong "not the same"
heliostat doctor > /given/log 2>&1 || { cat /given/log; wrong "the doctor"; }
manifest
systemctl reload $UNIT

say "what hangs is ended by the watchdog and started again"
printf '[Service]\nWatchdogSec=4s\nRestartSec=1s\n' > /etc/systemd/system/$UNIT.d/soon.conf
systemctl daemon-reload && systemctl restart $UNIT
main=$(of MainPID)
mark
kill -STOP "$main"
soon "started again" is NRestarts 1
soon "ready again" is ActiveState active
[ "$(of MainPID)" != "$main" ] && ! kill -0 "$main" 2> /dev/null || wrong "the old one is still there"
told "atchdog" || wrong "not by the watchdog"
rm /etc/systemd/system/$UNIT.d/soon.conf
systemctl daemon-reload
echo 2 > /data/website/after-watchdog
timeout 60 heliostat wait > /given/log && same /far || wrong "not the same"

say "stopped or killed in the midst of a transfer it leaves no rsync behind"
manifest "        bandwidth: 64KiB/s"
systemctl reload $UNIT
head -c 64M /dev/urandom > /data/website/large
soon "a transfer runs" sending
began=$SECONDS
systemctl stop $UNIT
[ $((SECONDS - began)) -lt 40 ] || wrong "it took $((SECONDS - began)) s to stop"
is Result success || wrong "stopped: $(of Result)"
processes && wrong "left behind after a stop"
systemctl start $UNIT
soon "a transfer runs" sending
left=$(processes | cut -d' ' -f1)
kill -KILL "$(of MainPID)"
soon "started again" is NRestarts 1
for pid in $left; do
    kill -0 "$pid" 2> /dev/null && wrong "left behind after a kill: $(tr '\0' ' ' < /proc/"$pid"/cmdline)"
done
soon "ready again" is ActiveState active

say "an upgrade: it is started again, with its pause, its ledger and what is pending"
soon "a transfer runs" sending
heliostat pause website/web98 --for 1h --reason "a new disk" --cancel > /given/log || wrong "pause"
soon "paused" status '.routes[0].state == "paused"'
rm /data/website/large
echo 3 > /data/website/pending
soon "the change is seen" status '.routes[0].pending >= 1'
heliostat history --format json > /root/history
echo "name: web-origin-1" >> /etc/heliostat/agent.yaml
main=$(of MainPID)
dpkg --install /given/later.deb > /given/log 2>&1 || { cat /given/log; wrong "not upgraded"; }
soon "ready" is ActiveState active
[ "$(of MainPID)" != "$main" ] || wrong "the old program still runs"
tail -n 1 /etc/heliostat/agent.yaml | grep --quiet web-origin-1 || wrong "the agent file was overwritten"
status '.routes[0] | .state == "paused" and .paused.reason == "a new disk" and .pending >= 1' > /given/log || {
    heliostat status
    wrong "the pause or what is pending was lost"
}
heliostat history --format json > /root/later
[ "$(jq '.transfers | length' /root/later)" -ge "$(jq '.transfers | length' /root/history)" ] || wrong "history was lost"
manifest
systemctl reload $UNIT
heliostat resume > /given/log
timeout 60 heliostat wait > /given/log && same /far || wrong "not the same"

say "the drop-ins, one by one and together"
# exposure NAME MAX: of the running unit, as systemd sees it.
exposure() {
    local level
    level=$(systemd-analyze security --no-pager $UNIT | sed -n 's/.*Overall exposure level for .*: \([0-9.]*\).*/\1/p')
    echo "  exposure with $1: $level"
    awk -v level="$level" -v max="$2" 'BEGIN { exit !(level != "" && level <= max) }' || wrong "$1: exposed to $level"
}
# with NAME…: the service, with these drop-ins alone beside the credentials.
with() {
    find /etc/systemd/system/$UNIT.d -type f ! -name credentials.conf -delete
    for name; do
        install -m 644 -t /etc/systemd/system/$UNIT.d "$DROP_INS/$name.conf"
    done
    systemctl daemon-reload
    timeout 60 systemctl restart $UNIT || wrong "not started with $*"
}
exposure "none but credentials" 2.0
install -m 644 -t /etc/systemd/system/$UNIT.d $DROP_INS/local-targets.conf
systemctl daemon-reload
systemctl restart $UNIT > /given/log 2>&1 && wrong "it started without its target's directory"
is ExecMainStatus 226 || wrong "without its target's directory: $(of ExecMainStatus)"
mkdir -p /srv/mirror
local_target=('      copy:' '        url: file:///srv/mirror' '        delete: mirror')
manifest "${local_target[@]}"
with local-targets
exposure local-targets 2.5
timeout 60 heliostat wait > /given/log && same /srv/mirror || wrong "not the same"
[ "$(stat -c '%U %a' /srv/mirror/private/letter)" = "$(stat -c '%U %a' /data/website/private/letter)" ] || wrong "owners are not kept"
touch /usr/written 2> /dev/null && nsenter --target "$(of MainPID)" --mount touch /usr/written 2> /dev/null && wrong "it sees a writable /usr"
rm -f /usr/written
with fanotify
exposure fanotify 2.5
printf 'watch: fanotify\n' >> /etc/heliostat/agent.yaml
with local-targets fanotify devices
exposure "all of them" 2.6
in_sync
status '.sources[0].mechanism == "fanotify"' > /given/log || { heliostat status --format json | jq .sources; wrong "no fanotify"; }
manifest "${local_target[@]}" '        attributes: [archive, devices]'
systemctl reload $UNIT
mknod /data/website/null c 1 3
timeout 60 heliostat wait > /given/log || wrong "wait"
[ -c /srv/mirror/null ] || { heliostat status --paths; wrong "no device file"; }
with local-targets devices
exposure "local-targets and devices" 2.5
# What is there to be made is not to be opened; 240 is a number for experiments, behind which there is nothing.
mknod /data/website/disk b 240 0
timeout 60 heliostat wait > /given/log && [ -b /srv/mirror/disk ] || wrong "no device file"
opened() { "$@" head -c 1 /srv/mirror/disk 2>&1 || true; }
as_service() { bash -c 'echo $$ > /sys/fs/cgroup/system.slice/heliostat.service/cgroup.procs && exec "$@"' sh "$@"; }
opened env | grep --quiet "No such device" || wrong "the machine itself may not open it: nothing is seen here"
opened as_service | grep --quiet "not permitted" || wrong "a device file may be opened"
as_service head -c 1 /dev/zero > /given/log || wrong "not even /dev/zero may be read"
rm /data/website/disk /data/website/null
timeout 60 heliostat wait > /given/log

say "removed: the service ends before; purged: nothing is left but what the operator wrote"
soon "ready" is ActiveState active
dpkg --remove heliostat > /given/log 2>&1 || { cat /given/log; wrong "not removed"; }
processes && wrong "left behind after a removal"
[ -e /etc/heliostat/agent.yaml ] && [ -e /var/lib/heliostat/ledger.sqlite ] || wrong "too much was removed"
dpkg --purge heliostat > /given/log 2>&1 || { cat /given/log; wrong "not purged"; }
find / -xdev \( -path /proc -o -path /sys -o -path /given -o -path /var/log/journal -o -path /var/log/dpkg.log \) -prune -o \
    -iname '*heliostat*' -print | sort > /given/left
cat > /given/right <<'LEFT'
/etc/heliostat
/etc/systemd/system/heliostat.service.d
LEFT
diff /given/right /given/left || wrong "left behind by the purge"
[ -e $CONF ] && same /far || wrong "too much was purged"
echo "as it should be"

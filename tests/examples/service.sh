# The blocks of docs/systemd.md, in a root of its own (tests/packages/root.sh): `users` and `run` as for runit, then `packaged`
# and `drop-in` as with the package. apt-get and systemctl stand in for the real ones, which need the network and systemd as the
# first process: the one puts in place what the package has, the other does what the unit says. Everything else is real.
unset TMPDIR
wrong() { echo "wrong: $*"; cat /tmp/log 2> /dev/null || true; exit 1; }
install -m 755 /given/heliostat /usr/bin/heliostat
mkdir -p /data/website /srv/mirror
echo hello > /data/website/index.html
chmod 600 /data/website/index.html
answers() {
    for _ in $(seq 600); do
        heliostat status > /dev/null 2>&1 && return
        sleep 0.1
    done
    wrong "the service does not answer"
}
# The service's process, which runs as the user and with the one capability that the page names.
looked_at() {
    pid=$(cat /tmp/pid)
    [ "$(stat -c %U "/proc/$pid")" = heliostat ] || wrong "it runs as $(stat -c %U "/proc/$pid")"
    for set in CapEff CapBnd; do
        # CAP_DAC_READ_SEARCH is bit 2.
        [ "$(sed -n "s/^$set:\t0*//p" "/proc/$pid/status")" = 4 ] || wrong "$set: $(grep "^$set" "/proc/$pid/status")"
    done
    heliostat wait --timeout 60s || wrong "not in sync"
    cmp /data/website/index.html /srv/mirror/index.html || wrong "another file"
}
ended() {
    kill "$pid"
    for _ in $(seq 600); do
        [ -e "/proc/$pid" ] || return 0
        sleep 0.1
    done
    wrong "it does not end"
}

echo "- the user and the script of runit"
bash -eu /given/users
chown heliostat: /srv/mirror
mkdir -p /etc/heliostat/conf.d /etc/sv/heliostat
heliostat init /data/website file:///srv/mirror -o /etc/heliostat/conf.d/website.yaml > /tmp/log 2>&1 || wrong "init"
install -m 755 /given/run /etc/sv/heliostat/run
/etc/sv/heliostat/run > /tmp/log 2>&1 &
echo $! > /tmp/pid
answers
looked_at
ended
userdel heliostat
rm -rf /etc/heliostat /var/lib/heliostat /run/heliostat /srv/mirror/*
chown root: /srv/mirror

echo "- the package"
cat > /usr/local/bin/apt-get <<'STAND_IN'
#!/bin/sh -e
[ "$1" = install ] && [ "${2#./heliostat_}" != "$2" ]
cd /given
systemd-sysusers /given/sysusers.conf
chown heliostat: /srv/mirror
install -D -m 644 -t /usr/lib/systemd/system heliostat.service
install -D -m 644 -t /usr/share/doc/heliostat/systemd local-targets.conf
install -D -m 644 -t /etc/heliostat agent.yaml
install -d /etc/heliostat/conf.d
STAND_IN
cat > /usr/bin/systemctl <<'STAND_IN'
#!/bin/bash -e
says() { sed -n "s/^$1=//p" /usr/lib/systemd/system/heliostat.service; }
[ "$*" = daemon-reload ] || [ "${!#}" = heliostat ]
start() {
    for directory in "/var/lib/$(says StateDirectory)" "/run/$(says RuntimeDirectory)"; do
        install -d -m 700 -o "$(says User)" -g "$(says Group)" "$directory"
    done
    setpriv --reuid="$(says User)" --regid="$(says Group)" --clear-groups --no-new-privs \
        --inh-caps=-all,+dac_read_search --ambient-caps=+dac_read_search --bounding-set=-all,+dac_read_search \
        $(says ExecStart | sed 's/ --log-format journald//') > /tmp/log 2>&1 &
    echo $! > /tmp/pid
    until heliostat status > /dev/null 2>&1; do kill -0 $!; sleep 0.1; done
}
stop() {
    pid=$(cat /tmp/pid)
    kill "$pid"
    while [ -e "/proc/$pid" ]; do sleep 0.1; done
}
case "$1" in
enable) [ "$2" = --now ] && start ;;
restart) stop; start ;;
reload) $(says ExecReload) ;;
status) kill -0 "$(cat /tmp/pid)" ;;
daemon-reload) systemd-analyze verify --man=no heliostat.service ;;
*) exit 1 ;;
esac
STAND_IN
chmod 755 /usr/local/bin/apt-get /usr/bin/systemctl
cd /tmp
bash -eux /given/packaged > /tmp/said 2>&1 || { cat /tmp/said; wrong "the block of the package"; }
looked_at
bash -eux /given/drop-in > /tmp/said 2>&1 || { cat /tmp/said; wrong "the block of the drop-in"; }
looked_at
[ -s /etc/systemd/system/heliostat.service.d/local-targets.conf ] || wrong "no drop-in"
ended
echo "as it should be"

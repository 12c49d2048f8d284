# The life of the package on a host, from its installation to its purge. Whatever is not as it should be ends this.
said() { cat /given/asked 2> /dev/null || true; rm -f /given/asked; }
wrong() { echo "wrong: $*"; exit 1; }
deb=$(echo /given/heliostat_*.deb)
export DEBIAN_FRONTEND=noninteractive

echo "- installed"
getent passwd heliostat > /dev/null && wrong "the user is there before"
dpkg --install "$deb" > /given/log 2>&1 || { cat /given/log; wrong "not installed"; }
getent passwd heliostat > /dev/null || wrong "no user"
case $(said) in *start* | *enable*) wrong "it was started" ;; esac
[ ! -e /etc/systemd/system/multi-user.target.wants/heliostat.service ] || wrong "it was enabled"
[ "$(stat -c '%a %U' /etc/heliostat/credentials)" = "700 root" ] || wrong "the credentials' directory is open"
[ "$(heliostat version)" ] || wrong "it does not run"
for file in /usr/share/man/man1/heliostat-run.1.gz /usr/share/man/man5/heliostat.yaml.5.gz \
    /usr/share/bash-completion/completions/heliostat /usr/share/zsh/vendor-completions/_heliostat \
    /usr/share/fish/vendor_completions.d/heliostat.fish /usr/share/heliostat/manifest.schema.json /usr/share/heliostat/agent.schema.json \
    /usr/share/doc/heliostat/THIRD-PARTY.txt /usr/share/doc/heliostat/copyright /usr/share/doc/heliostat/SECURITY.md \
    /usr/share/doc/heliostat/systemd/local-targets.conf /usr/share/doc/heliostat/examples/website.yaml \
    /usr/lib/systemd/system/heliostat.service /usr/lib/sysusers.d/heliostat.conf; do
    [ -s "$file" ] || wrong "no $file"
done
systemd-analyze verify --man=no heliostat.service || wrong "the unit as installed"

echo "- a first manifest, checked with the agent file of the package"
mkdir -p /tmp/source && chmod 755 /tmp/source
heliostat init /tmp/source file:///tmp/target -o /etc/heliostat/conf.d/first.yaml > /given/log 2>&1 || wrong "init"
heliostat validate > /given/log 2>&1 || { cat /given/log; wrong "validate"; }
heliostat plan > /given/log 2>&1 || { cat /given/log; wrong "plan"; }

echo "- upgraded: what the operator wrote stays, a service that runs is started again"
echo "name: web-origin-1" >> /etc/heliostat/agent.yaml
mkdir -p /var/lib/heliostat && touch /var/lib/heliostat/ledger.sqlite
said > /dev/null
dpkg --install "$deb" > /given/log 2>&1 || { cat /given/log; wrong "not upgraded"; }
case $(said) in *try-restart*heliostat* | *restart*heliostat*) ;; *) wrong "not started again" ;; esac
grep -q web-origin-1 /etc/heliostat/agent.yaml || wrong "the agent file was overwritten"

echo "- removed: the service is stopped before, the settings stay"
dpkg --remove heliostat > /given/log 2>&1 || { cat /given/log; wrong "not removed"; }
case $(said) in *stop*heliostat.service*) ;; *) wrong "not stopped" ;; esac
[ ! -e /usr/bin/heliostat ] || wrong "the binary is still there"
[ -e /etc/heliostat/agent.yaml ] && [ -e /var/lib/heliostat/ledger.sqlite ] || wrong "too much was removed"

echo "- purged: settings and state go, manifests stay"
dpkg --purge heliostat > /given/log 2>&1 || { cat /given/log; wrong "not purged"; }
[ ! -e /etc/heliostat/agent.yaml ] && [ ! -e /var/lib/heliostat ] || wrong "too little was removed"
[ -e /etc/heliostat/conf.d/first.yaml ] || wrong "a manifest was removed"
echo "as it should be"

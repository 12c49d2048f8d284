//! What the service may do on this host, against what the plan has it do.
//!
//! Asked of the service that runs, where one does: whoever looks is mostly root, and the service mostly is not.

use std::os::unix::net::UnixStream;
use std::path::Path;

use rustix::net::sockopt::socket_peercred;

use super::{Finding, Grade, Subject};
use crate::host::{Power, Powers};
use crate::plan::{Plan, Target};

/// Holds what is wanted against what is there.
pub fn check(plan: &Plan, host: &str, socket: &Path) -> Vec<Finding> {
    let service = of_service(socket);
    let (who, powers) = match service {
        Some(powers) => (format!("the service runs as user {}", powers.user), powers),
        None => {
            let own = Powers::own();
            (
                format!("this is user {}, as which the service is judged", own.user),
                own,
            )
        }
    };
    let mut found = vec![summary(host, &who, powers)];
    found.extend(local(plan, powers));
    found
}

/// Those of the process that serves the control socket.
pub fn of_service(socket: &Path) -> Option<Powers> {
    let stream = UnixStream::connect(socket).ok()?;
    let peer = socket_peercred(&stream).ok()?;
    Powers::of(&peer.pid.as_raw_nonzero().to_string())
}

fn summary(host: &str, who: &str, powers: Powers) -> Finding {
    let subject = Subject::new("powers", host);
    if powers.has(Power::DacReadSearch) {
        return subject.good(format!("{who}, and may read every file"));
    }
    let says = format!("{who}, and reads only what that user may");
    let mut finding = subject.note(says);
    finding.remedy = Some(format!(
        "where sources belong to others, as the packaged unit has it: AmbientCapabilities={}",
        Power::DacReadSearch.name()
    ));
    finding
}

/// What local targets need: everything else is written by the far side.
fn local(plan: &Plan, powers: Powers) -> Vec<Finding> {
    let mut found = Vec::new();
    for (_, route) in plan.routes() {
        if !matches!(route.target, Target::Local { .. }) {
            continue;
        }
        let subject = Subject::new("powers", &route.name);
        let mut wanted = Vec::new();
        if route.attributes.archive {
            wanted.extend([Power::Chown, Power::Fowner, Power::DacOverride]);
        }
        if route.attributes.devices {
            wanted.push(Power::Mknod);
        }
        let lacking: Vec<&str> = wanted
            .into_iter()
            .filter(|power| !powers.has(*power))
            .map(Power::name)
            .collect();
        if lacking.is_empty() {
            continue;
        }
        found.push(subject.finding(
            Grade::Warning,
            "files of others keep neither owner nor, where they are not this user's, mode and time there",
            Some(format!(
                "`local-targets.conf` in the unit's drop-ins (docs/systemd.md): {}",
                lacking.join(" ")
            )),
        ));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::{self, SourceFile};
    use crate::plan::{self, HostFacts};

    /// The plan of one source with a local target and one that is not.
    fn plan(attributes: &str) -> Plan {
        let file = SourceFile {
            name: "one.yaml".into(),
            text: format!(
                "{{apiVersion: heliostat/v1, kind: Manifest, sources: {{site: {{path: /site, targets: \
                 {{copy: {{url: 'file:///copy', attributes: [{attributes}]}}, far: {{url: 'rsync://h/m'}}}}}}}}}}"
            ),
        };
        let (manifests, problems) = manifest::load(&[file]);
        let compiled = plan::compile(&manifests, &Default::default(), &HostFacts::default());
        compiled.plan.unwrap_or_else(|| panic!("{problems:?}"))
    }

    fn powers(user: u32, effective: u64) -> Powers {
        let status = format!("Uid:\t{user}\t{user}\t{user}\t{user}\nCapEff:\t{effective:016x}\n");
        Powers::read(&status).unwrap()
    }

    #[test]
    fn what_a_local_target_lacks_is_named_and_what_is_far_away_lacks_nothing() {
        let remedies = |attributes, powers| -> Vec<(String, String)> {
            let found = local(&plan(attributes), powers);
            let of = |finding: Finding| (finding.about, finding.remedy.unwrap_or_default());
            found.into_iter().map(of).collect()
        };
        assert_eq!(remedies("archive, devices", powers(0, u64::MAX)), []);
        let [(about, remedy)] = &remedies("archive", powers(998, 0b100))[..] else {
            panic!("one finding");
        };
        assert_eq!(about, "site/copy");
        assert!(
            remedy.ends_with(": CAP_CHOWN CAP_FOWNER CAP_DAC_OVERRIDE"),
            "{remedy}"
        );
        let given = powers(998, 0b1111);
        assert_eq!(remedies("archive", given), []);
        let [(_, remedy)] = &remedies("archive, devices", given)[..] else {
            panic!("one finding");
        };
        assert!(remedy.ends_with(": CAP_MKNOD"), "{remedy}");
    }

    #[test]
    fn who_may_not_read_everything_is_told_how_to() {
        let able = summary("h", "it", powers(998, 0b100));
        assert_eq!((able.grade, able.remedy), (Grade::Good, None));
        let unable = summary("h", "it", powers(998, 0));
        assert_eq!(unable.grade, Grade::Note);
        assert!(unable.remedy.unwrap().ends_with("=CAP_DAC_READ_SEARCH"));
    }
}

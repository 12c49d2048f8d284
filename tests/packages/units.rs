//! The unit and its drop-ins, as systemd itself judges them.

use std::fs;
use std::path::Path;

use super::{at, run, said};
use crate::rig::Scratch;

/// The exposure that the unit stays below with each drop-in, and with all but fanotify's, of 10.
const EXPOSURE_MAX: f64 = 2.5;
/// With all of them at once: `CAP_SYS_ADMIN` on top of every other power, of which docs/systemd.md warns.
const EXPOSURE_OF_ALL_MAX: f64 = 2.6;

const DROP_INS: [&str; 4] = ["local-targets", "devices", "fanotify", "credentials"];

/// The unit with these drop-ins, in a directory of its own, with the built binary.
fn unit(scratch: &Scratch, name: &str, drop_ins: &[&str]) -> String {
    let directory = scratch.dir(name);
    let unit = fs::read_to_string(at("packaging/systemd/heliostat.service")).unwrap();
    let unit = unit.replace("/usr/bin/heliostat", env!("CARGO_BIN_EXE_heliostat"));
    let file = directory.join("heliostat.service");
    fs::write(&file, unit).unwrap();
    let further = directory.join("heliostat.service.d");
    fs::create_dir(&further).unwrap();
    for name in drop_ins {
        let name = format!("{name}.conf");
        fs::copy(
            at("packaging/systemd/drop-ins").join(&name),
            further.join(&name),
        )
        .unwrap();
    }
    file.to_str().unwrap().to_owned()
}

fn exposure(unit: &str) -> f64 {
    let output = run(
        "systemd-analyze",
        &["security", "--offline=true", "--no-pager", unit],
    );
    let text = said(&output);
    let level = text
        .split("Overall exposure level for heliostat.service: ")
        .nth(1);
    let level = level.unwrap_or_else(|| panic!("{text}"));
    level.split_whitespace().next().unwrap().parse().unwrap()
}

#[test]
fn the_unit_is_exposed_to_little_with_every_drop_in() {
    let scratch = Scratch::new();
    let bare = exposure(&unit(&scratch, "bare", &[]));
    println!("figure: systemd-analyze security heliostat.service: {bare}");
    assert!(bare <= 2.0, "{bare}");
    for name in DROP_INS {
        let level = exposure(&unit(&scratch, name, &[name]));
        assert!(level <= EXPOSURE_MAX, "{name}: {level}");
        println!("figure: systemd-analyze security heliostat.service with {name}.conf: {level}");
    }
    let without: Vec<&str> = DROP_INS
        .into_iter()
        .filter(|name| *name != "fanotify")
        .collect();
    let level = exposure(&unit(&scratch, "without", &without));
    assert!(level <= EXPOSURE_MAX, "all but fanotify: {level}");
    let level = exposure(&unit(&scratch, "together", &DROP_INS));
    println!("figure: systemd-analyze security heliostat.service with every drop-in: {level}");
    assert!(level <= EXPOSURE_OF_ALL_MAX, "all: {level}");
    // What is measured is what is written.
    let open = unit(&scratch, "open", &[]);
    let text = fs::read_to_string(&open).unwrap();
    let kept = |line: &&str| !line.starts_with("SystemCall") && !line.starts_with("Capability");
    fs::write(
        &open,
        text.lines().filter(kept).collect::<Vec<_>>().join("\n"),
    )
    .unwrap();
    assert!(exposure(&open) > EXPOSURE_MAX);
}

#[test]
fn devices_may_be_made_and_not_opened() {
    let text = fs::read_to_string(at("packaging/systemd/drop-ins/devices.conf")).unwrap();
    let allowed: Vec<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("DeviceAllow="))
        .collect();
    assert_eq!(allowed, ["char-* m", "block-* m"]);
    // Without these two, what is allowed is added to everything else.
    assert!(!text.contains("DevicePolicy=") && value("DevicePolicy") == "closed");
}

#[test]
fn systemd_understands_every_line() {
    let scratch = Scratch::new();
    let all = unit(&scratch, "all", &DROP_INS);
    let output = run(
        "systemd-analyze",
        &["verify", "--man=no", "--recursive-errors=no", &all],
    );
    assert!(
        output.status.success() && said(&output).is_empty(),
        "{}",
        said(&output)
    );
    let text = fs::read_to_string(&all).unwrap();
    fs::write(&all, text.replace("KillMode=mixed", "KilMode=mixed")).unwrap();
    let output = run(
        "systemd-analyze",
        &["verify", "--man=no", "--recursive-errors=no", &all],
    );
    assert!(said(&output).contains("KilMode"), "{}", said(&output));
}

#[test]
fn the_user_and_the_directories_are_made_as_written() {
    let scratch = Scratch::new();
    let root = scratch.dir("root");
    fs::create_dir_all(root.join("etc")).unwrap();
    let under = format!("--root={}", root.display());
    let file = at("packaging/sysusers.d/heliostat.conf");
    let output = run("systemd-sysusers", &[&under, file.to_str().unwrap()]);
    assert!(output.status.success(), "{}", said(&output));
    let users = fs::read_to_string(root.join("etc/passwd")).unwrap();
    assert!(
        users.contains("heliostat:x:") && users.contains(":/var/lib/heliostat:"),
        "{users}"
    );
    let file = at("packaging/tmpfiles.d/heliostat.conf");
    let output = run(
        "systemd-tmpfiles",
        &["--create", &under, file.to_str().unwrap()],
    );
    assert!(output.status.success(), "{}", said(&output));
    use std::os::unix::fs::PermissionsExt;
    let mode = fs::metadata(root.join("etc/heliostat/credentials"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o700);
}

/// The value that the unit gives a key.
fn value(key: &str) -> String {
    let unit = fs::read_to_string(at("packaging/systemd/heliostat.service")).unwrap();
    let line = unit
        .lines()
        .find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
    line.unwrap_or_else(|| panic!("no {key}")).to_owned()
}

#[test]
fn the_unit_fits_what_the_program_does() {
    assert_eq!(value("Type"), "notify");
    // The program's own: 78 is for no manifest, and nothing changes by trying again.
    let none = value("RestartPreventExitStatus");
    assert_eq!(none, heliostat::cli::exit::NO_MANIFEST.to_string());
    // Longer than the longest end: 7 s and 4 s for transfers, and their processes' own.
    let stop: u64 = value("TimeoutStopSec")
        .trim_end_matches('s')
        .parse()
        .unwrap();
    assert!(stop >= 30);
    assert_eq!(value("KillMode"), "mixed");
    // Where the program looks when nothing is said.
    let state = Path::new("/var/lib").join(value("StateDirectory"));
    assert_eq!(state, Path::new(heliostat::cli::run::STATE_DIR));
    let socket = Path::new("/run")
        .join(value("RuntimeDirectory"))
        .join("control.sock");
    assert_eq!(socket, Path::new(heliostat::cli::client::SOCKET));
}

//! The trial of the package where systemd runs, as far as it can be looked at where it does not.

use std::fs;

use super::{at, run, said};

#[test]
fn the_trial_can_be_started_and_leaves_no_drop_in_out() {
    for script in ["packaging/try.sh", "packaging/try/machine.sh"] {
        let read = run("bash", &["-n", script]);
        assert!(
            read.status.success() && said(&read).is_empty(),
            "{}",
            said(&read)
        );
    }
    for package in [&[][..], &["no-package.deb"]] {
        let refused = run("bash", &[&["packaging/try.sh"], package].concat());
        assert_eq!(refused.status.code(), Some(2), "{}", said(&refused));
        assert!(said(&refused).starts_with("usage: "), "{}", said(&refused));
    }
    let text = fs::read_to_string(at("packaging/try/machine.sh")).unwrap();
    for entry in fs::read_dir(at("packaging/systemd/drop-ins")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(text.contains(name.trim_end_matches(".conf")), "{name}");
    }
}

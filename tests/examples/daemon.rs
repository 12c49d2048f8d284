//! The rsync daemon as `docs/targets.md` sets one up, for the first manifest.

use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::documents::block;
use super::stage::Stage;
use super::*;
use crate::rig::process::Process;
use crate::rig::rsyncd::free_port;
use crate::rig::wait_for;

#[test]
fn the_daemon_of_the_page_takes_what_the_first_manifest_sends() {
    let mut stage = Stage::new();
    let (module, secrets, port) = (stage.at("srv"), stage.at("secrets"), free_port());
    fs::create_dir(&module).unwrap();
    fs::write(&secrets, "website:website\n").unwrap();
    fs::set_permissions(&secrets, fs::Permissions::from_mode(0o600)).unwrap();
    let text = block("docs/targets.md", "# uid and gid").text;
    for needed in ["/srv/website", "/etc/rsyncd.secrets", "[website]"] {
        assert_eq!(text.matches(needed).count(), 1, "{needed}");
    }
    let text = text
        .replace("/srv/website", module.to_str().unwrap())
        .replace("/etc/rsyncd.secrets", secrets.to_str().unwrap());
    let config = stage.at("rsyncd.conf");
    fs::write(
        &config,
        format!("address = 127.0.0.1\nport = {port}\n{text}"),
    )
    .unwrap();
    let mut command = Command::new("/usr/bin/rsync");
    command.args(["--daemon", "--no-detach"]);
    command.arg(format!("--config={}", config.display()));
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let _daemon = Process::spawn(&mut command);
    let listens = || TcpStream::connect((Ipv4Addr::LOCALHOST, port)).ok();
    wait_for(Duration::from_secs(30), listens).expect("the daemon listens");
    let here = format!("127.0.0.1:{port}");
    let manifest = read("examples/website.yaml")
        .text
        .replace("172.16.6.98", &here);
    stage.write("website.yaml", &manifest);
    stage.done("heliostat run --once website.yaml");
    let sent = fs::read_to_string(module.join("index.html")).unwrap();
    assert_eq!(sent, "index.html");
}

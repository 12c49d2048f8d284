//! How long it takes, for people: `cargo test --test all survey::speed -- --ignored --nocapture`. A busy machine makes
//! no test red.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::World;

/// The middle one of eleven.
fn median(run: impl Fn()) -> Duration {
    let mut times: Vec<_> = (0..11)
        .map(|_| {
            let began = Instant::now();
            run();
            began.elapsed()
        })
        .collect();
    times.sort();
    times[5]
}

#[test]
#[ignore = "a measurement"]
fn measure() {
    let mut world = World::new();
    for directory in 0..1_000 {
        let directory = world.at(&format!("d{directory:03}"));
        std::fs::create_dir(&directory).unwrap();
        for file in 0..100 {
            std::fs::write(directory.join(format!("file-{file}")), "x").unwrap();
        }
    }
    world.learn();
    let copy = world.scratch.path().join("copy");
    let rsync = |dry: bool| {
        let mut command = Command::new("rsync");
        command.arg("-a").args(dry.then_some("--dry-run"));
        let status = command
            .arg(world.source().join(""))
            .arg(&copy)
            .stdout(Stdio::null())
            .status();
        assert!(status.unwrap().success());
    };
    rsync(false);
    let theirs = median(|| rsync(true));
    let bytes: usize = world.rows.0.values().map(Vec::len).sum();
    println!(
        "100,000 files in 1,000 directories, {bytes} bytes of rows; rsync -a --dry-run {theirs:?}"
    );
    for threads in [1, 2, 4] {
        world.threads = threads;
        let ours = median(|| assert!(world.compare().1.is_empty()));
        let ratio = theirs.as_secs_f64() / ours.as_secs_f64();
        println!("{threads} threads: {ours:?}, {ratio:.1} times as fast");
    }
}

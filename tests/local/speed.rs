//! How long it takes, for people: `cargo test --test all local::speed -- --ignored --nocapture`. A busy machine makes
//! no test red.

use std::process::Command;
use std::time::{Duration, Instant};

use heliostat::engine::Verdict;
use heliostat::filter::Filter;
use heliostat::plan::Compare;
use heliostat::transfer::batch::{Act, Batch};
use heliostat::transfer::local::{self, Request};

use super::{World, batch, forest, p, pass};

/// The middle one of many runs.
fn median(runs: usize, prepare: impl Fn(usize), run: impl Fn()) -> Duration {
    let mut times: Vec<_> = (0..runs)
        .map(|at| {
            prepare(at);
            let began = Instant::now();
            run();
            began.elapsed()
        })
        .collect();
    times.sort();
    times[runs / 2]
}

#[test]
#[ignore = "a measurement"]
fn measure() {
    let world = World::new();
    for dir in 0..100 {
        let dir = world.source().join(format!("d{dir}"));
        std::fs::create_dir(&dir).unwrap();
        for file in 0..100 {
            std::fs::write(dir.join(format!("f{file}")), vec![b'x'; 1000]).unwrap();
        }
    }
    let rsync = |target: &str| {
        let began = Instant::now();
        let to = world.scratch.path().join(target);
        let from = world.source().join("");
        assert!(
            Command::new("rsync")
                .args(["-a", "--delete"])
                .arg(from)
                .arg(to)
                .status()
                .unwrap()
                .success()
        );
        began.elapsed()
    };
    let ours = || {
        let began = Instant::now();
        assert_eq!(world.pass().verdict, Verdict::Done);
        began.elapsed()
    };
    println!(
        "10,000 new files:  rsync {:?}, heliostat {:?}",
        rsync("other"),
        ours()
    );
    println!(
        "nothing to do:     rsync {:?}, heliostat {:?}",
        rsync("other"),
        ours()
    );

    // As in the service, where a route's filter is compiled once.
    let job = world.job();
    let filter = Filter::compile(&job.route.filter).unwrap();
    let (source, target) = (world.source(), world.target());
    let run = |batch: &Batch| {
        let request = Request {
            source_root: &source,
            target_root: &target,
            filter: &filter,
            batch,
            job: &job,
            tally: None,
            gate: None,
        };
        local::run(&request, &world.cancel, &world.progress)
    };
    let send = batch([(p("d50/f50"), Act::Send)]);
    let file = world.source().join("d50/f50");
    let change = |at: usize| std::fs::write(&file, format!("{at}")).unwrap();
    let changed = median(500, change, || assert_eq!(run(&send).stats.files, 1));
    println!("one changed file: {changed:?}");
    for size in [4 << 10, 1 << 20, 100 << 20] {
        std::fs::write(&file, vec![b'y'; size]).unwrap();
        run(&send);
        let runs = if size > 10 << 20 { 5 } else { 200 };
        let compared = median(runs, |_| (), || assert_eq!(run(&send).stats.bytes, 0));
        let touch = |at: usize| forest::set_time(&file, at as i64, 0);
        let rewritten = median(runs, touch, || {
            assert_eq!(run(&send).stats.bytes, size as u64)
        });
        println!(
            "{size} bytes, sent though in step: compared {compared:?}, rewritten {rewritten:?}"
        );
    }
    let began = Instant::now();
    run(&pass(Compare::Checksum, true));
    println!("checksum pass: {:?}", began.elapsed());
}

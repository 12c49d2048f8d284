//! `run --once`: every route brought in step, one time, then a summary.

use super::Failure;
use super::driver;
use super::runtime::{self, Options};
use super::world::World;
use crate::engine::status::{RouteStatus, State, Status};
use crate::engine::{Ask, Engine, Input, Reload, RequestId, Selector};
use crate::plan::{Compare, Plan, Sync};

/// A file that changes for ever is given up after so many transfers of its route.
const TRANSFERS_MAX: u64 = 20;

/// How a route came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Result {
    /// In step.
    InSync,
    /// Held, or paused.
    Held,
    /// Not in step.
    Failed,
}

/// The plan as one pass takes it: neither windows nor schedules keep anything back.
fn at_once(mut plan: Plan) -> Plan {
    for route in plan
        .sources
        .values_mut()
        .flat_map(|source| source.routes.values_mut())
    {
        route.sync = Sync::Live;
        route.windows.clear();
    }
    plan
}

/// Brings every route in step, whatever windows and schedules say. `show` sees the picture and what runs, often.
pub fn run(options: Options, mut show: impl FnMut(&World)) -> std::result::Result<Status, Failure> {
    runtime::block_on(async {
        let mut world = runtime::open(&options, None).await?;
        let mut engine = Engine::default();
        let sources = options.plan.sources.len();
        let reload = Reload {
            plan: at_once(options.plan),
            generation: 1,
            host: options.host,
            limits: options.limits,
            memory: world.remembered(),
            watched: false,
        };
        runtime::send(&mut engine, &mut world, Input::Reload(reload));
        let all = Ask::Rescan(Selector::default(), Compare::Quick);
        runtime::send(&mut engine, &mut world, Input::Ask(RequestId(0), all));
        driver::drive(&mut engine, &mut world, |engine, world| {
            show(world);
            let status = engine.status(driver::Shell::now(world));
            let told = status
                .sources
                .iter()
                .filter(|source| source.ready || source.waiting.is_some())
                .count();
            if told == sources && status.routes.iter().all(|route| settled(route).is_some()) {
                world.finish();
            }
        })
        .await;
        let status = engine.status(driver::Shell::now(&world));
        world.close().await;
        Ok(status)
    })
}

/// How a route came out, once it has.
pub fn settled(route: &RouteStatus) -> Option<Result> {
    match route.state {
        State::InSync => Some(Result::InSync),
        State::Held | State::Paused => Some(Result::Held),
        State::Failing | State::Retrying | State::Waiting => Some(Result::Failed),
        State::Starting | State::Sending | State::Pending | State::NotCompared => {
            (route.transfers > TRANSFERS_MAX).then_some(Result::Failed)
        }
    }
}

//! Reloads in the model: the manifest changes, and what it says is taken over at once.
//!
//! What the promises leave open is noted where it is made: what a target had where a filter protected it is not deleted
//! for the filter's sake, and what vanished where nobody looked is not known to have vanished.

use heliostat::plan::DeletePolicy;

use super::path::{Also, P};
use super::script::spec;
use super::world::World;

impl World {
    /// Other numbers.
    pub fn retune(&mut self, source: usize) {
        let source = self.plan.sources.values_mut().nth(source).unwrap();
        for route in source.routes.values_mut() {
            route.debounce.quiet_ms += 1;
        }
        self.retuned = true;
        self.reload();
    }

    /// Another filter, for every source and route.
    pub fn refilter(&mut self, also: Also) {
        let before = Also::now();
        also.set();
        let came_in = |path: &&P| path.is_excluded_by(before) && !path.is_excluded();
        for (target, setup) in self.targets.iter_mut().zip(&self.script.setup.routes) {
            if !target.tree.keys().any(|path| came_in(&path)) {
                continue;
            }
            // It was not compared while it was excluded, and now it is by size and time.
            self.quick[setup.source] = true;
            match setup.delete {
                DeletePolicy::Mirror => target.drifted = true,
                DeletePolicy::Propagate | DeletePolicy::Never => self.lossy[setup.source] = true,
            }
        }
        for source in self.plan.sources.values_mut() {
            source.filter = spec();
            for route in source.routes.values_mut() {
                route.filter = spec();
            }
        }
        for route in self.dropped.values_mut() {
            route.filter = spec();
        }
        // They were asked for under the other filter.
        self.waits.clear();
        self.reload();
    }

    /// A target shall be otherwise.
    pub fn resync(&mut self, route: usize) {
        let name = self.name(route);
        let source = self.plan.sources.get_mut(&name.source).unwrap();
        let plan = source.routes.get_mut(&name.target);
        if let Some(plan) = plan.or(self.dropped.get_mut(&route)) {
            plan.attributes.numeric_ids ^= true;
        }
        self.quick[self.script.setup.routes[route].source] = true;
        self.reload();
    }

    /// Another path, where the same is.
    pub fn rebuild(&mut self, source: usize) {
        let plan = self.plan.sources.values_mut().nth(source).unwrap();
        plan.path = match plan.path.strip_prefix("/source") {
            Some(rest) => format!("/elsewhere{rest}"),
            None => plan.path.replace("/elsewhere", "/source"),
        };
        // What vanishes before the new watch stands is not told.
        self.lossy[source] = true;
        self.quick[source] = true;
        self.reload();
    }

    /// A route goes, or comes back.
    pub fn drop_or_add(&mut self, route: usize) {
        let name = self.name(route);
        let source = self.plan.sources.get_mut(&name.source).unwrap();
        match self.dropped.remove(&route) {
            Some(plan) => drop(source.routes.insert(name.target, plan)),
            None => {
                let plan = source.routes.remove(&name.target).unwrap();
                self.dropped.insert(route, plan);
                self.held.remove(&route);
            }
        }
        let source = self.script.setup.routes[route].source;
        self.lossy[source] = true;
        self.quick[source] = true;
        // Nobody waits for a route that is gone, nor for what it missed.
        self.waits.clear();
        self.reload();
    }
}

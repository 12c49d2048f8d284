//! When surveys begin, and when they break off.

use std::time::Duration;

use super::census::{CensusDue, Surveying};
use super::checkpoint::{first_of, rows_key};
use super::core::Engine;
use super::input::Effect;
use super::{Now, Release, Survey, SurveyId, SurveyScope, Told};
use crate::plan::SourceName;

impl Engine {
    /// Surveys and saves what is due.
    pub(super) fn take_census(&mut self, now: Now, effects: &mut Vec<Effect>) {
        let names: Vec<SourceName> = self.sources.keys().cloned().collect();
        for name in names {
            let due = self.census_due(&name, now);
            if matches!(due, CensusDue::At(_) | CensusDue::Idle) {
                continue;
            }
            let id = SurveyId(self.next_id());
            let Some(source) = self.sources.get_mut(&name) else {
                continue;
            };
            let Some(report) = &source.report else {
                continue;
            };
            let key = rows_key(&source.plan, &report.root);
            let (scope, compare, release) = match due {
                CensusDue::Survey { scope, compare } => (scope, compare, None),
                CensusDue::Release(route) => (SurveyScope::Everything, true, Some(route)),
                CensusDue::Save => {
                    self.save(&name, effects);
                    continue;
                }
                CensusDue::At(_) | CensusDue::Idle => continue,
            };
            let told = source.census.begin(Surveying {
                id,
                scope: scope.clone(),
                compare,
                key,
                told: Told::default(),
                barrier: None,
                release: release.clone(),
                began: now.mono,
            });
            let survey = Survey {
                id,
                source: source.plan.clone(),
                root: report.root.clone(),
                scope,
                compare,
                told,
                release,
            };
            effects.push(Effect::Survey(Box::new(survey)));
        }
    }

    /// When the next survey is due.
    pub(super) fn census_deadline(&self, now: Now) -> Option<Duration> {
        self.sources
            .keys()
            .filter_map(|name| match self.census_due(name, now) {
                CensusDue::At(at) => Some(at),
                CensusDue::Survey { .. } | CensusDue::Release(_) | CensusDue::Save => {
                    Some(now.mono)
                }
                CensusDue::Idle => None,
            })
            .min()
    }

    fn census_due(&self, name: &SourceName, now: Now) -> CensusDue {
        let Some(source) = self.sources.get(name).filter(|source| source.is_ready()) else {
            return CensusDue::Idle;
        };
        let passes = self
            .routes
            .range(first_of(name)..)
            .take_while(|(route, _)| route.source == *name)
            .filter_map(|(_, route)| route.running.as_ref())
            .any(|running| running.load.pass.is_some());
        let release = self
            .routes
            .range(first_of(name)..)
            .take_while(|(route, _)| route.source == *name)
            .find_map(|(name, route)| {
                let parked = route.parked.filter(|parked| parked.asked)?;
                Some(Release {
                    route: name.clone(),
                    number: parked.number,
                })
            });
        source.census.due(now.mono, passes, release)
    }

    /// The wall clock was set back. A survey that takes facts as told because they are older than what was heard of them
    /// would take later ones for that.
    pub(super) fn set_back(&mut self, now: Now, effects: &mut Vec<Effect>) {
        let names: Vec<SourceName> = self.sources.keys().cloned().collect();
        for name in names {
            let Some(source) = self.sources.get_mut(&name) else {
                continue;
            };
            let survey = source.census.surveying();
            if survey.is_some_and(|survey| !survey.compare) {
                self.break_survey(&name, now, effects);
            }
            if let Some(source) = self.sources.get_mut(&name) {
                source.census.set_back();
            }
        }
    }

    /// The watch broke down under the survey that is under way, or the clock did.
    pub(super) fn break_survey(&mut self, name: &SourceName, now: Now, effects: &mut Vec<Effect>) {
        let Some(source) = self.sources.get_mut(name) else {
            return;
        };
        if let Some(survey) = source.census.abandon() {
            effects.push(Effect::ForgetSurvey(survey.id));
            let route = survey
                .release
                .as_ref()
                .and_then(|release| self.routes.get_mut(&release.route));
            if let Some(parked) = route.and_then(|route| route.parked.as_mut()) {
                parked.asked = false;
            }
            source.census.put_back(survey, now.mono);
        }
    }
}

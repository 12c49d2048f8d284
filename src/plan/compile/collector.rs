//! Where the compiler puts what it finds, and where it looks up places.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::Range;
use std::rc::Rc;
use std::sync::Arc;

use super::source::Part;
use crate::diagnostic::{Diagnostic, Place, Sources};
use crate::filter::Origin;
use crate::manifest::Manifest;

/// The diagnostics so far, with the texts that places point into.
pub(super) struct Collector<'a> {
    texts: &'a Sources,
    /// The offsets of the line breaks, by file: found once, because every pattern asks for its line.
    breaks: BTreeMap<Arc<str>, Vec<usize>>,
    /// Patterns that several sources or targets take from `defaults`.
    shared: HashSet<Place>,
    diagnostics: Vec<Diagnostic>,
    /// Sources that are the same on every host for which they were not lowered again, by the place of their name.
    parts: HashMap<Place, (Rc<Part>, Vec<Diagnostic>)>,
    /// What is wrong with filters, by the place of whose they are and their number of rules.
    filters: HashMap<(Place, usize), Vec<Diagnostic>>,
    pub counted: Counted,
}

/// What was done so far: with many hosts it must not be all of it for each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    /// Sources that were lowered.
    pub sources: usize,
    /// Filters that were compiled.
    pub filters: usize,
}

impl<'a> Collector<'a> {
    pub fn new(manifests: &[Manifest], texts: &'a Sources) -> Collector<'a> {
        let sources = || manifests.iter().flat_map(|manifest| &manifest.sources);
        let own = sources().flat_map(|source| {
            let include = source.options.include.iter().flatten();
            include.chain(&source.options.exclude)
        });
        let targets = sources().flat_map(|source| &source.targets);
        let mut seen = HashSet::new();
        let places = own
            .chain(targets.flat_map(|target| &target.options.exclude))
            .map(|pattern| &pattern.at);
        Collector {
            texts,
            breaks: BTreeMap::new(),
            shared: places
                .filter(|place| !seen.insert((*place).clone()))
                .cloned()
                .collect(),
            diagnostics: Vec::new(),
            parts: HashMap::new(),
            filters: HashMap::new(),
            counted: Counted::default(),
        }
    }

    /// How much was found so far: from here on something begins that is remembered with what is found in it.
    pub fn mark(&self) -> usize {
        self.diagnostics.len()
    }

    /// A source as it was lowered for another host; what was found then is found again.
    pub fn part(&mut self, name: &Place) -> Option<Rc<Part>> {
        let (part, found) = self.parts.get(name)?;
        self.diagnostics.extend(found.iter().cloned());
        Some(part.clone())
    }

    pub fn remember_part(&mut self, name: &Place, part: Rc<Part>, mark: usize) {
        let found = self.diagnostics[mark..].to_vec();
        self.parts.insert(name.clone(), (part, found));
    }

    /// Whether a filter is known; what was found is found again.
    pub fn knows_filter(&mut self, of: &Place, rules: usize) -> bool {
        let known = self.filters.get(&(of.clone(), rules));
        self.diagnostics
            .extend(known.into_iter().flatten().cloned());
        known.is_some()
    }

    pub fn remember_filter(&mut self, of: &Place, rules: usize, mark: usize) {
        let found = self.diagnostics[mark..].to_vec();
        self.filters.insert((of.clone(), rules), found);
        self.counted.filters += 1;
    }

    pub fn push(&mut self, diagnostic: Diagnostic) {
        self.diagnostics.push(diagnostic);
    }

    pub fn extend(&mut self, diagnostics: impl IntoIterator<Item = Diagnostic>) {
        self.diagnostics.extend(diagnostics);
    }

    /// Whether more than one source or target takes what is written there.
    pub fn shared(&self, place: &Place) -> bool {
        self.shared.contains(place)
    }

    /// Everything that was found, by file and place; what has no place comes last. Then it is empty again.
    pub fn finish(&mut self) -> Vec<Diagnostic> {
        let mut diagnostics = std::mem::take(&mut self.diagnostics);
        diagnostics.sort_by_key(|diagnostic| {
            diagnostic
                .place()
                .map_or((true, Arc::from(""), 0), |label| {
                    (false, label.file.clone(), label.span.start)
                })
        });
        diagnostics.dedup();
        diagnostics
    }

    /// The file and line of a place, for rules that name the line which made a verdict.
    pub fn origin(&mut self, place: &Place) -> Origin {
        let texts = self.texts;
        let breaks = self.breaks.entry(place.file.clone()).or_insert_with(|| {
            let text = texts.text(&place.file).unwrap_or_default();
            text.bytes()
                .enumerate()
                .filter(|(_, byte)| *byte == b'\n')
                .map(|(at, _)| at)
                .collect()
        });
        let line = breaks.partition_point(|at| *at < place.span.start) + 1;
        Origin {
            file: place.file.to_string(),
            line: u32::try_from(line).unwrap_or(u32::MAX),
        }
    }

    /// The place of a part of a value. Where the text is not the value (escapes, folded lines) it is the whole value's.
    pub fn within(&self, place: &Place, value: &str, part: Range<usize>) -> Place {
        let written = self
            .texts
            .text(&place.file)
            .and_then(|text| text.get(place.span.clone()));
        let shift = match written {
            Some(written) if written == value => 0,
            Some(written)
                if written.len() == value.len() + 2
                    && written.get(1..written.len() - 1) == Some(value) =>
            {
                1
            }
            _ => return place.clone(),
        };
        let start = place.span.start + shift;
        Place {
            file: place.file.clone(),
            span: start + part.start..start + part.end,
        }
    }
}

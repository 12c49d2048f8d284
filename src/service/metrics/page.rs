//! The samples of one moment.

use std::collections::BTreeMap;
use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::exemplar::Exemplar;

use super::table::{Kind, METRICS, Metric};
use super::tally::Durations;

/// A label's name and value.
type Labels = Vec<(&'static str, String)>;

/// No exemplars are given.
type NoExemplar<'a> = Option<&'a Exemplar<Labels, f64>>;

/// The samples of one moment, by metric.
#[derive(Debug, Default)]
pub struct Page(BTreeMap<&'static str, Vec<(Labels, Value)>>);

#[derive(Debug)]
enum Value {
    Number(f64),
    Count(u64),
    Durations(Durations),
}

impl Page {
    /// A gauge, or a counter that is no whole number.
    pub fn number(&mut self, metric: &Metric, labels: &[&str], value: f64) {
        self.put(metric, labels, Value::Number(value));
    }

    /// A whole number.
    pub fn count(&mut self, metric: &Metric, labels: &[&str], value: u64) {
        self.put(metric, labels, Value::Count(value));
    }

    /// A gauge that is 1 or 0.
    pub fn flag(&mut self, metric: &Metric, labels: &[&str], set: bool) {
        self.count(metric, labels, u64::from(set));
    }

    /// A histogram.
    pub fn durations(&mut self, metric: &Metric, labels: &[&str], value: Durations) {
        self.put(metric, labels, Value::Durations(value));
    }

    fn put(&mut self, metric: &Metric, values: &[&str], value: Value) {
        assert_eq!(metric.labels.len(), values.len(), "{}", metric.name);
        let values = values.iter().map(|value| (*value).to_owned());
        let labels = metric.labels.iter().copied().zip(values).collect();
        self.0.entry(metric.name).or_default().push((labels, value));
    }
}

impl Collector for Page {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), fmt::Error> {
        for metric in METRICS {
            let kind = match metric.kind {
                Kind::Gauge => MetricType::Gauge,
                Kind::Counter => MetricType::Counter,
                Kind::Histogram => MetricType::Histogram,
            };
            let mut family = encoder.encode_descriptor(metric.name, metric.help, None, kind)?;
            for (labels, value) in self.0.get(metric.name).into_iter().flatten() {
                match labels.is_empty() {
                    true => one(&mut family, metric.kind, value)?,
                    false => one(&mut family.encode_family(labels)?, metric.kind, value)?,
                }
            }
        }
        Ok(())
    }
}

fn one(encoder: &mut MetricEncoder, kind: Kind, value: &Value) -> Result<(), fmt::Error> {
    match (kind, value) {
        (Kind::Counter, Value::Count(count)) => encoder.encode_counter(count, None as NoExemplar),
        (Kind::Counter, Value::Number(number)) => {
            encoder.encode_counter(number, None as NoExemplar)
        }
        (_, Value::Count(count)) => encoder.encode_gauge(&(*count as f64)),
        (_, Value::Number(number)) => encoder.encode_gauge(number),
        (_, Value::Durations(durations)) => {
            let Durations { sum, buckets } = durations;
            let count = buckets.iter().map(|(_, count)| count).sum();
            encoder.encode_histogram::<Labels>(*sum, count, buckets, None)
        }
    }
}

//! Where counts are kept and how they are written for Prometheus; knows no metric by name.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use metrics::{
    Counter, Gauge, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder, SharedString, Unit,
};

/// All metrics of a process.
#[derive(Clone, Default)]
pub(super) struct Registry {
    families: Arc<Mutex<BTreeMap<String, Family>>>,
}

/// The metrics of one name.
#[derive(Default)]
struct Family {
    help: String,
    kind: Kind,
    /// By their labels as they are written, `link="pos",class="2"`.
    series: BTreeMap<String, Series>,
}

#[derive(Clone, Copy, Default)]
enum Kind {
    #[default]
    Counter,
    Gauge,
    Histogram,
}

enum Series {
    Counter(Arc<AtomicU64>),
    Gauge(Arc<AtomicU64>),
    Histogram(Arc<Buckets>),
}

/// How many durations were at most so long.
#[derive(Default)]
struct Buckets {
    counts: [AtomicU64; BOUNDS.len()],
    count: AtomicU64,
    nanoseconds: AtomicU64,
}

/// The bounds of every histogram of seconds, as they are written and as they are compared.
const BOUNDS: [(&str, Duration); 14] = [
    ("0.00005", Duration::from_micros(50)),
    ("0.0001", Duration::from_micros(100)),
    ("0.00025", Duration::from_micros(250)),
    ("0.0005", Duration::from_micros(500)),
    ("0.001", Duration::from_millis(1)),
    ("0.0025", Duration::from_micros(2_500)),
    ("0.005", Duration::from_millis(5)),
    ("0.01", Duration::from_millis(10)),
    ("0.025", Duration::from_millis(25)),
    ("0.05", Duration::from_millis(50)),
    ("0.1", Duration::from_millis(100)),
    ("0.5", Duration::from_millis(500)),
    ("1", Duration::from_secs(1)),
    ("10", Duration::from_secs(10)),
];

impl Registry {
    /// Everything in Prometheus' text format, in the order of the names.
    pub(super) fn render(&self) -> String {
        let mut page = Page(String::with_capacity(16 * 1024));
        for (name, family) in self.families().iter().filter(|(_, family)| !family.series.is_empty())
        {
            page.family(name, family);
        }
        page.0
    }

    fn families(&self) -> MutexGuard<'_, BTreeMap<String, Family>> {
        // A panic while it was held leaves counts behind, and counts are never half written.
        self.families.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn describe(&self, name: &KeyName, kind: Kind, help: &SharedString) {
        let mut families = self.families();
        let family = families.entry(name.as_str().to_owned()).or_default();
        (family.kind, family.help) = (kind, help.to_string());
    }

    /// The series of a key, begun if it is new.
    fn series<T>(
        &self,
        key: &Key,
        kind: Kind,
        begin: fn() -> Series,
        pick: fn(&Series) -> Option<T>,
    ) -> Option<T> {
        let mut families = self.families();
        let family = families.entry(key.name().to_owned()).or_default();
        if family.series.is_empty() {
            family.kind = kind;
        }
        pick(family.series.entry(labels(key)).or_insert_with(begin))
    }
}

impl Recorder for Registry {
    fn describe_counter(&self, name: KeyName, _: Option<Unit>, help: SharedString) {
        self.describe(&name, Kind::Counter, &help);
    }

    fn describe_gauge(&self, name: KeyName, _: Option<Unit>, help: SharedString) {
        self.describe(&name, Kind::Gauge, &help);
    }

    fn describe_histogram(&self, name: KeyName, _: Option<Unit>, help: SharedString) {
        self.describe(&name, Kind::Histogram, &help);
    }

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        let series =
            self.series(key, Kind::Counter, || Series::Counter(Arc::default()), Series::counter);
        series.map_or_else(Counter::noop, Counter::from_arc)
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        let series = self.series(key, Kind::Gauge, || Series::Gauge(Arc::default()), Series::gauge);
        series.map_or_else(Gauge::noop, Gauge::from_arc)
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        let begin = || Series::Histogram(Arc::default());
        let series = self.series(key, Kind::Histogram, begin, Series::histogram);
        series.map_or_else(Histogram::noop, Histogram::from_arc)
    }
}

impl Series {
    fn counter(&self) -> Option<Arc<AtomicU64>> {
        if let Self::Counter(count) = self { Some(Arc::clone(count)) } else { None }
    }

    fn gauge(&self) -> Option<Arc<AtomicU64>> {
        if let Self::Gauge(bits) = self { Some(Arc::clone(bits)) } else { None }
    }

    fn histogram(&self) -> Option<Arc<Buckets>> {
        if let Self::Histogram(buckets) = self { Some(Arc::clone(buckets)) } else { None }
    }
}

impl HistogramFn for Buckets {
    fn record(&self, seconds: f64) {
        // What is no duration (negative, or not a number) counts as none at all.
        let took = Duration::try_from_secs_f64(seconds).unwrap_or_default();
        if let Some(bucket) = self.counts.get(BOUNDS.partition_point(|(_, bound)| *bound < took)) {
            bucket.fetch_add(1, Ordering::Relaxed);
        }
        self.count.fetch_add(1, Ordering::Relaxed);
        self.nanoseconds
            .fetch_add(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }
}

impl Kind {
    const fn word(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// The page as it grows.
struct Page(String);

impl Page {
    fn family(&mut self, name: &str, family: &Family) {
        let help = family.help.replace('\\', "\\\\").replace('\n', "\\n");
        self.line(format_args!("# HELP {name} {help}"));
        self.line(format_args!("# TYPE {name} {}", family.kind.word()));
        for (labels, series) in &family.series {
            match series {
                Series::Counter(count) => {
                    self.sample(name, labels, format_args!("{}", count.load(Ordering::Relaxed)));
                }
                Series::Gauge(bits) => {
                    let value = f64::from_bits(bits.load(Ordering::Relaxed));
                    self.sample(name, labels, format_args!("{value}"));
                }
                Series::Histogram(buckets) => self.histogram(name, labels, buckets),
            }
        }
    }

    fn histogram(&mut self, name: &str, labels: &str, buckets: &Buckets) {
        let comma = if labels.is_empty() { "" } else { "," };
        let mut so_far = 0;
        for ((bound, _), count) in BOUNDS.iter().zip(&buckets.counts) {
            so_far += count.load(Ordering::Relaxed);
            self.line(format_args!("{name}_bucket{{{labels}{comma}le=\"{bound}\"}} {so_far}"));
        }
        // A record in between may have reached its bucket and not yet the count.
        let count = buckets.count.load(Ordering::Relaxed).max(so_far);
        self.line(format_args!("{name}_bucket{{{labels}{comma}le=\"+Inf\"}} {count}"));
        let sum = Duration::from_nanos(buckets.nanoseconds.load(Ordering::Relaxed));
        let sum = format!("{}.{:09}", sum.as_secs(), sum.subsec_nanos());
        self.sample(&format!("{name}_sum"), labels, format_args!("{sum}"));
        self.sample(&format!("{name}_count"), labels, format_args!("{count}"));
    }

    fn sample(&mut self, name: &str, labels: &str, value: fmt::Arguments<'_>) {
        if labels.is_empty() {
            self.line(format_args!("{name} {value}"));
        } else {
            self.line(format_args!("{name}{{{labels}}} {value}"));
        }
    }

    fn line(&mut self, text: fmt::Arguments<'_>) {
        if writeln!(self.0, "{text}").is_err() {
            // A String takes everything.
        }
    }
}

/// The labels of a key as Prometheus writes them, without braces.
fn labels(key: &Key) -> String {
    let mut text = String::new();
    for label in key.labels() {
        if !text.is_empty() {
            text.push(',');
        }
        text.push_str(label.key());
        text.push_str("=\"");
        for character in label.value().chars() {
            match character {
                '\\' => text.push_str("\\\\"),
                '"' => text.push_str("\\\""),
                '\n' => text.push_str("\\n"),
                other => text.push(other),
            }
        }
        text.push('"');
    }
    text
}

#[cfg(test)]
mod tests {
    use metrics::{Label, Level};

    use super::*;

    #[test]
    fn a_page() {
        let registry = Registry::default();
        let about = Metadata::new("", Level::INFO, None);
        registry.describe_counter("b_total".into(), None, "Counts.\nTwo lines.".into());
        let labels = vec![Label::new("link", "a\"b\\")];
        let counter =
            registry.register_counter(&Key::from_parts("b_total", labels.clone()), &about);
        counter.increment(2);
        registry.register_counter(&Key::from_parts("b_total", labels), &about).increment(1);
        registry.register_gauge(&Key::from_name("a_open"), &about).set(1.5);
        let commits = registry.register_histogram(&Key::from_name("c_seconds"), &about);
        for took in [Duration::from_micros(50), Duration::from_micros(51), Duration::from_secs(11)]
        {
            commits.record(took);
        }
        commits.record(-1.0);
        let page = registry.render();
        for line in [
            "# TYPE a_open gauge\na_open 1.5\n",
            "# HELP b_total Counts.\\nTwo lines.\n# TYPE b_total counter\nb_total{link=\"a\\\"b\\\\\"} 3\n",
            "c_seconds_bucket{le=\"0.00005\"} 2\nc_seconds_bucket{le=\"0.0001\"} 3\n",
            "c_seconds_bucket{le=\"10\"} 3\nc_seconds_bucket{le=\"+Inf\"} 4\nc_seconds_sum 11.000101000\nc_seconds_count 4\n",
        ] {
            assert!(page.contains(line), "{line}\nis not in\n{page}");
        }
    }
}

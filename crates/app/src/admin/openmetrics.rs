//! The metrics in the OpenMetrics text format, for scrapers that ask for it.

use std::fmt::{self, Write as _};

use prometheus::proto::{LabelPair, MetricFamily, MetricType};

/// Its media type.
pub(super) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Whether an `Accept` header asks for it.
pub(super) fn is_asked_for(accept: &str) -> bool {
    accept.split(',').any(|range| {
        let mut parts = range.split(';').map(str::trim);
        let is_ours = parts.next() == Some("application/openmetrics-text");
        is_ours && parts.all(|part| part != "q=0" && !part.starts_with("version=0.0.1"))
    })
}

/// All families, ended by `# EOF`.
///
/// OpenMetrics has counters end in `_total`, and a scraper renames them accordingly. ingress-nginx's names do not all
/// end so, and dashboards use them as they are: such counters are of type `unknown`, as Go's client writes them.
pub(super) fn encode(families: &[MetricFamily]) -> String {
    let mut text = String::new();
    for family in families {
        // Writing to a String cannot fail.
        let is_taken = |base: &str| families.iter().any(|other| other.name() == base);
        let base = family.name().strip_suffix("_total").filter(|base| !is_taken(base));
        let _ = encode_family(&mut text, family, base);
    }
    text.push_str("# EOF\n");
    text
}

/// `counter` is the name of a counter without `_total`, if it has one that is not another family's.
fn encode_family(out: &mut String, family: &MetricFamily, counter: Option<&str>) -> fmt::Result {
    let name = family.name();
    let (declared, kind) = match (family.get_field_type(), counter) {
        (MetricType::COUNTER, Some(base)) => (base, "counter"),
        (MetricType::COUNTER, None) | (MetricType::UNTYPED, _) => (name, "unknown"),
        (MetricType::GAUGE, _) => (name, "gauge"),
        (MetricType::HISTOGRAM, _) => (name, "histogram"),
        (MetricType::SUMMARY, _) => (name, "summary"),
    };
    writeln!(out, "# HELP {declared} {}", escaped(family.help()))?;
    writeln!(out, "# TYPE {declared} {kind}")?;
    for metric in family.get_metric() {
        let labels = metric.get_label();
        match family.get_field_type() {
            MetricType::COUNTER => sample(out, name, labels, None, metric.get_counter().get_value())?,
            MetricType::GAUGE => sample(out, name, labels, None, metric.get_gauge().get_value())?,
            MetricType::HISTOGRAM => {
                let histogram = metric.get_histogram();
                let count = histogram.get_sample_count() as f64;
                let bucket = format!("{name}_bucket");
                for bound in histogram.get_bucket() {
                    let le = number(bound.upper_bound());
                    sample(out, &bucket, labels, Some(("le", &le)), bound.cumulative_count() as f64)?;
                }
                sample(out, &bucket, labels, Some(("le", "+Inf")), count)?;
                sample(out, &format!("{name}_count"), labels, None, count)?;
                sample(out, &format!("{name}_sum"), labels, None, histogram.get_sample_sum())?;
            }
            MetricType::SUMMARY => {
                let summary = metric.get_summary();
                for quantile in summary.get_quantile() {
                    let rank = number(quantile.quantile());
                    sample(out, name, labels, Some(("quantile", &rank)), quantile.value())?;
                }
                sample(out, &format!("{name}_count"), labels, None, summary.sample_count() as f64)?;
                sample(out, &format!("{name}_sum"), labels, None, summary.sample_sum())?;
            }
            // We have none.
            MetricType::UNTYPED => {}
        }
    }
    Ok(())
}

fn sample(
    out: &mut String,
    name: &str,
    labels: &[LabelPair],
    more: Option<(&str, &str)>,
    value: f64,
) -> fmt::Result {
    out.push_str(name);
    let labels = labels.iter().map(|label| (label.name(), label.value())).chain(more);
    for (index, (name, value)) in labels.clone().enumerate() {
        write!(out, "{}{name}=\"{}\"", if index == 0 { '{' } else { ',' }, escaped(value))?;
    }
    if labels.count() > 0 {
        out.push('}');
    }
    writeln!(out, " {}", number(value))
}

fn number(value: f64) -> String {
    if value.is_infinite() {
        return if value > 0.0 { "+Inf".to_owned() } else { "-Inf".to_owned() };
    }
    let text = value.to_string();
    // The format's canonical numbers are floats; a bound `1` and a bound `1.0` would be two series.
    if text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-') { format!("{text}.0") } else { text }
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('\n', "\\n").replace('"', "\\\"")
}

#[cfg(test)]
mod tests {
    use prometheus::core::Collector as _;
    use prometheus::{Histogram, HistogramOpts, IntCounter, IntGauge};

    use super::*;

    fn families() -> Vec<MetricFamily> {
        let counter = |name: &str| IntCounter::new(name, "Things \"done\"").expect("a valid name");
        let (total, bare) = (counter("done_total"), counter("requests"));
        let shadowed = counter("now_total");
        total.inc_by(2);
        bare.inc();
        let gauge = IntGauge::new("now", "Things now").expect("a valid name");
        let options =
            HistogramOpts::new("took", "Seconds").buckets(vec![0.5, 1.0]).const_label("path", "/a\"b");
        let histogram = Histogram::with_opts(options).expect("valid options");
        histogram.observe(0.7);
        [total.collect(), bare.collect(), shadowed.collect(), gauge.collect(), histogram.collect()].concat()
    }

    #[test]
    fn a_counter_that_does_not_end_in_total_keeps_its_name() {
        let expected = "# HELP done Things \\\"done\\\"
# TYPE done counter
done_total 2.0
# HELP requests Things \\\"done\\\"
# TYPE requests unknown
requests 1.0
# HELP now_total Things \\\"done\\\"
# TYPE now_total unknown
now_total 0.0
# HELP now Things now
# TYPE now gauge
now 0.0
# HELP took Seconds
# TYPE took histogram
took_bucket{path=\"/a\\\"b\",le=\"0.5\"} 0.0
took_bucket{path=\"/a\\\"b\",le=\"1.0\"} 1.0
took_bucket{path=\"/a\\\"b\",le=\"+Inf\"} 1.0
took_count{path=\"/a\\\"b\"} 1.0
took_sum{path=\"/a\\\"b\"} 0.7
# EOF
";
        assert_eq!(encode(&families()), expected);
    }

    #[test]
    fn only_who_asks_for_it_gets_it() {
        assert!(is_asked_for(
            "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.2"
        ));
        assert!(is_asked_for("application/openmetrics-text; version=1.0.0; charset=utf-8"));
        for accept in ["", "*/*", "text/plain", "application/openmetrics-text;q=0"] {
            assert!(!is_asked_for(accept), "{accept}");
        }
    }
}

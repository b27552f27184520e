//! `jamul top`: what each route answers, refreshed until Ctrl-C.

use std::io::IsTerminal as _;
use std::time::{Duration, Instant};

use crate::admin::traffic::{RouteTraffic, Traffic};
use crate::admin_client::{AdminClient, block_on};
use crate::cli::{Output, TopArgs};
use crate::output;
use crate::signals::Interrupts;

/// Prints the table at each refresh; on a terminal in the same place.
///
/// # Errors
/// The process cannot be reached (any more).
pub(crate) fn top(args: &TopArgs) -> anyhow::Result<()> {
    block_on(async {
        let client = AdminClient::new(&args.admin)?;
        let mut interrupts = Interrupts::new()?;
        let mut before: Option<(Instant, Traffic)> = None;
        loop {
            let traffic: Traffic = tokio::select! {
                traffic = client.get("/api/traffic") => traffic?,
                () = interrupts.next() => return Ok(()),
            };
            let now = Instant::now();
            let earlier = before.as_ref().map(|(then, traffic)| (now.duration_since(*then), traffic));
            let rows = rows(earlier, &traffic);
            match args.output {
                Output::Table if std::io::stdout().is_terminal() => {
                    // Home and clear: the next table takes the place of this one.
                    output::lines(&format!("\u{1b}[H\u{1b}[2J{}\n", table(&rows)))?;
                }
                Output::Table => output::lines(&format!("{}\n\n", table(&rows)))?,
                Output::Json | Output::Yaml => output::print(args.output, &rows, |_| String::new())?,
            }
            before = Some((now, traffic));
            tokio::select! {
                () = tokio::time::sleep(args.interval) => {}
                () = interrupts.next() => return Ok(()),
            }
        }
    })
}

/// One route since the last refresh.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    ingress: String,
    host: Option<String>,
    path: String,
    service: String,
    /// Per second; `null` at the first refresh.
    rate: Option<f64>,
    /// Part of them answered with 4xx and with 5xx, 0 to 1.
    client_errors: Option<f64>,
    server_errors: Option<f64>,
    /// Seconds within which a half and 99 of 100 are answered.
    p50: Option<f64>,
    p99: Option<f64>,
    /// Since the start.
    requests: u64,
}

/// The busiest first.
fn rows(before: Option<(Duration, &Traffic)>, after: &Traffic) -> Vec<Row> {
    let mut rows: Vec<Row> = after
        .routes
        .iter()
        .map(|route| {
            let earlier = before.map(|(elapsed, traffic)| {
                let earlier = traffic.routes.iter().find(|earlier| is_same(earlier, route));
                (elapsed, earlier.cloned().unwrap_or_default())
            });
            row(route, earlier.as_ref())
        })
        .collect();
    rows.sort_by(|one, other| {
        let busy = |row: &Row| (row.rate.unwrap_or(0.0), row.requests as f64);
        busy(other).partial_cmp(&busy(one)).unwrap_or(std::cmp::Ordering::Equal)
    });
    rows
}

fn is_same(one: &RouteTraffic, other: &RouteTraffic) -> bool {
    let key = |route: &RouteTraffic| {
        (route.ingress.clone(), route.host.clone(), route.path.clone(), route.service.clone())
    };
    key(one) == key(other)
}

fn row(route: &RouteTraffic, before: Option<&(Duration, RouteTraffic)>) -> Row {
    let mut row = Row {
        ingress: route.ingress.clone(),
        host: route.host.clone(),
        path: route.path.clone(),
        service: route.service.clone(),
        rate: None,
        client_errors: None,
        server_errors: None,
        p50: None,
        p99: None,
        requests: route.requests,
    };
    let Some((elapsed, before)) = before else { return row };
    // A process that was restarted counts from nothing again.
    let count = route.requests.saturating_sub(before.requests);
    row.rate = Some(count as f64 / elapsed.as_secs_f64().max(f64::MIN_POSITIVE));
    if count == 0 {
        return row;
    }
    let part = |class: usize| {
        let of = |route: &RouteTraffic| route.by_class.get(class).copied().unwrap_or_default();
        Some(of(route).saturating_sub(of(before)) as f64 / count as f64)
    };
    (row.client_errors, row.server_errors) = (part(3), part(4));
    let buckets: Vec<(f64, u64)> = route
        .buckets
        .iter()
        .enumerate()
        .map(|(index, (bound, total))| {
            let earlier = before.buckets.get(index).map_or(0, |(_, total)| *total);
            (*bound, total.saturating_sub(earlier))
        })
        .collect();
    (row.p50, row.p99) = (quantile(0.5, &buckets, count), quantile(0.99, &buckets, count));
    row
}

/// As Prometheus' `histogram_quantile`: linear within a bucket; beyond the last bound, that bound.
fn quantile(part: f64, buckets: &[(f64, u64)], count: u64) -> Option<f64> {
    let wanted = part * count as f64;
    let (mut lower, mut below) = (0.0, 0.0);
    for (bound, total) in buckets {
        let total = *total as f64;
        if total >= wanted && total > below {
            return Some(lower + (bound - lower) * (wanted - below) / (total - below));
        }
        (lower, below) = (*bound, total);
    }
    buckets.last().map(|(bound, _)| *bound)
}

fn table(rows: &[Row]) -> String {
    let columns = ["INGRESS", "HOST", "PATH", "SERVICE", "REQ/S", "4XX", "5XX", "P50", "P99", "TOTAL"];
    let mut table = output::table(&columns);
    for row in rows {
        let none = || "-".to_owned();
        let percent = |part: Option<f64>| part.map_or_else(none, |part| format!("{:.1} %", part * 100.0));
        let time =
            |seconds: Option<f64>| seconds.map_or_else(none, |seconds| format!("{:.0} ms", seconds * 1e3));
        table.add_row([
            row.ingress.clone(),
            row.host.clone().unwrap_or_else(none),
            row.path.clone(),
            row.service.clone(),
            row.rate.map_or_else(none, |rate| format!("{rate:.1}")),
            percent(row.client_errors),
            percent(row.server_errors),
            time(row.p50),
            time(row.p99),
            row.requests.to_string(),
        ]);
    }
    output::text(&table)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(path: &str, requests: u64, failed: u64, buckets: [u64; 2]) -> RouteTraffic {
        RouteTraffic {
            ingress: "default/web".to_owned(),
            path: path.to_owned(),
            service: "web".to_owned(),
            requests,
            by_class: [0, requests - failed, 0, 0, failed],
            buckets: vec![(0.1, buckets[0]), (1.0, buckets[1])],
            ..RouteTraffic::default()
        }
    }

    #[test]
    fn the_first_refresh_knows_totals_only() {
        let traffic = Traffic { routes: vec![route("/", 3, 0, [3, 3])] };
        let rows = rows(None, &traffic);
        let row = rows.first().expect("one route");
        assert_eq!((row.requests, row.rate, row.p50), (3, None, None));
    }

    #[test]
    fn later_ones_tell_what_happened_since_and_the_busiest_route_first() {
        let before = Traffic { routes: vec![route("/", 10, 0, [10, 10])] };
        let after = Traffic { routes: vec![route("/", 12, 1, [11, 12]), route("/new", 40, 0, [40, 40])] };
        let rows = rows(Some((Duration::from_secs(2), &before)), &after);
        let paths: Vec<_> = rows.iter().map(|row| (row.path.as_str(), row.rate)).collect();
        assert_eq!(paths, [("/new", Some(20.0)), ("/", Some(1.0))]);
        let slow = rows.last().expect("two routes");
        assert_eq!((slow.server_errors, slow.p50), (Some(0.5), Some(0.1)));
        assert!(slow.p99.is_some_and(|p99| p99 > 0.9 && p99 < 1.0), "{slow:?}");
    }

    #[test]
    fn a_quantile_lies_within_its_bucket() {
        assert_eq!(quantile(0.5, &[(0.1, 0), (1.0, 10)], 10), Some(0.55));
        assert_eq!(quantile(0.99, &[(0.1, 0), (1.0, 0)], 10), Some(1.0));
        assert_eq!(quantile(0.5, &[], 10), None);
    }
}

//! `nginx_process_*` of this process, from `/proc` (Linux).

use std::fs;

use jamul_proxy::metrics::families::{counter, family, gauge};
use prometheus::proto::{MetricFamily, MetricType};

/// Ticks of a second in `/proc/self/stat` (`USER_HZ`, the same on every architecture that we run on).
const TICKS: f64 = 100.0;

/// What can be read of the process; nothing where there is no `/proc`.
pub(super) fn families() -> Vec<MetricFamily> {
    let read = |file| fs::read_to_string(file).unwrap_or_default();
    from(&read("/proc/self/stat"), &read("/proc/self/status"), &read("/proc/self/io"), &read("/proc/stat"))
}

fn from(own: &str, status: &str, io: &str, machine: &str) -> Vec<MetricFamily> {
    // The name in parentheses may hold anything; what follows it is numbers, of which the first is field 3.
    let fields: Vec<&str> =
        own.rsplit_once(')').map_or(Vec::new(), |(_, rest)| rest.split_whitespace().collect());
    let field = |number: usize| fields.get(number - 3).and_then(|text| text.parse::<f64>().ok());
    let cpu = field(14).zip(field(15)).map(|(user, system)| (user + system) / TICKS);
    let boot = value(machine, "btime");
    let start = field(22).zip(boot).map(|(ticks, boot)| ticks / TICKS + boot);
    let bytes = |name| value(status, name).map(|kibibytes| kibibytes * 1024.0);
    let total = |name, help, value: Option<f64>| {
        value.map(|value| family(name, help, MetricType::COUNTER, vec![counter(Vec::new(), value)]))
    };
    let now = |name, help, value: Option<f64>| {
        value.map(|value| family(name, help, MetricType::GAUGE, vec![gauge(Vec::new(), value)]))
    };
    let families = [
        now("nginx_process_num_procs", "number of processes", Some(1.0)),
        total("nginx_process_cpu_seconds_total", "Cpu usage in seconds", cpu),
        total("nginx_process_read_bytes_total", "number of bytes read", value(io, "read_bytes:")),
        total("nginx_process_write_bytes_total", "number of bytes written", value(io, "write_bytes:")),
        now("nginx_process_resident_memory_bytes", "number of bytes of memory in use", bytes("VmRSS:")),
        now("nginx_process_virtual_memory_bytes", "number of bytes of memory in use", bytes("VmSize:")),
        now("nginx_process_oldest_start_time_seconds", "start time in seconds since 1970/01/01", start),
    ];
    families.into_iter().flatten().collect()
}

/// The number behind `name` at the beginning of a line.
fn value(text: &str, name: &str) -> Option<f64> {
    let rest = text.lines().find_map(|line| line.strip_prefix(name))?;
    rest.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stand_where_proc_puts_them() {
        let own = "7 (ja (mul)) S 1 7 7 0 -1 4194304 1 2 3 4 150 50 0 0 20 0 4 0 1000 1 2";
        let status = "Name:\tjamul\nVmSize:\t    2048 kB\nVmRSS:\t    1024 kB\n";
        let io = "rchar: 9\nread_bytes: 4096\nwrite_bytes: 8192\n";
        let families = from(own, status, io, "cpu 1 2\nbtime 1700000000\n");
        let found = families.iter().map(|family| {
            let metric = family.get_metric().first().expect("one value");
            let value = metric.get_gauge().get_value() + metric.get_counter().get_value();
            (family.name().trim_start_matches("nginx_ingress_controller_nginx_process_"), value)
        });
        let expected = [
            ("num_procs", 1.0),
            ("cpu_seconds_total", 2.0),
            ("read_bytes_total", 4096.0),
            ("write_bytes_total", 8192.0),
            ("resident_memory_bytes", 1_048_576.0),
            ("virtual_memory_bytes", 2_097_152.0),
            ("oldest_start_time_seconds", 1_700_000_010.0),
        ];
        assert_eq!(found.collect::<Vec<_>>(), expected);
    }
}

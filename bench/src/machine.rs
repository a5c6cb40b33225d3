//! The machine, and what processes use of it.

use std::{fs, path::Path, process, time::Duration};

use rustix::thread::{CpuSet, Pid, sched_getaffinity, sched_setaffinity};

use crate::{Failure, table::Table};

/// Cores that this process may use.
fn cores() -> Vec<usize> {
    let set = sched_getaffinity(None::<Pid>);
    let cores = set.map(|set| (0..CpuSet::MAX_CPU).filter(|core| set.is_set(*core)).collect());
    cores.unwrap_or_else(|_| vec![0])
}

/// The cores of the redeemer, and those of the load generator: half each, and the same one when there is only one.
pub(crate) fn share_of_cores() -> (Vec<usize>, Vec<usize>) {
    let all = cores();
    if all.len() < 2 {
        return (all.clone(), all);
    }
    let (redeemer, generator) = all.split_at(all.len() / 2);
    (redeemer.to_vec(), generator.to_vec())
}

/// Keeps this thread, and those that it will start, on these cores.
pub(crate) fn stay_on(cores: &[usize]) -> Result<(), Failure> {
    let mut set = CpuSet::new();
    cores.iter().for_each(|core| set.set(*core));
    Ok(sched_setaffinity(None, &set)?)
}

/// What a process has used of the processor so far.
pub(crate) fn processor_time(pid: u32) -> Result<Duration, Failure> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The name, in parentheses, may contain anything; utime and stime are the 12th and 13th fields after it.
    let after = stat.rsplit_once(')').ok_or("no process")?.1;
    let ticks: u64 = after.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    Ok(Duration::from_millis(ticks * 1_000 / rustix::param::clock_ticks_per_second().max(1)))
}

/// This process.
pub(crate) fn own_processor_time() -> Result<Duration, Failure> {
    processor_time(process::id())
}

/// Memory that a process holds, in MiB.
pub(crate) fn memory_mib(pid: u32) -> Result<f64, Failure> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
    let kib: f64 = line.trim().trim_end_matches("kB").trim().parse()?;
    Ok(kib / 1024.0)
}

/// What the files in a folder hold, in MiB.
pub(crate) fn disk_mib(dir: &Path) -> f64 {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let sizes = entries.map(|entry| match entry.metadata() {
        Ok(metadata) if metadata.is_dir() => disk_mib(&entry.path()),
        Ok(metadata) => metadata.len() as f64 / 1_048_576.0,
        Err(_) => 0.0,
    });
    sizes.sum()
}

/// Writes what the figures depend on over the table.
pub(crate) fn describe(table: &mut Table) {
    let model = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let field = |name: &str| {
        let line = model.lines().find(|line| line.starts_with(name));
        line.and_then(|line| line.split_once(':')).map_or("unknown", |(_, value)| value.trim()).to_owned()
    };
    table.machine("processor", &field("model name"));
    let has_ifma = field("flags").split(' ').any(|flag| flag == "avx512ifma");
    table.machine("AVX-512 IFMA", if has_ifma { "yes" } else { "no" });
    table.machine("cores", &cores().len().to_string());
    let rustc = process::Command::new("rustc").arg("--version").output();
    let rustc = rustc.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    table.machine("compiler", &rustc.unwrap_or_else(|_| "unknown".to_owned()));
    let backend = if cfg!(curve25519_dalek_backend = "avx512") { "AVX-512 where it is there" } else { "default" };
    table.machine("curve backend", backend);
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    table.machine("load average at the start", load.split(' ').next().unwrap_or("unknown"));
}

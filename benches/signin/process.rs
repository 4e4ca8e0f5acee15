//! What the system says of a process: CPU it was charged, memory it holds.

use std::fs;
use std::process::{Child, Command, Stdio};

/// A server that ends with the benchmark.
pub(crate) struct Server {
    pub(crate) child: Child,
}

impl Server {
    pub(crate) fn start(command: &mut Command) -> Self {
        let child = command.stdin(Stdio::null()).spawn();
        Self { child: child.unwrap_or_else(|error| panic!("{command:?} does not start ({error}); run `make tools`")) }
    }

    pub(crate) fn pid(&self) -> String {
        self.child.id().to_string()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // An error means that it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The CPU that all threads of a process were charged, to the nanosecond where the kernel tells.
pub(crate) fn cpu_nanos(pid: &str) -> f64 {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).expect("the process lives");
    tasks
        .filter_map(|task| fs::read_to_string(task.ok()?.path().join("schedstat")).ok())
        .filter_map(|line| line.split_whitespace().next()?.parse::<f64>().ok())
        .sum()
}

/// The memory of a process that is in RAM, in KiB.
pub(crate) fn resident_kib(pid: &str) -> u32 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("the process lives");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("the kernel tells VmRSS");
    line.trim().trim_end_matches("kB").trim().parse().expect("VmRSS is a number")
}

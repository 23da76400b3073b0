//! The limits of the container around this process, by its control groups.
//!
//! Version 2 of the kernel's control groups, where the tightest limit on the way up counts
//! (`Documentation/admin-guide/cgroup-v2.rst`); under version 1, what the memory controller says.

use std::path::{Path, PathBuf};

/// Groups on the way up; real ones lie five or six deep.
const DEPTH_MAX: usize = 32;

/// What was found; none where there is no limit, or nothing to read.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Container {
    pub(super) memory_bytes: Option<i64>,
    pub(super) memory_max_bytes: Option<i64>,
    /// Processors' worth of time.
    pub(super) cpus_max: Option<f64>,
    /// How long it was held back by that limit.
    pub(super) throttled_s: Option<f64>,
}

/// Looks below a root.
pub(super) fn look(root: &Path) -> Container {
    let groups = root.join("sys/fs/cgroup");
    let Ok(own) = std::fs::read_to_string(root.join("proc/self/cgroup")) else { return Container::default() };
    let path_of = |prefix: &str| own.lines().find_map(|line| line.strip_prefix(prefix));
    if groups.join("cgroup.controllers").is_file() {
        // Seen from inside a container the path may be that of the host; then the root is ours.
        return path_of("0::").map(|path| version_2(&groups, path)).unwrap_or_default();
    }
    let memory = own.lines().find_map(|line| {
        let (_, rest) = line.split_once(':')?;
        let (controllers, path) = rest.split_once(':')?;
        controllers.split(',').any(|name| name == "memory").then_some(path)
    });
    memory.map(|path| version_1(&groups.join("memory"), path)).unwrap_or_default()
}

fn below(base: &Path, path: &str) -> PathBuf {
    let own = base.join(path.trim_start_matches('/'));
    if !path.contains("..") && own.is_dir() { own } else { base.to_path_buf() }
}

fn version_2(base: &Path, path: &str) -> Container {
    let own = below(base, path);
    let mut res = Container { memory_bytes: number(&own.join("memory.current")), ..Container::default() };
    let throttled = std::fs::read_to_string(own.join("cpu.stat")).ok();
    let throttled = throttled.as_deref().and_then(|text| {
        text.lines().find_map(|line| line.strip_prefix("throttled_usec "))?.trim().parse::<f64>().ok()
    });
    res.throttled_s = throttled.map(|usec| usec / 1e6);
    let mut place = Some(own.as_path());
    for _ in 0..DEPTH_MAX {
        let Some(group) = place.filter(|group| group.starts_with(base)) else { break };
        if let Some(max) = number(&group.join("memory.max")) {
            // What counts against a limit is all that shares it, not our own group alone.
            if res.memory_max_bytes.is_none_or(|known| max < known) {
                res.memory_max_bytes = Some(max);
                res.memory_bytes = number(&group.join("memory.current")).or(res.memory_bytes);
            }
        }
        if let Some(max) = cpus(&group.join("cpu.max")) {
            res.cpus_max = Some(res.cpus_max.map_or(max, |known: f64| known.min(max)));
        }
        place = group.parent();
    }
    res
}

fn version_1(base: &Path, path: &str) -> Container {
    let own = below(base, path);
    Container {
        memory_bytes: number(&own.join("memory.usage_in_bytes")),
        // Without a limit the kernel writes the highest multiple of a page.
        memory_max_bytes: number(&own.join("memory.limit_in_bytes")).filter(|max| *max < i64::MAX / 2),
        ..Container::default()
    }
}

/// `max` is no number, and no limit.
fn number(path: &Path) -> Option<i64> {
    std::fs::read_to_string(path).ok()?.trim().parse().ok()
}

/// `200000 100000`: microseconds of processor time in each period of so many.
fn cpus(path: &Path) -> Option<f64> {
    let text = std::fs::read_to_string(path).ok()?;
    let (quota, period) = text.trim().split_once(' ')?;
    let (quota, period): (f64, f64) = (quota.parse().ok()?, period.parse().ok()?);
    (period > 0.0).then_some(quota / period)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = root.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        root
    }

    #[test]
    fn the_tightest_limit_on_the_way_up_counts() {
        let root = machine(&[
            ("proc/self/cgroup", "0::/system.slice/vitrine.service\n"),
            ("sys/fs/cgroup/cgroup.controllers", "cpu memory\n"),
            ("sys/fs/cgroup/system.slice/memory.max", "536870912\n"),
            ("sys/fs/cgroup/system.slice/memory.current", "2097152\n"),
            ("sys/fs/cgroup/system.slice/cpu.max", "50000 100000\n"),
            ("sys/fs/cgroup/system.slice/vitrine.service/memory.max", "max\n"),
            ("sys/fs/cgroup/system.slice/vitrine.service/memory.current", "1048576\n"),
            ("sys/fs/cgroup/system.slice/vitrine.service/cpu.max", "max 100000\n"),
            ("sys/fs/cgroup/system.slice/vitrine.service/cpu.stat", "usage_usec 5\nthrottled_usec 2500000\n"),
        ]);
        let expect = Container {
            memory_bytes: Some(2 << 20),
            memory_max_bytes: Some(512 << 20),
            cpus_max: Some(0.5),
            throttled_s: Some(2.5),
        };
        assert_eq!(look(root.path()), expect);
    }

    #[test]
    fn a_container_sees_its_own_group_as_the_root() {
        let root = machine(&[
            ("proc/self/cgroup", "0::/../../docker/abc\n"),
            ("sys/fs/cgroup/cgroup.controllers", "memory\n"),
            ("sys/fs/cgroup/memory.max", "67108864\n"),
        ]);
        assert_eq!(look(root.path()).memory_max_bytes, Some(64 << 20));
    }

    #[test]
    fn version_1_and_nothing_at_all() {
        let root = machine(&[
            ("proc/self/cgroup", "5:devices:/\n4:memory:/docker/abc\n0::/\n"),
            ("sys/fs/cgroup/memory/docker/abc/memory.usage_in_bytes", "4096\n"),
            ("sys/fs/cgroup/memory/docker/abc/memory.limit_in_bytes", "9223372036854771712\n"),
        ]);
        let expect = Container { memory_bytes: Some(4_096), ..Container::default() };
        assert_eq!(look(root.path()), expect);
        assert_eq!(look(machine(&[]).path()), Container::default());
    }
}

//! One look at `/proc`, `/sys` and the file systems.

use std::fmt::Display;
use std::path::{Path, PathBuf};

use procfs::net::InterfaceDeviceStatus;
use procfs::process::MountInfos;
use procfs::{
    CpuTime, DiskStat, DiskStats, FromRead, FromReadSI, KernelStats, LoadAverage, LocalSystemInfo, Meminfo,
    Uptime,
};

use super::DEVICES_MAX;
use super::container::{self, Container};

/// `/proc/diskstats` counts in these, whatever the device's own are.
const SECTOR_BYTES: u64 = 512;

/// Devices that are no disk of their own: what they do is done by one below them.
const NO_DISKS: &[&str] = &["loop", "ram", "zram", "dm-", "md", "sr", "fd"];

/// Interfaces that lead nowhere outside, or to this machine's own containers.
const NO_LINKS: &[&str] = &["veth", "docker", "br-", "virbr", "ifb", "dummy", "cali", "flannel", "cni"];

/// What was found; empty or none where nothing was.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Reading {
    pub(super) cpu_s: Vec<(&'static str, f64)>,
    pub(super) n_cpus: Option<i64>,
    /// Over 1, 5 and 15 minutes.
    pub(super) load: Option<[f64; 3]>,
    pub(super) uptime_s: Option<f64>,
    pub(super) n_fds: Option<i64>,
    pub(super) n_fds_max: Option<i64>,
    pub(super) memory_bytes: Vec<(&'static str, i64)>,
    pub(super) memory_total_bytes: Option<i64>,
    pub(super) swap_bytes: Vec<(&'static str, i64)>,
    pub(super) filesystems: Vec<FileSystem>,
    pub(super) disks: Vec<Disk>,
    pub(super) links: Vec<Link>,
    pub(super) container: Container,
}

/// A mounted file system.
#[derive(Debug, PartialEq)]
pub(super) struct FileSystem {
    pub(super) mountpoint: String,
    /// Used, free for us, and kept back for root.
    pub(super) bytes: [(&'static str, i64); 3],
    pub(super) total_bytes: i64,
}

/// A disk since the machine's start.
#[derive(Debug, PartialEq)]
pub(super) struct Disk {
    pub(super) name: String,
    pub(super) read_bytes: u64,
    pub(super) written_bytes: u64,
    pub(super) n_reads: u64,
    pub(super) n_writes: u64,
    pub(super) busy_s: f64,
}

/// A network interface since the machine's start; received first, sent second.
#[derive(Debug, PartialEq)]
pub(super) struct Link {
    pub(super) name: String,
    pub(super) bytes: [u64; 2],
    pub(super) n_errors: [u64; 2],
    pub(super) n_dropped: [u64; 2],
}

/// Looks below a root; the second value names what could not be read.
pub(super) fn look(root: &Path, watched: &[PathBuf]) -> (Reading, Vec<String>) {
    let proc = root.join("proc");
    let mut gaps = Vec::new();
    let mut res = Reading { container: container::look(root), ..Reading::default() };
    if let Some(stat) = noted(KernelStats::from_file(proc.join("stat"), &LocalSystemInfo), &mut gaps) {
        res.cpu_s = cpu_seconds(&stat.total);
        res.n_cpus = i64::try_from(stat.cpu_time.len()).ok();
    }
    if let Some(load) = noted(LoadAverage::from_file(proc.join("loadavg")), &mut gaps) {
        // The kernel writes two decimals, which a wider number would show as many more.
        res.load =
            Some([load.one, load.five, load.fifteen].map(|load| (f64::from(load) * 100.0).round() / 100.0));
    }
    if let Some(uptime) = noted(Uptime::from_file(proc.join("uptime")), &mut gaps) {
        res.uptime_s = Some(uptime.uptime);
    }
    if let Some(memory) = noted(Meminfo::from_file(proc.join("meminfo")), &mut gaps) {
        note_memory(&memory, &mut res);
    }
    if let Some(disks) = noted(DiskStats::from_file(proc.join("diskstats")), &mut gaps) {
        res.disks = whole_disks(disks.0, &root.join("sys/block"));
    }
    if let Some(links) = noted(InterfaceDeviceStatus::from_file(proc.join("net/dev")), &mut gaps) {
        res.links = outside_links(links);
    }
    if let Some(text) = noted(std::fs::read_to_string(proc.join("sys/fs/file-nr")), &mut gaps) {
        // In use, free (always zero since Linux 2.6), the most that there may be.
        let mut numbers = text.split_whitespace().map(|number| number.parse().ok());
        res.n_fds = numbers.next().flatten();
        // Without a limit the kernel writes the highest number there is, which says nothing.
        res.n_fds_max = numbers.nth(1).flatten().filter(|max| *max < i64::MAX);
    }
    if let Some(mounts) = noted(MountInfos::from_file(proc.join("self/mountinfo")), &mut gaps) {
        let mounts: Vec<PathBuf> = mounts.0.into_iter().map(|mount| mount.mount_point).collect();
        res.filesystems = filesystems(watched, &mounts, &mut gaps);
    }
    (res, gaps)
}

fn noted<T, E: Display>(found: Result<T, E>, gaps: &mut Vec<String>) -> Option<T> {
    found.map_err(|fault| gaps.push(fault.to_string())).ok()
}

fn cpu_seconds(total: &CpuTime) -> Vec<(&'static str, f64)> {
    let seconds = |ticks: u64| ticks as f64 / procfs::ticks_per_second() as f64;
    let interrupt = total.irq.unwrap_or(0) + total.softirq.unwrap_or(0);
    [
        ("user", Some(total.user)),
        ("nice", Some(total.nice)),
        ("system", Some(total.system)),
        ("idle", Some(total.idle)),
        ("iowait", total.iowait),
        ("interrupt", Some(interrupt)),
        ("steal", total.steal),
    ]
    .into_iter()
    .filter_map(|(mode, ticks)| Some((mode, seconds(ticks?))))
    .collect()
}

/// By the conventions' states, which add up to the whole; most of what is cached could be had
/// at once, files in memory could not.
fn note_memory(memory: &Meminfo, res: &mut Reading) {
    let bytes = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
    let cached = memory.cached + memory.s_reclaimable.unwrap_or(0);
    let not_used = memory.mem_free + memory.buffers + cached;
    res.memory_total_bytes = Some(bytes(memory.mem_total));
    res.memory_bytes = vec![
        ("used", bytes(memory.mem_total.saturating_sub(not_used))),
        ("free", bytes(memory.mem_free)),
        ("buffers", bytes(memory.buffers)),
        ("cached", bytes(cached)),
    ];
    if memory.swap_total > 0 {
        let used = memory.swap_total.saturating_sub(memory.swap_free);
        res.swap_bytes = vec![("used", bytes(used)), ("free", bytes(memory.swap_free))];
    }
}

/// Leaves out partitions, whose work their disk counts too; only disks have a folder there.
fn whole_disks(all: Vec<DiskStat>, blocks: &Path) -> Vec<Disk> {
    let is_disk = |disk: &DiskStat| {
        !NO_DISKS.iter().any(|prefix| disk.name.starts_with(prefix)) && blocks.join(&disk.name).is_dir()
    };
    let mut disks: Vec<Disk> = all
        .into_iter()
        .filter(is_disk)
        .map(|disk| Disk {
            read_bytes: disk.sectors_read * SECTOR_BYTES,
            written_bytes: disk.sectors_written * SECTOR_BYTES,
            n_reads: disk.reads,
            n_writes: disk.writes,
            busy_s: disk.time_in_progress as f64 / 1e3,
            name: disk.name,
        })
        .collect();
    disks.sort_by(|a, b| a.name.cmp(&b.name));
    disks.truncate(DEVICES_MAX);
    disks
}

fn outside_links(all: InterfaceDeviceStatus) -> Vec<Link> {
    let is_outside = |name: &str| name != "lo" && !NO_LINKS.iter().any(|prefix| name.starts_with(prefix));
    let mut links: Vec<Link> = all
        .0
        .into_values()
        .filter(|link| is_outside(&link.name))
        .map(|link| Link {
            bytes: [link.recv_bytes, link.sent_bytes],
            n_errors: [link.recv_errs, link.sent_errs],
            n_dropped: [link.recv_drop, link.sent_drop],
            name: link.name,
        })
        .collect();
    links.sort_by(|a, b| a.name.cmp(&b.name));
    links.truncate(DEVICES_MAX);
    links
}

/// Asks for each mount point once, however many folders lie below it.
fn filesystems(watched: &[PathBuf], mounts: &[PathBuf], gaps: &mut Vec<String>) -> Vec<FileSystem> {
    let mut res: Vec<FileSystem> = Vec::new();
    for dir in watched {
        // A link leads to another file system than the one that it stands on.
        let dir = dir.canonicalize().or_else(|_| std::path::absolute(dir)).unwrap_or_else(|_| dir.clone());
        let around = mounts.iter().filter(|mount| dir.starts_with(mount));
        let Some(mount) = around.max_by_key(|mount| mount.as_os_str().len()) else { continue };
        let mountpoint = mount.display().to_string();
        if res.iter().any(|known| known.mountpoint == mountpoint) {
            continue;
        }
        match rustix::fs::statvfs(mount) {
            Ok(stat) => {
                let bytes =
                    |blocks: u64| i64::try_from(blocks.saturating_mul(stat.f_frsize)).unwrap_or(i64::MAX);
                let reserved = stat.f_bfree.saturating_sub(stat.f_bavail);
                res.push(FileSystem {
                    mountpoint,
                    bytes: [
                        ("used", bytes(stat.f_blocks.saturating_sub(stat.f_bfree))),
                        ("free", bytes(stat.f_bavail)),
                        ("reserved", bytes(reserved)),
                    ],
                    total_bytes: bytes(stat.f_blocks),
                });
            }
            Err(fault) => gaps.push(format!("space of {mountpoint}: {fault}")),
        }
    }
    res
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(root: &Path, name: &str, text: &str) {
        let path = root.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    #[test]
    fn what_the_kernel_writes_is_read() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        let ticks = procfs::ticks_per_second();
        let [a, b] = [ticks, 2 * ticks];
        write(
            root,
            "proc/stat",
            &format!(
                "cpu {b} 0 {a} {b} {a} {a} {a} 0 0 0\ncpu0 1 0 1 1 1 1 1 0 0 0\nctxt 1\nbtime 1\nprocesses 1\n"
            ),
        );
        write(root, "proc/loadavg", "0.50 1.25 2.00 1/100 4242\n");
        write(root, "proc/uptime", "100.5 180.0\n");
        write(root, "proc/sys/fs/file-nr", "1075\t0\t9223372036854775807\n");
        write(
            root,
            "proc/diskstats",
            "8 0 sda 10 0 4 5 20 0 8 6 0 1500 11\n8 1 sda1 10 0 4 5 20 0 8 6 0 1500 11\n7 0 loop0 1 0 1 1 1 0 1 1 0 1 1\n",
        );
        std::fs::create_dir_all(root.join("sys/block/sda")).unwrap();
        std::fs::create_dir_all(root.join("sys/block/loop0")).unwrap();
        let head = "Inter-| Receive | Transmit\n face |bytes packets errs drop fifo frame compressed multicast|bytes packets errs drop fifo colls carrier compressed\n";
        let eth = " eth0: 100 1 2 3 0 0 0 0 200 1 4 5 0 0 0 0\n";
        write(
            root,
            "proc/net/dev",
            &format!("{head}{eth}{}{}", eth.replace("eth0", "  lo"), eth.replace("eth0", "veth1a")),
        );
        let (found, gaps) = look(root, &[]);
        assert_eq!(found.cpu_s[..3], [("user", 2.0), ("nice", 0.0), ("system", 1.0)]);
        assert!(found.cpu_s.contains(&("interrupt", 2.0)), "{found:?}");
        assert_eq!(
            (found.n_cpus, found.load, found.uptime_s),
            (Some(1), Some([0.5, 1.25, 2.0]), Some(100.5))
        );
        assert_eq!((found.n_fds, found.n_fds_max), (Some(1_075), None));
        let sda = Disk {
            name: "sda".into(),
            read_bytes: 2_048,
            written_bytes: 4_096,
            n_reads: 10,
            n_writes: 20,
            busy_s: 1.5,
        };
        assert_eq!(found.disks, [sda]);
        let eth0 = Link { name: "eth0".into(), bytes: [100, 200], n_errors: [2, 4], n_dropped: [3, 5] };
        assert_eq!(found.links, [eth0]);
        // The memory and the mounts are missing here, which is said and is not zero.
        assert_eq!((found.memory_total_bytes, gaps.len()), (None, 2), "{gaps:?}");
    }

    #[test]
    fn this_machine_is_read_whole() {
        let (found, gaps) = look(Path::new("/"), &["/".into(), "/proc".into(), "/".into()]);
        assert_eq!(gaps, Vec::<String>::new());
        assert!(found.memory_total_bytes.unwrap() > 1 << 20);
        let states: i64 = found.memory_bytes.iter().map(|(_, bytes)| bytes).sum();
        assert_eq!(states, found.memory_total_bytes.unwrap());
        assert!(found.cpu_s.iter().map(|(_, seconds)| seconds).sum::<f64>() > 0.0);
        let root = &found.filesystems[0];
        assert_eq!((root.mountpoint.as_str(), found.filesystems.len()), ("/", 2));
        assert_eq!(root.bytes.iter().map(|(_, bytes)| bytes).sum::<i64>(), root.total_bytes);
    }
}

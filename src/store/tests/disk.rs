//! A disk that is really full, and one that loses its power: on an ext4 of its own in a file.
//!
//! That needs root and loop devices; elsewhere the tests say that they skip, unless
//! `VITRINE_REQUIRE` names `loop`.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use super::crash::{acknowledged_child, check_acknowledged};
use super::*;
use crate::store::DropReason;

const NS: i64 = START_MS * 1_000_000;

/// An ext4 file system in a file.
struct Disk {
    dir: tempfile::TempDir,
}

fn run(program: &str, args: &[&str]) -> bool {
    let res = Command::new(program).args(args).stdout(Stdio::null()).stderr(Stdio::null()).status();
    res.is_ok_and(|status| status.success())
}

impl Disk {
    /// Returns none, having said so, where such a thing cannot be made.
    fn make(n_mib: u64) -> Option<Disk> {
        let disk = Disk { dir: tempfile::tempdir().unwrap() };
        let image = disk.image();
        std::fs::File::create(&image).unwrap().set_len(n_mib << 20).unwrap();
        std::fs::create_dir(disk.root()).unwrap();
        // Without a reserve for root, who else would write on where others may not.
        if run("mkfs.ext4", &["-q", "-m", "0", image.to_str().unwrap()]) && disk.mount() {
            return Some(disk);
        }
        let required = std::env::var("VITRINE_REQUIRE").unwrap_or_default();
        assert!(
            !required.split(',').any(|name| name == "loop"),
            "VITRINE_REQUIRE names loop, but it cannot be mounted"
        );
        eprintln!("skipped: an ext4 in a file needs root, mkfs.ext4 and a loop device");
        None
    }

    fn image(&self) -> std::path::PathBuf {
        self.dir.path().join("image")
    }

    fn root(&self) -> std::path::PathBuf {
        self.dir.path().join("mounted")
    }

    fn mount(&self) -> bool {
        run("mount", &["-o", "loop", self.image().to_str().unwrap(), self.root().to_str().unwrap()])
    }

    fn unmount(&self) -> bool {
        run("umount", &[self.root().to_str().unwrap()])
    }

    /// Stops the file system where it is, without writing its journal: what no fsync has
    /// brought to the disk is gone (`EXT4_IOC_SHUTDOWN` with `NOLOGFLUSH`).
    fn cut_power(&self) {
        const CALL: &str =
            r#"open(F, "<", $ARGV[0]) or die; $how = pack("L", 2); ioctl(F, 0x8004587d, $how) or die"#;
        assert!(run("perl", &["-e", CALL, self.root().to_str().unwrap()]), "the shutdown call is refused");
    }

    /// Mounts it again, as a machine does that comes back.
    fn restore(&self) {
        assert!(self.unmount() && self.mount());
    }

    /// Writes a file that leaves so much free.
    fn fill(&self, left_bytes: u64) -> std::path::PathBuf {
        let path = self.root().join("other");
        let free = crate::store::space::free_bytes(&self.root()).unwrap();
        let n_bytes = free.saturating_sub(left_bytes);
        let file = std::fs::File::create(&path).unwrap();
        rustix::fs::fallocate(&file, rustix::fs::FallocateFlags::empty(), 0, n_bytes).unwrap();
        path
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        self.unmount();
    }
}

/// Cuts in CI; `VITRINE_CUTS` asks for more.
fn n_cuts() -> u64 {
    std::env::var("VITRINE_CUTS").ok().and_then(|n| n.parse().ok()).unwrap_or(4)
}

#[test]
fn everything_acknowledged_survives_a_power_cut() {
    let Some(disk) = Disk::make(256) else { return };
    let mut acknowledged = -1;
    for cut in 0..n_cuts() {
        let mut child: Child = acknowledged_child(&disk.root());
        let enough = acknowledged + 15 + cut as i64 * 23;
        for text in BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok) {
            if let Some(n) = text.strip_prefix("acknowledged ") {
                acknowledged = n.parse().unwrap();
            }
            if acknowledged >= enough {
                break;
            }
        }
        disk.cut_power();
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(acknowledged >= enough, "the child ended by itself after {acknowledged}");
        disk.restore();
        check_acknowledged(&disk.root(), acknowledged);
    }
}

#[test]
fn a_disk_that_others_fill_costs_nothing_that_was_accepted() {
    let Some(disk) = Disk::make(192) else { return };
    let config = Config { reserve_bytes: 48 << 20, ..Config::default() };
    let clock = clock();
    let store = open_with(&disk.root(), config, &clock).unwrap();
    store.append_logs(vec![line(NS, "j", "before")]);
    store.sync().unwrap();
    let other = disk.fill(24 << 20);
    let err = store.sync().unwrap_err().to_string();
    assert!(err.contains("less than the reserve"), "{err}");
    store.append_logs(vec![line(NS + 1, "j", "refused")]);
    assert!(store.sync().is_err());
    assert_eq!(store.stats().logs.dropped(DropReason::DiskFull), 1);
    assert_eq!(bodies(&store), ["before"], "history is read all the while");
    std::fs::remove_file(other).unwrap();
    store.sync().unwrap();
    store.append_logs(vec![line(NS + 2, "j", "after")]);
    store.sync().unwrap();
    assert_eq!(bodies(&store), ["before", "after"]);
    store.close(DEADLINE).unwrap();
}

#[test]
fn when_sled_meets_a_full_disk_all_the_same_a_new_generation_takes_over() {
    let Some(disk) = Disk::make(192) else { return };
    // Without a reserve nothing keeps the flush from failing.
    let config = Config { reserve_bytes: 0, ..Config::default() };
    let clock = clock();
    let store = open_with(&disk.root(), config.clone(), &clock).unwrap();
    store.append_logs(vec![line(NS, "j", "before")]);
    store.sync().unwrap();
    let other = disk.fill(2 << 20);
    let mut n = 1;
    while store.sync().is_ok() {
        store.append_logs(
            (0..40).map(|part| line(NS + n, "j", &bounds::noise(n as u64 * 40 + part))).collect(),
        );
        n += 1;
        assert!(n < 10_000, "the disk is never full");
    }
    std::fs::remove_file(other).unwrap();
    let started = std::time::Instant::now();
    while store.sync().is_err() {
        assert!(started.elapsed() < DEADLINE, "{:?}", store.stats().degraded);
        std::thread::yield_now();
    }
    store.append_logs(vec![line(NS + n, "j", "after")]);
    store.sync().unwrap();
    let found = bodies(&store);
    let expect = (n as usize - 1) * 40 + 2;
    assert_eq!((found.len(), found.last().unwrap().as_str()), (expect, "after"), "nothing accepted is lost");
    store.close(DEADLINE).unwrap();
    drop(store);
    // The failed handle's directory stays locked until the process ends, so a copy stands
    // for the next process.
    let copy = tempfile::tempdir().unwrap();
    copy_tree(&disk.root(), copy.path());
    let store = open_with(copy.path(), config, &clock).unwrap();
    assert_eq!(bodies(&store), found);
    store.close(DEADLINE).unwrap();
}

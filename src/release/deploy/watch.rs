//! The first minute of a release: it is watched from outside, and rolled back when it does not hold.

use std::time::{Duration, Instant};

use super::{DEPLOY, DeployError, Deployment, Move, ROLLBACK};
use crate::release::gate::Traffic;

/// A release is watched so long after it was found healthy.
pub const PROBATION: Duration = Duration::from_secs(60);

/// Between two looks at it.
const PAUSE: Duration = Duration::from_millis(500);

/// A release that is away for longer than a supervisor takes to start it again has failed.
const AWAY_MAX: Duration = Duration::from_secs(5);

/// So many processes of it in its probation are a loop of crashes.
const PROCESSES_MAX: usize = 3;

impl Deployment<'_> {
    /// Watches a release for [`PROBATION`]: rolls back when it crashes again and again, is away, or
    /// fails more than before; else notes that it is good.
    pub fn watch(&self, release: &str, before: Traffic) -> Result<(), DeployError> {
        let (begun, mut seen, mut pids) = (Instant::now(), Instant::now(), Vec::new());
        while begun.elapsed() < PROBATION {
            std::thread::sleep(PAUSE);
            if self.shelf.current().as_deref() != Some(release) {
                // Another command has decided, or is about to.
                return Ok(());
            }
            if self.service.probe().is_ok_and(|answered| answered == release) {
                seen = Instant::now();
            }
            // A process that is busy with something does not answer at once; visitors are asked above.
            let vitals = self.service.vitals().ok().flatten().filter(|vitals| vitals.release == release);
            pids.extend(vitals.as_ref().map(|vitals| vitals.pid).filter(|pid| !pids.contains(pid)));
            let worse = vitals.and_then(|vitals| vitals.since_start.is_worse_than(before));
            let away = (seen.elapsed() >= AWAY_MAX).then(|| format!("it was away for {AWAY_MAX:?}"));
            let crashes = (pids.len() > PROCESSES_MAX)
                .then(|| format!("it was started {} times within a minute", pids.len()));
            if let Some(reason) = worse.or(away).or(crashes) {
                match self.give_up(release, &reason) {
                    // Whoever is at work may end with this release still there.
                    Err(DeployError::Busy(_)) => {}
                    decided => return decided,
                }
            }
        }
        let _guard = self.shelf.lock()?;
        if self.shelf.current().as_deref() == Some(release) {
            self.shelf.set_good(release)?;
            self.note(DEPLOY, release, "proved", "", begun);
        }
        Ok(())
    }

    fn give_up(&self, release: &str, reason: &str) -> Result<(), DeployError> {
        let _guard = self.lock()?;
        if self.shelf.current().as_deref() != Some(release) {
            return Ok(());
        }
        let previous = self.one_before()?.manifest.id;
        let moved = Move {
            action: ROLLBACK,
            release: release.into(),
            link: Some(self.shelf.target_of(&previous)),
            previous: Some(previous),
            before: Traffic::default(),
            begun: Instant::now(),
        };
        Err(self.undo(&moved, reason))
    }
}

//! Has what a view shows read where it stops no page.

use std::sync::Arc;

use super::AdminState;
use crate::balancer::LaneError;
use crate::pages::admin::StatusView;

/// Why a view could not be filled.
#[derive(Clone, Copy, Debug, thiserror::Error)]
pub(super) enum GatherError {
    /// Enough queries wait already.
    #[error("too many queries at once")]
    Saturated,
    /// The query panicked, or the runtime stops.
    #[error("query broke off")]
    Lost,
}

/// Asks for the state of the process alone.
pub(super) async fn status(state: &Arc<AdminState>) -> Result<StatusView, GatherError> {
    off_thread(state, |state| (state.parts.status)()).await
}

/// Runs a job where it stops no page.
pub(super) async fn off_thread<T: Send + 'static>(
    state: &Arc<AdminState>,
    job: impl FnOnce(&AdminState) -> T + Send + 'static,
) -> Result<T, GatherError> {
    let asked = state.clone();
    state.parts.heavy.run(move || job(&asked)).await.map_err(|err| {
        if matches!(err, LaneError::Full { .. }) {
            return GatherError::Saturated;
        }
        tracing::error!("admin query broke off: {err}");
        GatherError::Lost
    })
}

//! Records of other programs handed to the store, answered when they are on disk.

use futures_util::future::BoxFuture;
use futures_util::{FutureExt, TryFutureExt};
use tokio::sync::oneshot;

use crate::ingest::NotKept;
use crate::store::SyncError;

/// What the store calls when records are on disk, or could not be put there.
pub type Ack = Box<dyn FnOnce(Result<(), SyncError>) + Send>;

/// Hands records over, and answers when they are on disk.
pub fn durably(append: impl FnOnce(Ack) -> Result<(), SyncError>) -> BoxFuture<'static, Result<(), NotKept>> {
    let (sender, receiver) = oneshot::channel();
    // Whoever waited may have gone by then.
    let queued = append(Box::new(move |kept| _ = sender.send(kept)));
    Box::pin(async move {
        queued.map_err(|_| NotKept)?;
        receiver.await.map_err(|_| NotKept)?.map_err(|_| NotKept)
    })
}

/// Like [`durably`], and exports a copy of the records afterwards when that is wished: what was
/// not kept is sent again, and would be exported twice.
pub fn durably_exported<T: Clone + Send + 'static>(
    records: Vec<T>,
    is_exported: bool,
    export: impl FnOnce(&[T]) + Send + 'static,
    append: impl FnOnce(Vec<T>, Ack) -> Result<(), SyncError>,
) -> BoxFuture<'static, Result<(), NotKept>> {
    if !is_exported {
        return durably(|ack| append(records, ack));
    }
    let copy = records.clone();
    durably(|ack| append(records, ack)).inspect_ok(move |()| export(&copy)).boxed()
}

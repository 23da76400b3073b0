//! Waiting on an ordinary thread for what async code answers.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Returns what the future answers, none if it does not within `patience`.
pub fn for_at_most<T>(patience: Duration, future: impl Future<Output = T>) -> Option<T> {
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut context = Context::from_waker(&waker);
    let mut future = pin!(future);
    let deadline = Instant::now() + patience;
    loop {
        if let Poll::Ready(answer) = future.as_mut().poll(&mut context) {
            return Some(answer);
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return None;
        }
        thread::park_timeout(left);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_returned_and_silence_ends() {
        let (sender, receiver) = tokio::sync::oneshot::channel();
        let answering = thread::spawn(move || sender.send(7));
        assert_eq!(for_at_most(Duration::from_secs(30), receiver), Some(Ok(7)));
        answering.join().unwrap().unwrap();
        assert_eq!(for_at_most(Duration::ZERO, std::future::pending::<()>()), None);
    }
}

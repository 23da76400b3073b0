//! A worker task: takes jobs from its mailbox and drives all of them at once.
//!
//! A job is polled once where it is taken; most end there and never see the set of
//! running futures, a timer or a second allocation. What is left then runs beside the
//! others until it answers, panics, passes its deadline, or its caller goes away.

use std::any::Any;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::future::LocalBoxFuture;
use futures_util::stream::{FuturesUnordered, Stream};
use tokio::time::{Sleep, sleep};

use super::incarnation::{Envelope, Failure, Incarnation, Outcome, Reply};
use super::thread::Thread;
use crate::record::access::cut;

/// Jobs begun and jobs ended in one poll; then other tasks of the thread get their turn.
const BATCH: usize = 64;

/// A longer panic text is cut: `/admin` and the log show it on one line.
const PANIC_TEXT_MAX_BYTES: usize = 512;

pub(super) struct Worker<J: Send + 'static, R: Send + 'static> {
    incarnation: Arc<Incarnation<J, R>>,
    thread: Rc<Thread<J, R>>,
    running: FuturesUnordered<Running<J, R>>,
}

impl<J: Send + 'static, R: Send + 'static> Worker<J, R> {
    pub(super) fn new(incarnation: Arc<Incarnation<J, R>>, thread: Rc<Thread<J, R>>) -> Self {
        Worker { incarnation, thread, running: FuturesUnordered::new() }
    }

    /// Begins what is in the mailbox; returns true when some is left.
    fn begin_jobs(&mut self, cx: &mut Context<'_>) -> bool {
        for _ in 0..BATCH {
            let Some(envelope) = self.incarnation.mailbox.pop() else { return false };
            self.begin(envelope, cx);
        }
        !self.incarnation.mailbox.is_empty()
    }

    fn begin(&mut self, envelope: Envelope<J, R>, cx: &mut Context<'_>) {
        let Envelope { job, reply, is_probe } = envelope;
        // Its caller went away while it was on its way.
        if reply.is_closed() {
            self.end(Ended { reply, is_probe, how: How::Cancelled });
            return;
        }
        let handler = &self.thread.shared.handler;
        // Everything of the job that can panic happens inside, its drop included.
        let begun = catch_unwind(AssertUnwindSafe(|| {
            let mut future = handler(job);
            match future.as_mut().poll(cx) {
                Poll::Ready(answer) => Ok(answer),
                Poll::Pending => Err(future),
            }
        }));
        match begun {
            Ok(Ok(answer)) => self.end(Ended { reply, is_probe, how: How::Answered(answer) }),
            Ok(Err(future)) => {
                let deadline = Box::pin(sleep(self.incarnation.limits.deadline));
                self.running.push(Running { future: Some(future), reply: Some(reply), is_probe, deadline });
            }
            Err(panic) => self.end(Ended { reply, is_probe, how: How::Panicked(panic_text(&*panic)) }),
        }
    }

    /// Drives the running jobs; returns true when some may be left to drive.
    fn drive_jobs(&mut self, cx: &mut Context<'_>) -> bool {
        for _ in 0..BATCH {
            if self.running.is_empty() {
                return false;
            }
            match Pin::new(&mut self.running).poll_next(cx) {
                Poll::Ready(Some(ended)) => self.end(ended),
                Poll::Ready(None) | Poll::Pending => return false,
            }
        }
        true
    }

    fn end(&mut self, ended: Ended<J, R>) {
        let Ended { reply, is_probe, how } = ended;
        let (incarnation, shared) = (&self.incarnation, &self.thread.shared);
        let (outcome, result) = match how {
            How::Answered(answer) => (Outcome::Answered, Some(Ok(answer))),
            How::Panicked(message) => (Outcome::Panicked, Some(Err(Failure::Panicked(message)))),
            How::Deadline => (Outcome::Deadline, Some(Err(Failure::Deadline))),
            How::Cancelled => (Outcome::Cancelled, None),
        };
        if let Some(Err(Failure::Panicked(message))) = &result {
            shared.note_panic(&incarnation.slot, message);
            self.thread.replace(incarnation, message);
        }
        match outcome {
            Outcome::Answered if is_probe => shared.pass_probe(&incarnation.slot),
            Outcome::Deadline | Outcome::Cancelled if is_probe => {
                incarnation.slot.health.void_probe(shared.now_ms());
            }
            Outcome::Answered
            | Outcome::Panicked
            | Outcome::Deadline
            | Outcome::Cancelled
            | Outcome::Lost => {}
        }
        // The place is free before the caller hears of it, so that a caller that comes
        // back at once finds it.
        shared.end_job(incarnation, outcome);
        if let Some(result) = result {
            // A caller that went away in this very moment needs no answer.
            let _ = reply.send(result);
        }
    }
}

impl<J: Send + 'static, R: Send + 'static> Future for Worker<J, R> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        // First of all, so that whatever happens from here on wakes the task again.
        this.incarnation.register(cx.waker());
        let has_more_to_begin = this.begin_jobs(cx);
        let has_more_to_drive = this.drive_jobs(cx);
        this.incarnation.publish_running(this.running.len());
        if this.incarnation.is_finished() {
            return Poll::Ready(());
        }
        if has_more_to_begin || has_more_to_drive {
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    }
}

impl<J: Send + 'static, R: Send + 'static> Drop for Worker<J, R> {
    /// Leaves nothing behind, whether the task came to its end or was torn down.
    fn drop(&mut self) {
        self.incarnation.abandon();
        for _ in 0..self.running.len() {
            self.incarnation.slot.count(Outcome::Lost);
            self.incarnation.release();
        }
        self.incarnation.publish_running(0);
        self.thread.shared.strike(&self.incarnation);
    }
}

enum How<R> {
    Answered(R),
    Panicked(String),
    Deadline,
    Cancelled,
}

struct Ended<J, R> {
    reply: Reply<J, R>,
    is_probe: bool,
    how: How<R>,
}

/// A job that did not end in its first poll.
struct Running<J, R> {
    future: Option<LocalBoxFuture<'static, R>>,
    reply: Option<Reply<J, R>>,
    is_probe: bool,
    deadline: Pin<Box<Sleep>>,
}

impl<J, R> Running<J, R> {
    fn poll_how(&mut self, cx: &mut Context<'_>) -> Poll<How<R>> {
        let future = self.future.as_mut().expect("a job is not polled after its end");
        match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
            Ok(Poll::Ready(answer)) => return Poll::Ready(How::Answered(answer)),
            Ok(Poll::Pending) => {}
            Err(panic) => return Poll::Ready(How::Panicked(panic_text(&*panic))),
        }
        let reply = self.reply.as_mut().expect("a job is not polled after its end");
        if reply.poll_closed(cx).is_ready() {
            return Poll::Ready(How::Cancelled);
        }
        self.deadline.as_mut().poll(cx).map(|()| How::Deadline)
    }
}

impl<J, R> Future for Running<J, R> {
    type Output = Ended<J, R>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Ended<J, R>> {
        let this = self.get_mut();
        let Poll::Ready(mut how) = this.poll_how(cx) else { return Poll::Pending };
        // What a job holds is dropped here, where its panic can be caught.
        let future = this.future.take();
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| drop(future))) {
            how = How::Panicked(panic_text(&*panic));
        }
        let reply = this.reply.take().expect("a job ends once");
        Poll::Ready(Ended { reply, is_probe: this.is_probe, how })
    }
}

pub(super) fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&'static str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    cut(text.unwrap_or("a panic without a text"), PANIC_TEXT_MAX_BYTES).to_string()
}

//! Whether a future that others poll has something to do.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use futures_util::task::AtomicWaker;

/// Polls in a row after each of which the future has woken itself; then others have their turn.
const ROUNDS: usize = 4;
/// The future was woken.
const WOKEN: u8 = 1;
/// It is in our hands: that it is woken by what we do with it is no news to whoever waits.
const HELD: u8 = 2;

/// A future that is polled only after it was woken, by whoever happens to wait for what it does.
pub(crate) struct Signalled<F> {
    future: F,
    signal: Arc<Signal>,
    /// The signal as what the future is given.
    waker: Waker,
}

#[derive(Debug)]
struct Signal {
    state: AtomicU8,
    waiting: AtomicWaker,
}

impl Wake for Signal {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.state.fetch_or(WOKEN, Ordering::AcqRel) & HELD == 0 {
            self.waiting.wake();
        }
    }
}

impl<F: Future + Unpin> Signalled<F> {
    /// Has `future` polled when that may help, the first time at once.
    pub(crate) fn new(future: F) -> Self {
        let signal = Arc::new(Signal { state: AtomicU8::new(WOKEN), waiting: AtomicWaker::new() });
        let waker = Waker::from(Arc::clone(&signal));
        Self { future, signal, waker }
    }

    /// Polls the future if it was woken; from now on whoever polls here is woken with it.
    pub(crate) fn poll(&mut self, cx: &Context<'_>) -> Poll<F::Output> {
        let state = &self.signal.state;
        self.signal.waiting.register(cx.waker());
        for _ in 0..ROUNDS {
            if state.load(Ordering::Acquire) & WOKEN == 0 {
                return Poll::Pending;
            }
            state.store(HELD, Ordering::Release);
            let polled = Pin::new(&mut self.future).poll(&mut Context::from_waker(&self.waker));
            state.fetch_and(!HELD, Ordering::AcqRel);
            if polled.is_ready() {
                return polled;
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Does something that the future is to act on when it is polled next; nobody is woken for it.
    pub(crate) fn prompt<T>(&self, act: impl FnOnce() -> T) -> T {
        self.signal.state.fetch_or(HELD, Ordering::AcqRel);
        let done = act();
        self.signal.state.store(WOKEN, Ordering::Release);
        done
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::rc::Rc;
    use std::sync::atomic::AtomicUsize;

    use super::*;

    #[derive(Default)]
    struct Wakes(AtomicUsize);

    impl Wake for Wakes {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn the_future_is_polled_once_for_each_waking_and_the_waiter_only_told_of_foreign_ones() {
        let wakes = Arc::new(Wakes::default());
        let waker = Waker::from(Arc::clone(&wakes));
        let cx = Context::from_waker(&waker);
        let inner: Rc<Cell<Option<Waker>>> = Rc::default();
        let polls = Rc::new(Cell::new(0));
        let mut future = Signalled::new({
            let (inner, polls) = (Rc::clone(&inner), Rc::clone(&polls));
            std::future::poll_fn(move |cx| {
                polls.set(polls.get() + 1);
                inner.set(Some(cx.waker().clone()));
                if polls.get() == 2 {
                    cx.waker().wake_by_ref();
                }
                if polls.get() == 4 { Poll::Ready(()) } else { Poll::Pending }
            })
        });
        let told = || wakes.0.load(Ordering::Relaxed);

        assert!(future.poll(&cx).is_pending() && future.poll(&cx).is_pending());
        assert_eq!((polls.get(), told()), (1, 0));
        inner.take().expect("a waker").wake();
        assert_eq!((polls.get(), told()), (1, 1));
        // The second poll wakes the future itself, which has it polled again at once.
        assert!(future.poll(&cx).is_pending());
        assert_eq!((polls.get(), told()), (3, 1));
        future.prompt(|| inner.take().expect("a waker").wake());
        assert_eq!((polls.get(), told()), (3, 1));
        assert!(future.poll(&cx).is_ready());
    }

    #[test]
    fn a_future_that_always_wakes_itself_lets_others_have_their_turn() {
        let wakes = Arc::new(Wakes::default());
        let waker = Waker::from(Arc::clone(&wakes));
        let mut future = Signalled::new(std::future::poll_fn(|cx| {
            cx.waker().wake_by_ref();
            Poll::<()>::Pending
        }));
        assert!(future.poll(&Context::from_waker(&waker)).is_pending());
        assert_eq!(wakes.0.load(Ordering::Relaxed), 1);
    }
}

//! Arithmetic on many inputs, shared among the processor's cores.

use std::{
    num::NonZero,
    panic::resume_unwind,
    thread::{self, Builder},
};

/// `work` on every item, the results in the order of the items. A thread of its own gets at least `least` of them: it
/// takes some tens of microseconds to start. Where the system gives no thread, the caller's does the work.
pub(crate) fn map<T: Sync, R: Send>(items: &[T], least: usize, work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    let share = items.len().div_ceil(cores).max(least).max(1);
    if items.len() <= share {
        return items.iter().map(work).collect();
    }
    let work = |share: &[T]| share.iter().map(&work).collect::<Vec<_>>();
    let (own, others) = items.split_at(share);
    thread::scope(|scope| {
        let work = &work;
        let threads: Vec<_> = others
            .chunks(share)
            .map(|share| (share, Builder::new().spawn_scoped(scope, move || work(share))))
            .collect();
        let mut results = work(own);
        for (share, thread) in threads {
            results.extend(match thread {
                Ok(thread) => thread.join().unwrap_or_else(|panic| resume_unwind(panic)),
                Err(_) => work(share),
            });
        }
        results
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_stand_in_the_order_of_the_items() {
        for count in [0, 1, 7, 8, 9, 64, 1000] {
            let items: Vec<_> = (0..count).collect();
            for least in [0, 1, 8, 5000] {
                assert_eq!(map(&items, least, |item| item * 2), (0..count).map(|item| item * 2).collect::<Vec<_>>());
            }
        }
    }
}

//! What a cache must hold: a fresh fold of the log up to its position.

use std::any::TypeId;

use super::bank::{Account, Bank, BankEvent, History, Made, Owners};
use super::support::all;
use crate::aggregate::{Aggregate, LiveModel, State};
use crate::memory::MemoryLog;
use crate::names::{Checkpoint, StreamName};
use crate::writer::cache::Cache;

/// A cache of a timeline that the log has left is no fold of anything; the next follow drops it.
pub(super) async fn assert_cache_is_a_fresh_fold(log: &MemoryLog, cache: &Cache<Bank>) {
    let mut events = all(log).await;
    events.truncate(usize::try_from(cache.at.position.get()).expect("a small log"));
    if events.last().map_or(Checkpoint::START, |last| last.checkpoint()) != cache.at {
        return;
    }
    let typed: Vec<(StreamName, BankEvent)> = events
        .iter()
        .map(|event| {
            (
                event.stream.clone(),
                event.decode::<BankEvent>().expect("one of ours").event,
            )
        })
        .collect();
    for (name, entry) in cache.streams() {
        let of_stream: Vec<_> = typed
            .iter()
            .filter(|(stream, _)| stream == name)
            .map(|(_, event)| event)
            .collect();
        assert_eq!(
            entry.version.get(),
            of_stream.len() as u64,
            "{name} as of {:?}",
            cache.at
        );
        for (id, state) in &entry.states {
            assert_same(*id, &**state, &of_stream, name);
        }
    }
    if let Some(model) = cache.model(TypeId::of::<Owners>()) {
        let mut fresh = Owners::default();
        typed.iter().for_each(|(_, event)| LiveModel::evolve(&mut fresh, event));
        let Ok(state) = model else {
            panic!("the live model can be folded")
        };
        assert_eq!(
            state.as_any().downcast_ref::<Owners>(),
            Some(&fresh),
            "as of {:?}",
            cache.at
        );
    }
}

fn assert_same(id: TypeId, state: &dyn State<Bank>, events: &[&BankEvent], name: &StreamName) {
    if id == TypeId::of::<Account>() {
        assert_eq!(
            state.as_any().downcast_ref(),
            Some(&folded::<Account>(events)),
            "{name}"
        );
    } else if id == TypeId::of::<History>() {
        assert_eq!(
            state.as_any().downcast_ref(),
            Some(&folded::<History>(events)),
            "{name}"
        );
    } else if id == TypeId::of::<Made>() {
        assert_eq!(state.as_any().downcast_ref(), Some(&folded::<Made>(events)), "{name}");
    } else {
        assert_eq!(id, TypeId::of::<()>(), "{name}: the bank has no other states");
    }
}

fn folded<A: Aggregate<Log = Bank>>(events: &[&BankEvent]) -> A {
    events.iter().fold(A::default(), |mut state, event| {
        state.evolve(event);
        state
    })
}

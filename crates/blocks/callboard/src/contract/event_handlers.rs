//! What every store of an event handler must do, shown on the items.

use uuid::Uuid;

use super::views::{ItemEvent, ItemsLog, put};
use crate::event::{Log, Recorded};
use crate::event_handler::{
    Claim, EventHandler, EventHandlerStore, InvalidSetting, LEASE, LaneParked, Moved, ParkLane, Role, Settings, ToPark,
};
use crate::log::LogStore;
use crate::names::{Checkpoint, Position, StreamName};
use crate::parking::Cause;
use crate::process_manager::Registration;
use crate::spec::record;
use crate::{Event, HandlerError};

/// A handler of the suite's items that does nothing.
pub struct ItemsHandler;

impl EventHandler for ItemsHandler {
    type Log = ItemsLog;
    const NAME: &'static str = "items-handler";
    const TYPES: &'static [&'static str] = &[ItemEvent::TYPES[0].name];

    fn from_settings(_: &Settings) -> Result<Option<Self>, InvalidSetting> {
        Ok(Some(Self))
    }

    async fn handle(&self, _: &Recorded<<ItemsLog as Log>::Event>) -> Result<(), HandlerError> {
        Ok(())
    }
}

/// Judges a fresh store of [`ItemsHandler`], whose log is `log`. `pass` lets the store's clock pass
/// the end of a claim.
///
/// # Panics
/// When the store breaks the contract; the message says where.
pub async fn event_handlers<S, L>(store: S, log: &L, pass: impl AsyncFn(std::time::Duration))
where
    S: EventHandlerStore,
    L: LogStore,
{
    let events: Vec<_> = (1..=9)
        .map(|weight| ("s-1", put("a", 1, "one", weight, None).1))
        .collect();
    record::<ItemsLog>(log, &events).await;
    let events = log.read(Position::START, 10).await.expect("a read").events;
    let at = |position: usize| events[position - 1].checkpoint();
    registers(&store, at(1), at(2)).await;
    claims(&store, &pass).await;
    let holder = advances(&store, [at(1), at(3), at(5)]).await;
    parks(&store, holder).await;
    halts(&store, holder).await;
    assert_eq!(store.parked().await.expect("a list"), [], "nothing is left");
}

async fn registers(store: &impl EventHandlerStore, first: Checkpoint, second: Checkpoint) {
    assert_eq!(loaded(store).await, Registration::Unregistered);
    store.register(first).await.expect("it is registered");
    store.register(second).await.expect("later ones change nothing");
    assert_eq!(loaded(store).await, Registration::At(first));
    assert_eq!(store.rate().await.expect("a read"), None, "nobody has ordered one");
}

async fn loaded(store: &impl EventHandlerStore) -> Registration {
    store.load().await.expect("a read")
}

async fn claims(store: &impl EventHandlerStore, pass: &impl AsyncFn(std::time::Duration)) {
    let (one, two) = (Uuid::new_v4(), Uuid::new_v4());
    let claim = async |role, holder, wants| store.claim(role, holder, wants).await.expect("an answer");
    let held = |wanted| Claim::Held { wanted };
    assert_eq!(claim(Role::Run, one, false).await, held(false));
    assert_eq!(claim(Role::Run, two, false).await, Claim::Elsewhere);
    assert_eq!(claim(Role::Run, one, false).await, held(false), "not wanted");
    assert_eq!(claim(Role::Run, two, true).await, Claim::Elsewhere);
    assert_eq!(claim(Role::Run, one, false).await, held(true), "wanted since");
    assert_eq!(claim(Role::Run, one, false).await, held(false), "said once");
    assert_eq!(claim(Role::Retry, two, false).await, held(false), "another role");
    store
        .release(Role::Run, two)
        .await
        .expect("not its own: nothing happens");
    assert_eq!(claim(Role::Run, two, false).await, Claim::Elsewhere);
    store.release(Role::Run, one).await.expect("it is given back");
    assert_eq!(claim(Role::Run, two, false).await, held(false));
    pass(LEASE).await;
    assert_eq!(claim(Role::Run, one, false).await, held(false), "it had run out");
    assert_eq!(claim(Role::Run, two, false).await, Claim::Elsewhere);
    store.release(Role::Run, one).await.expect("it is given back");
}

/// Moves the checkpoint, and returns who holds the claim.
async fn advances(store: &impl EventHandlerStore, [from, to, beyond]: [Checkpoint; 3]) -> Uuid {
    let (holder, other) = (Uuid::new_v4(), Uuid::new_v4());
    let moved = store.advance(holder, from, to).await.expect("an answer");
    assert_eq!(moved, Moved::Lost, "nobody holds the claim");
    store.claim(Role::Run, holder, false).await.expect("an answer");
    let moved = store.advance(other, from, to).await.expect("an answer");
    assert_eq!(moved, Moved::Lost, "somebody else holds it");
    assert_eq!(loaded(store).await, Registration::At(from));
    assert_eq!(store.advance(holder, from, to).await.expect("an answer"), Moved::Done);
    assert_eq!(loaded(store).await, Registration::At(to));
    let again = store.advance(holder, from, to).await.expect("an answer");
    assert_eq!(again, Moved::Elsewhere(to));
    let strange = Checkpoint {
        event_id: Uuid::new_v4(),
        ..beyond
    };
    let moved = store.advance(holder, to, strange).await.expect("an answer");
    assert_eq!(moved, Moved::Elsewhere(to), "the log doesn't hold it");
    holder
}

fn lane(stream: &str, events: &[(u64, Cause)]) -> ParkLane {
    let event = |(position, cause): &(u64, Cause)| ToPark {
        position: Position::new(*position),
        cause: *cause,
        reason: format!("because of {cause}"),
    };
    ParkLane {
        stream: StreamName::parse(stream).expect("a stream's name"),
        events: events.iter().map(event).collect(),
    }
}

async fn parks(store: &impl EventHandlerStore, holder: Uuid) {
    let park = async |by, lane| store.park(by, &lane).await.expect("an answer");
    let listed = async || -> Vec<(u64, Cause, u32)> {
        let listed = store.parked().await.expect("a list");
        listed
            .iter()
            .map(|parked| (parked.position.get(), parked.cause, parked.tries))
            .collect()
    };
    let behind = || lane("s-1", &[(6, Cause::Behind)]);
    assert_eq!(park(holder, behind()).await, LaneParked::Free, "nothing to wait for");
    let failed = lane("s-1", &[(4, Cause::Failed), (5, Cause::Behind)]);
    assert_eq!(park(Uuid::new_v4(), failed.clone()).await, LaneParked::Lost);
    assert_eq!(listed().await, []);
    assert_eq!(park(holder, failed.clone()).await, LaneParked::Done);
    assert_eq!(park(holder, failed).await, LaneParked::Done, "again is fine");
    assert_eq!(park(holder, behind()).await, LaneParked::Done);
    assert_eq!(
        park(holder, lane("s-2", &[(7, Cause::Behind)])).await,
        LaneParked::Free,
        "another stream"
    );
    let undecodable = lane("s-3", &[(8, Cause::Undecodable)]);
    assert_eq!(park(holder, undecodable).await, LaneParked::Done);
    let failed = |tries| (4, Cause::Failed, tries);
    let rest = [(5, Cause::Behind, 0), (6, Cause::Behind, 0), (8, Cause::Undecodable, 0)];
    assert_eq!(listed().await, [&[failed(0)][..], &rest].concat());
    let first = &store.parked().await.expect("a list")[0];
    assert_eq!((first.reason.as_str(), first.blocks.len()), ("because of failed", 1));
    assert_eq!(store.count_parked().await.expect("a count"), (4, Position::new(8)));
    store
        .note_failed_retry(Position::new(4), "still not")
        .await
        .expect("it is noted");
    assert_eq!(listed().await[0], failed(1));
    let many = (100..10_100)
        .map(|position| (position, Cause::Failed))
        .collect::<Vec<_>>();
    assert_eq!(park(holder, lane("s-4", &many)).await, LaneParked::TooMany);
    for position in [4, 6, 8] {
        store.unpark(Position::new(position)).await.expect("it is handled");
    }
    let unknown = store
        .discard(Position::new(1), "never parked")
        .await
        .expect("an answer");
    assert_eq!(unknown, None);
    let discarded = store
        .discard(Position::new(5), "a typing error")
        .await
        .expect("an answer");
    assert_eq!(discarded.map(|parked| parked.position), Some(Position::new(5)));
    assert_eq!(store.count_parked().await.expect("a count"), (0, Position::START));
}

async fn halts(store: &impl EventHandlerStore, holder: Uuid) {
    store.halt("on purpose").await.expect("it is stored");
    let reason = "halted: on purpose".to_owned();
    assert_eq!(loaded(store).await, Registration::StandBy(reason.clone()));
    let claim = store.claim(Role::Run, holder, false).await.expect("an answer");
    assert_eq!(claim, Claim::StandBy(reason), "nobody runs what is halted");
    let claim = store.claim(Role::Retry, holder, false).await.expect("an answer");
    assert_ne!(
        claim,
        Claim::StandBy(String::new()),
        "its parked events can be dealt with"
    );
}

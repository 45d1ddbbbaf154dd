//! A [`MemoryLog`] behind a connection that does what a test tells it.

use std::collections::{HashMap, VecDeque};
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use callboard::log::{
    Append, AppendError, Appended, LockedLog, LogReader, LogStore, NewEvent, ReadError, Slice, Source, StreamEvents,
    Turn,
};
use callboard::memory::{LockedMemoryLog, MemoryLog, MemoryTurn};
use callboard::{Checkpoint, Metadata, Position, Recorded, StreamName, Version, to_json};
use futures::FutureExt;
use tokio::sync::oneshot;
use uuid::Uuid;

/// The calls that a log takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Step {
    Head,
    Read,
    ReadStreams,
    Append,
    Lock,
    Turn,
}

/// What happens to an append (locked or not).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Nothing: it goes through.
    Fine,
    /// It is recorded and the answer is lost.
    AnswerLost,
    /// It is lost before it was recorded, and nobody knows.
    Lost,
    /// As `Lost`, but it is still under way: [`FaultyLog::land`] records it.
    Late,
    /// The log is away: nothing was recorded.
    Away,
}

/// Told when the call is there, and tells when it may go on.
type Standstill = (oneshot::Sender<()>, oneshot::Receiver<()>);

#[derive(Default)]
struct Script {
    faults: VecDeque<Fault>,
    /// What an append meets when `faults` are used up.
    afterwards: Option<Fault>,
    /// So many of the next calls fail.
    failing: HashMap<Step, usize>,
    pauses: HashMap<Step, VecDeque<Standstill>>,
    /// Appends whose data hold this text are rejected.
    rejects: Option<String>,
    projection_fails_on: Option<String>,
    latencies: VecDeque<u64>,
    late: Vec<Append>,
    calls: HashMap<Step, usize>,
    /// Events and keys of each append that was tried.
    tried: Vec<(usize, usize)>,
}

/// A log that a test can make fail. Clones share everything.
#[derive(Clone, Default)]
pub struct FaultyLog {
    pub inner: MemoryLog,
    script: Arc<Mutex<Script>>,
}

/// A call that stands still.
pub struct Pause {
    arrived: oneshot::Receiver<()>,
    go: oneshot::Sender<()>,
}

impl Pause {
    /// Waits until the call is there.
    pub async fn arrived(&mut self) {
        super::soon(&mut self.arrived).await.expect("the call arrives");
    }

    /// Lets the call go on.
    pub fn go(self) {
        let _ = self.go.send(());
    }
}

impl FaultyLog {
    pub fn new() -> Self {
        Self::default()
    }

    /// A connection to this log.
    pub fn to(inner: &MemoryLog) -> Self {
        Self {
            inner: inner.clone(),
            script: Arc::default(),
        }
    }

    /// Another connection to the same log, with a script of its own.
    pub fn beside(&self) -> Self {
        Self::to(&self.inner)
    }

    fn script(&self) -> MutexGuard<'_, Script> {
        self.script.lock().expect("no test panics while it holds the script")
    }

    /// What the next appends meet.
    pub fn next_appends(&self, faults: impl IntoIterator<Item = Fault>) {
        self.script().faults.extend(faults);
    }

    /// What all appends meet from then on.
    pub fn all_appends(&self, fault: Option<Fault>) {
        self.script().afterwards = fault;
    }

    /// What was planned for the next appends is not.
    pub fn forget_faults(&self) {
        self.script().faults.clear();
    }

    /// The next so many calls of this kind fail (reads and the lock).
    pub fn fail(&self, step: Step, times: usize) {
        self.script().failing.insert(step, times);
    }

    /// The next call of this kind stands still until the test lets it go on.
    pub fn pause(&self, step: Step) -> Pause {
        let (arrived_at, arrived) = oneshot::channel();
        let (go, gone) = oneshot::channel();
        self.script()
            .pauses
            .entry(step)
            .or_default()
            .push_back((arrived_at, gone));
        Pause { arrived, go }
    }

    pub fn reject(&self, text: &str) {
        self.script().rejects = Some(text.into());
    }

    pub fn fail_projection_on(&self, text: &str) {
        self.script().projection_fails_on = Some(text.into());
    }

    /// How many milliseconds the next calls take.
    pub fn take_long(&self, latencies: impl IntoIterator<Item = u64>) {
        self.script().latencies.extend(latencies);
    }

    /// Records what was under way, as a backend does whose client is gone.
    pub async fn land(&self) {
        let late = std::mem::take(&mut self.script().late);
        for append in late {
            // Somebody may stand still with the lock, for whom nobody would wait here: it stays late.
            if self.inner.append(&append).now_or_never().is_none() {
                self.script().late.push(append);
            }
        }
    }

    /// How many events the log holds.
    pub fn length(&self) -> u64 {
        let head = self.inner.head().now_or_never().expect("a log in memory never waits");
        head.expect("a log in memory can be read").position.get()
    }

    pub fn calls(&self, step: Step) -> usize {
        self.script().calls.get(&step).copied().unwrap_or(0)
    }

    /// Events and keys of each append that was tried.
    pub fn tried(&self) -> Vec<(usize, usize)> {
        self.script().tried.clone()
    }

    /// Somebody else records an event of any type with any data.
    pub async fn record(&self, stream: &str, event_type: &'static str, data: serde_json::Value) {
        self.record_times(1, stream, event_type, data).await;
    }

    /// The same, so many times.
    pub async fn record_times(&self, times: u64, stream: &str, event_type: &'static str, data: serde_json::Value) {
        let stream = StreamName::parse(stream).expect("a stream name");
        let expected = self.inner.head().await.expect("a head");
        let of_stream = [(stream.clone(), Version::NONE)];
        let before = self
            .inner
            .read_streams(&of_stream, expected.position, usize::MAX)
            .await
            .expect("a read")
            .events;
        let event = |number: u64| NewEvent {
            id: Uuid::now_v7(),
            stream: stream.clone(),
            version: Version::new(before.len() as u64 + number),
            event_type,
            schema_version: 1,
            data: to_json(&data).expect("plain data"),
            metadata: Metadata::default(),
        };
        let append = Append {
            expected,
            events: (1..=times).map(event).collect(),
            keys: Vec::new(),
        };
        let appended = self.inner.append(&append).await.expect("an answer");
        assert!(matches!(appended, Appended::Done { .. }), "{appended:?}");
    }

    /// Counts the call, lets it stand still or take long, and says whether it fails.
    async fn meet(&self, step: Step) -> Result<(), Source> {
        let (pause, latency, fails) = {
            let mut script = self.script();
            *script.calls.entry(step).or_default() += 1;
            let pause = script.pauses.get_mut(&step).and_then(VecDeque::pop_front);
            let left = script.failing.entry(step).or_default();
            let fails = *left > 0;
            *left = left.saturating_sub(1);
            (pause, script.latencies.pop_front(), fails)
        };
        if let Some((arrived, go)) = pause {
            let _ = arrived.send(());
            let _ = go.await;
        }
        if let Some(latency) = latency.filter(|latency| *latency > 0) {
            tokio::time::sleep(Duration::from_millis(latency)).await;
        }
        if fails { Err("the log is away".into()) } else { Ok(()) }
    }

    async fn meet_read(&self, step: Step) -> Result<(), ReadError> {
        self.meet(step).await.map_err(|source| ReadError {
            log: "bank".into(),
            source,
        })
    }

    /// Appends through the script.
    async fn through<F>(&self, append: &Append, inner: impl FnOnce() -> F + Send) -> Result<Appended, AppendError>
    where
        F: Future<Output = Result<Appended, AppendError>> + Send,
    {
        self.meet(Step::Append).await.map_err(AppendError::Unavailable)?;
        let fault = {
            let mut script = self.script();
            script.tried.push((append.events.len(), append.keys.len()));
            let holds = |text: &Option<String>| {
                let text = text.as_deref()?;
                append
                    .events
                    .iter()
                    .any(|event| event.data.get().contains(text))
                    .then_some(())
            };
            if holds(&script.rejects).is_some() {
                return Err(AppendError::Rejected("the data are refused".into()));
            }
            if holds(&script.projection_fails_on).is_some() {
                return Err(AppendError::Projection("the projection fails".into()));
            }
            let fault = script.faults.pop_front().or(script.afterwards).unwrap_or(Fault::Fine);
            if fault == Fault::Late {
                script.late.push(append.clone());
            }
            fault
        };
        match fault {
            Fault::Fine => inner().await,
            Fault::AnswerLost => {
                let _ = inner().await;
                Err(AppendError::Unknown("the connection was lost".into()))
            }
            Fault::Lost | Fault::Late => Err(AppendError::Unknown("the connection was lost".into())),
            Fault::Away => Err(AppendError::Unavailable("the log is away".into())),
        }
    }
}

impl LogReader for FaultyLog {
    async fn head(&self) -> Result<Checkpoint, ReadError> {
        self.meet_read(Step::Head).await?;
        self.inner.head().await
    }

    async fn read(&self, after: Position, limit: usize) -> Result<Slice, ReadError> {
        self.meet_read(Step::Read).await?;
        self.inner.read(after, limit).await
    }

    async fn read_streams(
        &self,
        streams: &[(StreamName, Version)],
        up_to: Position,
        limit: usize,
    ) -> Result<StreamEvents, ReadError> {
        self.meet_read(Step::ReadStreams).await?;
        self.inner.read_streams(streams, up_to, limit).await
    }
}

impl LogStore for FaultyLog {
    type Locked = Locked;
    type Turn = InTurn;

    async fn append(&self, append: &Append) -> Result<Appended, AppendError> {
        self.through(append, || self.inner.append(append)).await
    }

    async fn lock(&self) -> Result<Locked, AppendError> {
        self.meet(Step::Lock).await.map_err(AppendError::Unavailable)?;
        Ok(Locked {
            log: self.clone(),
            inner: self.inner.lock().await?,
        })
    }

    async fn take_turn(&self, after: Position, limit: usize) -> Result<Option<(InTurn, Slice)>, ReadError> {
        self.meet_read(Step::Turn).await?;
        let taken = self.inner.take_turn(after, limit).await?;
        Ok(taken.map(|(inner, slice)| {
            let log = self.clone();
            (InTurn { log, inner }, slice)
        }))
    }
}

pub struct InTurn {
    log: FaultyLog,
    inner: MemoryTurn,
}

impl Turn for InTurn {
    async fn append(self, append: &Append) -> Result<Appended, AppendError> {
        let Self { log, inner } = self;
        log.through(append, || inner.append(append)).await
    }
}

pub struct Locked {
    log: FaultyLog,
    inner: LockedMemoryLog,
}

impl LockedLog for Locked {
    async fn read(&mut self, after: Position, limit: usize) -> Result<Slice, AppendError> {
        self.log.meet(Step::Read).await.map_err(AppendError::Unavailable)?;
        self.inner.read(after, limit).await
    }

    async fn append(self, append: &Append) -> Result<Appended, AppendError> {
        let Self { log, inner } = self;
        log.through(append, || inner.append(append)).await
    }
}

//! A handler that does as it is told, and a log for it.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use callboard::event_handler::testing::Calls;
use callboard::event_handler::{Batch, BatchError, InvalidSetting, Settings};
use callboard::pipeline::{BatchKey, PipelineConfig, Retry};
use callboard::{DecodeError, Event, EventHandler, EventType, HandlerError, Json, Log, RawEvent, Recorded, to_json};
use serde::{Deserialize, Serialize};
use tokio::sync::{Notify, watch};

pub struct Post;

impl Log for Post {
    const NAME: &'static str = "post";
    type Event = Letters;
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Letters {
    /// What the handler wants; to be handled with others of this batcher and key.
    Sent { batch: Option<(Batcher, String)> },
    /// What it doesn't want.
    Lost,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub enum Batcher {
    Mail,
    Parcels,
    /// No batcher has this name.
    Nobody,
}

impl Event for Letters {
    const TYPES: &'static [EventType] = &[EventType::new("LetterSent", 1), EventType::new("LetterLost", 1)];

    fn event_type(&self) -> EventType {
        Self::TYPES[usize::from(*self == Self::Lost)]
    }

    fn encode(&self) -> Result<Json, serde_json::Error> {
        to_json(self)
    }

    fn decode(raw: &RawEvent) -> Result<Self, DecodeError> {
        match &*raw.event_type {
            "LetterSent" | "LetterLost" => raw.data(),
            _ => Err(raw.unknown()),
        }
    }
}

/// What becomes of one try.
#[derive(Debug, Clone)]
pub enum Answer {
    Done,
    /// Fails for now; the other side wants to be left alone so long.
    Later(Option<Duration>),
    Never,
    Panic,
    /// Waits until [`Scripted::let_go`].
    Hold,
    /// The batch fails as a whole, for good.
    WholeBatchNever,
}

/// Does as it is told, by position; done by default.
#[derive(Clone)]
pub struct Scripted {
    pub calls: Calls<Letters>,
    /// The positions of each batch.
    pub batches: Arc<Mutex<Vec<Vec<u64>>>>,
    script: Arc<Mutex<HashMap<u64, VecDeque<Answer>>>>,
    hold: Arc<Notify>,
    /// How many are handled at this moment, and at most were.
    pub busy: Arc<watch::Sender<(usize, usize)>>,
    config: PipelineConfig,
}

impl Scripted {
    pub fn new() -> Self {
        Self::with(PipelineConfig {
            retry: Retry {
                tries: 3,
                ..Retry::default()
            },
            ..PipelineConfig::default()
        })
    }

    pub fn with(config: PipelineConfig) -> Self {
        Self {
            calls: Calls::default(),
            batches: Arc::default(),
            script: Arc::default(),
            hold: Arc::default(),
            busy: Arc::new(watch::Sender::new((0, 0))),
            config,
        }
    }

    /// The next tries of the event at this position come to this.
    pub fn answers(&self, position: u64, answers: impl IntoIterator<Item = Answer>) {
        let mut script = self.script.lock().expect("no panic");
        script.entry(position).or_default().extend(answers);
    }

    /// Lets one that holds go on.
    pub fn let_go(&self) {
        self.hold.notify_one();
    }

    /// Waits until so many tries were begun.
    pub async fn until_begun(&self, count: usize) {
        let mut busy = self.busy.subscribe();
        let begun = busy.wait_for(|_| self.calls.positions().len() >= count);
        super::soon(begun).await.expect("it lives");
    }

    /// Waits until so many are handled at this moment.
    pub async fn until_busy(&self, count: usize) {
        let mut busy = self.busy.subscribe();
        super::soon(busy.wait_for(|(now, _)| *now == count))
            .await
            .expect("it lives");
    }

    fn next(&self, position: u64) -> Answer {
        let mut script = self.script.lock().expect("no panic");
        let answer = script.get_mut(&position).and_then(VecDeque::pop_front);
        answer.unwrap_or(Answer::Done)
    }

    async fn answer(&self, event: &Recorded<Letters>) -> Result<(), HandlerError> {
        self.calls.note(event);
        match self.next(event.position.get()) {
            Answer::Done | Answer::WholeBatchNever => Ok(()),
            Answer::Later(wait) => Err(HandlerError::transient("not now").after(wait)),
            Answer::Never => Err(HandlerError::permanent("never")),
            Answer::Panic => panic!("on purpose"),
            Answer::Hold => {
                self.hold.notified().await;
                Ok(())
            }
        }
    }
}

/// Counts who is busy, also when the future is dropped.
struct Busy(Arc<watch::Sender<(usize, usize)>>);

impl Busy {
    fn begin(busy: &Arc<watch::Sender<(usize, usize)>>) -> Self {
        busy.send_modify(|(now, most)| {
            *now += 1;
            *most = (*most).max(*now);
        });
        Self(busy.clone())
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.send_modify(|(now, _)| *now -= 1);
    }
}

impl EventHandler for Scripted {
    type Log = Post;
    const NAME: &'static str = "scripted";
    const TYPES: &'static [&'static str] = &["LetterSent"];

    fn from_settings(_: &Settings) -> Result<Option<Self>, InvalidSetting> {
        Ok(None)
    }

    fn pipeline(&self) -> PipelineConfig {
        self.config.clone()
    }

    fn batch(&self, event: &Recorded<Letters>) -> Option<BatchKey> {
        let Letters::Sent {
            batch: Some((batcher, key)),
        } = &event.event
        else {
            return None;
        };
        let batcher = match batcher {
            Batcher::Mail => "mail",
            Batcher::Parcels => "parcels",
            Batcher::Nobody => "nobody",
        };
        Some(BatchKey::new(batcher, key.as_str()))
    }

    async fn handle(&self, event: &Recorded<Letters>) -> Result<(), HandlerError> {
        let _busy = Busy::begin(&self.busy);
        self.answer(event).await
    }

    async fn handle_batch(&self, batch: &Batch<Letters>) -> Result<(), BatchError> {
        let _busy = Busy::begin(&self.busy);
        let positions: Vec<u64> = batch.events.iter().map(|event| event.position.get()).collect();
        self.batches.lock().expect("no panic").push(positions);
        let mut failed = Vec::new();
        for event in &batch.events {
            let script = self
                .script
                .lock()
                .expect("no panic")
                .get(&event.position.get())
                .cloned();
            if script.is_some_and(|script| matches!(script.front(), Some(Answer::WholeBatchNever))) {
                return Err(HandlerError::permanent("the whole batch").into());
            }
            if let Err(error) = self.answer(event).await {
                failed.push((event.position, error));
            }
        }
        if failed.is_empty() {
            Ok(())
        } else {
            Err(BatchError::Some(failed))
        }
    }
}

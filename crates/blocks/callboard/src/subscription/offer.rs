//! Deliveries: which ones to take, and which ones only the log can judge.

use std::collections::{HashMap, HashSet};

use crate::event::Recorded;
use crate::log::LogReader;
use crate::names::{Checkpoint, Position};
use crate::subscription::runner::{Origin, RunError, Runner};
use crate::subscription::{Delivery, Foreign, Lock, Subscriber, Verdict, judge};

/// Deliveries sorted against a checkpoint.
struct Sifted<'a> {
    /// The gapless run that continues the checkpoint.
    run: Vec<Recorded>,
    /// Everything that isn't a duplicate, with its index: the run's events, copies of them, what
    /// stands behind a gap, what is of another timeline.
    candidates: Vec<(usize, &'a Recorded)>,
    /// What can't be read.
    foreign: Vec<Foreign>,
    duplicates: usize,
}

/// `since` is where the subscriber stood when these deliveries were offered first: what was applied
/// by a try that failed halfway is no duplicate.
fn sift(checkpoint: Checkpoint, since: Checkpoint, deliveries: &[Delivery]) -> Sifted<'_> {
    let mut at = checkpoint;
    let mut sifted = Sifted {
        run: Vec::new(),
        candidates: Vec::new(),
        foreign: Vec::new(),
        duplicates: 0,
    };
    for (index, delivery) in deliveries.iter().enumerate() {
        match &delivery.event {
            Err(reason) => sifted.foreign.push(Foreign {
                index,
                reason: reason.clone(),
            }),
            Ok(event) if judge(checkpoint, event) == Verdict::Duplicate => {
                sifted.duplicates += usize::from(judge(since, event) == Verdict::Duplicate);
            }
            Ok(event) => {
                sifted.candidates.push((index, event));
                if judge(at, event) == Verdict::Next {
                    at = event.checkpoint();
                    sifted.run.push(event.clone());
                }
            }
        }
    }
    sifted
}

/// Whether the run behind `checkpoint` holds this very event.
fn holds(run: &[Recorded], checkpoint: Checkpoint, event: &Recorded) -> bool {
    let place = event.position.get().checked_sub(checkpoint.position.next().get());
    place
        .and_then(|place| run.get(usize::try_from(place).ok()?))
        .is_some_and(|taken| taken.id == event.id)
}

impl<S: Subscriber, R: LogReader> Runner<S, R> {
    /// Takes deliveries: applies what is next, drops what was applied, and reads the log for what
    /// is missing. Afterwards all of them may be acknowledged; the ones returned are not the
    /// log's and go to the dead letters.
    ///
    /// # Errors
    /// [`RunError::Stopped`] when the subscriber has stopped; otherwise retry with the same ones.
    pub async fn offer(&mut self, deliveries: &[Delivery]) -> Result<Vec<Foreign>, RunError> {
        self.heard += deliveries.len() as u64;
        self.status.send_if_modified(|status| status.deaf.take().is_some());
        self.start().await?;
        let before = self.at();
        let since = *self.offered_at.get_or_insert(before);
        let Sifted {
            run,
            mut candidates,
            mut foreign,
            duplicates,
        } = sift(before, since, deliveries);
        let (offered, mut ours) = (candidates.len(), 0);
        if self.apply(&run, Lock::Wait, Origin::Feed).await? {
            candidates.retain(|(_, event)| !holds(&run, before, event));
            ours = run.len();
        }
        let unreadable = foreign.len();
        if !candidates.is_empty() {
            self.status.send_modify(|status| status.gaps += 1);
            let (strange, held) = self.resolve(&candidates).await?;
            foreign.extend(strange);
            ours += held;
        }
        let copies = offered - (foreign.len() - unreadable) - ours;
        self.status.send_modify(|status| {
            status.duplicates += (duplicates + copies) as u64;
            status.foreign += foreign.len() as u64;
        });
        foreign.sort_by_key(|foreign| foreign.index);
        self.offered_at = None;
        Ok(foreign)
    }

    /// Reads the log to its head and judges by it: the deliveries that it doesn't hold, and how
    /// many different ones it does.
    async fn resolve(&mut self, open: &[(usize, &Recorded)]) -> Result<(Vec<Foreign>, usize), RunError> {
        let wanted: HashSet<Position> = open.iter().map(|(_, event)| event.position).collect();
        let mut held: HashMap<Position, uuid::Uuid> = HashMap::new();
        self.read_on(Lock::Wait, |recorded| {
            if wanted.contains(&recorded.position) {
                held.insert(recorded.position, recorded.id);
            }
        })
        .await?;
        self.look_up(wanted, &mut held).await?;
        let mut ours = HashSet::new();
        let mut foreign = Vec::new();
        for (index, event) in open {
            let reason = match held.get(&event.position) {
                Some(id) if *id == event.id => {
                    ours.insert(*id);
                    continue;
                }
                Some(_) => "the log holds another event at this position".into(),
                None => format!("position {} is beyond the log's head", event.position),
            };
            foreign.push(Foreign { index: *index, reason });
        }
        Ok((foreign, ours.len()))
    }

    /// What the log holds at the positions that its reading on didn't come by: at or before the
    /// checkpoint, or behind the place where another replica took over.
    async fn look_up(
        &self,
        wanted: HashSet<Position>,
        held: &mut HashMap<Position, uuid::Uuid>,
    ) -> Result<(), RunError> {
        let unseen: Vec<Position> = wanted.into_iter().filter(|wanted| !held.contains_key(wanted)).collect();
        if unseen.is_empty() {
            return Ok(());
        }
        let head = self.reader.head().await?.position;
        for position in unseen.into_iter().filter(|position| *position <= head) {
            let Some(before) = position.get().checked_sub(1) else {
                continue;
            };
            let slice = self.reader.read(Position::new(before), 1).await?;
            if let Some(event) = slice.events.first() {
                held.insert(position, event.id);
            }
        }
        Ok(())
    }
}

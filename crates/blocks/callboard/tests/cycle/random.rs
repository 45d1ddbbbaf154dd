//! Whatever clocks, faults and restarts do to two replicas: each date once, none out of order, and none
//! left out that the zone had.

use std::time::Duration;

use callboard::cycle::{CycleError, Cycler, MissedDays};
use callboard::memory::MemoryLog;
use jiff::civil::{Date, date};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use proptest::prelude::*;

use crate::calendar::CycleDay;
use crate::support::{Fault, FaultyLog, eventually, soon};
use crate::{HostClock, Replica, dates};

/// Zones, each with a day from which on 45 days hold what is odd about it, and the date that it skipped.
const ZONES: [(&str, &str, Option<Date>); 4] = [
    ("UTC", "2024-02-10T00:00:00Z", None),
    ("Europe/Vienna", "2026-03-01T00:00:00Z", None),
    ("America/Sao_Paulo", "2018-10-20T00:00:00Z", None),
    ("Pacific/Apia", "2011-12-10T00:00:00Z", Some(date(2011, 12, 30))),
];

const MINUTES: i64 = 45 * 24 * 60;

#[derive(Debug, Clone)]
enum Step {
    /// A replica's clock is set to so many minutes behind the first day.
    Clock(usize, i64),
    /// A replica's clock goes on by so many minutes.
    GoOn(usize, u64),
    Look(usize),
    Both,
    Restart(usize),
    /// What a replica's next appends meet.
    Faults(usize, Vec<Fault>),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let fault = prop::sample::select(vec![Fault::Fine, Fault::AnswerLost, Fault::Lost, Fault::Away]);
    let step = prop_oneof![
        3 => (0..2usize, 0..MINUTES).prop_map(|(replica, minutes)| Step::Clock(replica, minutes)),
        3 => (0..2usize, 0..3_000u64).prop_map(|(replica, minutes)| Step::GoOn(replica, minutes)),
        6 => (0..2usize).prop_map(Step::Look),
        3 => Just(Step::Both),
        2 => (0..2usize).prop_map(Step::Restart),
        2 => (0..2usize, prop::collection::vec(fault, 1..6))
            .prop_map(|(replica, faults)| Step::Faults(replica, faults)),
    ];
    prop::collection::vec(step, 1..40)
}

/// A replica with the one cycler that runs in it.
struct Running {
    replica: Replica,
    cycler: Cycler<CycleDay, FaultyLog>,
}

struct Calendars {
    log: MemoryLog,
    zone: TimeZone,
    missed: MissedDays,
    first: Timestamp,
    running: [Option<Running>; 2],
    /// The largest local date that a look saw.
    seen: Option<Date>,
}

impl Calendars {
    async fn new(zone: &str, first: &str, missed: MissedDays) -> Self {
        let mut calendars = Self {
            log: MemoryLog::new(),
            zone: TimeZone::get(zone).expect("a time zone"),
            missed,
            first: first.parse().expect("a time"),
            running: [None, None],
            seen: None,
        };
        for replica in 0..2 {
            let clock = HostClock::new(first);
            calendars.running[replica] = Some(calendars.start(clock).await);
        }
        calendars
    }

    async fn start(&self, clock: HostClock) -> Running {
        let replica = Replica::start(&self.log, "1970-01-01T00:00:00Z").await;
        let replica = Replica {
            clock,
            zone: self.zone.clone(),
            missed: self.missed,
            ..replica
        };
        let cycler = replica.cycler();
        Running { replica, cycler }
    }

    fn of(&mut self, replica: usize) -> &mut Running {
        self.running[replica].as_mut().expect("it runs")
    }

    fn local(&self, replica: usize) -> Date {
        let running = self.running[replica].as_ref().expect("it runs");
        let now = *running.replica.clock.0.lock().expect("no panic");
        now.to_zoned(self.zone.clone()).date()
    }

    async fn take(&mut self, step: Step) {
        match step {
            Step::Clock(replica, minutes) => {
                let now = self.first + minutes.minutes();
                *self.of(replica).replica.clock.0.lock().expect("no panic") = now;
            }
            Step::GoOn(replica, minutes) => {
                let by = Duration::from_secs(minutes * 60);
                self.of(replica).replica.clock.go_on(by);
            }
            Step::Look(replica) => {
                // What fails is taken up by a later look.
                let _ = self.look(replica).await;
            }
            Step::Both => self.both().await,
            Step::Restart(replica) => {
                let Running { replica: ended, .. } = self.running[replica].take().expect("it runs");
                let clock = ended.clock.clone();
                ended.stop().await;
                self.running[replica] = Some(self.start(clock).await);
            }
            Step::Faults(replica, faults) => self.of(replica).replica.log.next_appends(faults),
        }
    }

    async fn look(&mut self, replica: usize) -> Result<(), CycleError> {
        let today = self.local(replica);
        self.seen = self.seen.max(Some(today));
        let Running { replica, cycler } = self.of(replica);
        soon(cycler.run_once(&replica.shutdown)).await?;
        let newest = dates(&self.log).await.last().copied();
        assert!(newest >= Some(today), "{newest:?} after a look on {today}");
        Ok(())
    }

    /// Both replicas look at once.
    async fn both(&mut self) {
        self.seen = self.seen.max(Some(self.local(0))).max(Some(self.local(1)));
        let [Some(a), Some(b)] = &mut self.running else {
            panic!("both run")
        };
        let looks = [a, b].map(|Running { replica, cycler }| cycler.run_once(&replica.shutdown));
        // What fails is taken up by a later look.
        let _ = soon(futures::future::join_all(looks)).await;
    }

    async fn hold(&self, skipped: Option<Date>) {
        let dates = dates(&self.log).await;
        assert!(dates.last().copied() <= self.seen, "no look saw {:?}", dates.last());
        for pair in dates.windows(2) {
            assert!(pair[0] < pair[1], "{} comes behind {}", pair[1], pair[0]);
            let next = pair[0].tomorrow().ok();
            let next = next
                .filter(|next| Some(*next) != skipped)
                .or(next.and_then(|next| next.tomorrow().ok()));
            assert!(
                self.missed == MissedDays::Newest || next == Some(pair[1]),
                "{} comes right behind {}",
                pair[1],
                pair[0]
            );
        }
        assert!(
            dates.iter().all(|date| Some(*date) != skipped),
            "the zone had no such date"
        );
    }

    /// Without faults, whoever looks at the latest date of all brings the calendar to it.
    async fn ends_well(mut self, skipped: Option<Date>) {
        let latest = self.seen.unwrap_or_else(|| self.local(0));
        let noon = latest.at(12, 0, 0, 0).to_zoned(self.zone.clone()).expect("a time");
        let Running { replica, .. } = self.of(0);
        replica.log.forget_faults();
        *replica.clock.0.lock().expect("no panic") = noon.timestamp();
        // The writer may still be at what met the last fault, and refuses what comes meanwhile.
        eventually(async || self.look(0).await.is_ok()).await;
        self.hold(skipped).await;
        assert_eq!(dates(&self.log).await.last().copied(), Some(latest));
        for running in self.running.into_iter().flatten() {
            running.replica.stop().await;
        }
    }
}

async fn go_through(zone: usize, missed: MissedDays, steps: Vec<Step>) {
    let (name, first, skipped) = ZONES[zone];
    let mut calendars = Calendars::new(name, first, missed).await;
    for step in steps {
        calendars.take(step).await;
        calendars.hold(skipped).await;
    }
    calendars.ends_well(skipped).await;
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_clocks_faults_and_restarts_do_each_date_is_cycled_once_and_in_order(
        zone in 0..ZONES.len(),
        newest: bool,
        steps in steps(),
    ) {
        let missed = if newest { MissedDays::Newest } else { MissedDays::Each };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
        runtime.expect("a runtime").block_on(go_through(zone, missed, steps));
    }
}

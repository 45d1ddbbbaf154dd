//! How soon an accepted command is visible to a query, at a rate that answers don't change.

use anyhow::Result;
use callboard_rabbitmq::testing::Bare;

use crate::load::{Outcome, Times, open};
use crate::options::Options;
use crate::service::{Deployment, Kind};
use crate::table::{Figure, Table};

const RATES: [u64; 3] = [200, 1_000, 2_000];
/// How often a message goes to the broker and back.
const ROUND_TRIPS: usize = 500;
/// A body of the size that the warehouse's have.
pub(super) const BODY: &[u8] = br#"{"sku":"sku-123","quantity":1,"quantity_on_hand":12345}"#;

/// Two quantiles, run by run.
#[derive(Default)]
struct Taken {
    p50: Figure,
    p99: Figure,
}

impl Taken {
    fn take(&mut self, times: &Times) {
        self.p50.take(times.quantile(0.5));
        self.p99.take(times.quantile(0.99));
    }
}

pub(super) async fn take(options: &Options, table: &mut Table) -> Result<()> {
    let (pair, inline) = (Deployment::new().await?, Deployment::new().await?);
    let (command, projector) = (pair.start(Kind::Command).await?, pair.start(Kind::Projector).await?);
    let both = inline.start(Kind::Inline).await?;
    let bare = Bare::connect().await;
    for rate in RATES {
        eprintln!("visible: {rate} commands/s");
        let (mut answers, mut visible, mut inlined, mut broker) = Default::default();
        for _ in 0..options.runs {
            let outcome: Outcome = open(command.http, projector.http, rate, options.time()).await?;
            Taken::take(&mut answers, &outcome.answers);
            Taken::take(&mut visible, &outcome.visible);
            let outcome = open(both.http, both.http, rate, options.time()).await?;
            Taken::take(&mut inlined, &outcome.visible);
            let trips = bare.round_trips(ROUND_TRIPS, BODY).await;
            Taken::take(&mut broker, &trips.into_iter().collect());
        }
        let mut row = |quantile: &str, ours: &Figure, beside: &str, other: &Figure| {
            table.row(format!("visible after, {rate}/s, {quantile}, ms"), ours, beside, other);
        };
        row("p50", &visible.p50, "the POST's own answer", &answers.p50);
        row("p99", &visible.p99, "the POST's own answer", &answers.p99);
        row("p50", &visible.p50, "inline", &inlined.p50);
        row("p99", &visible.p99, "inline", &inlined.p99);
        row("p50", &visible.p50, "a bare round trip to the broker", &broker.p50);
    }
    bare.release().await;
    both.stop().await?;
    command.stop().await?;
    projector.stop().await
}

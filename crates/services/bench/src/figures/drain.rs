//! How fast the pair applies a backlog, beside a bare publisher and a bare consumer.

use std::time::Instant;

use anyhow::{Result, ensure};
use callboard_rabbitmq::testing::Bare;
use conformance::backlog;

use super::visible::BODY;
use crate::client::Client;
use crate::options::Options;
use crate::service::{Deployment, Kind};
use crate::table::{Figure, Table};

pub(super) async fn take(options: &Options, table: &mut Table) -> Result<()> {
    let (mut ours, mut published, mut consumed) = (Figure::default(), Figure::default(), Figure::default());
    let count = usize::try_from(options.backlog)?;
    for run in 1..=options.runs {
        eprintln!("drain: run {run}");
        let pair = Deployment::new().await?;
        let projector = pair.start(Kind::Projector).await?;
        // Projections that have nothing to build anew, and queues that nobody has published to.
        let head = backlog::record(&pair.database, "sku", options.backlog).await;
        let begun = Instant::now();
        let command = pair.start(Kind::Command).await?;
        let mut client = Client::connect(projector.http).await?;
        loop {
            let answer = client.get_at("/warehouse/products/sku-0", "warehouse", head).await?;
            if answer.status == 200 {
                break;
            }
            ensure!(answer.status == 503, "a query was answered {}", answer.status);
        }
        ours.take(options.backlog as f64 / begun.elapsed().as_secs_f64());
        command.stop().await?;
        projector.stop().await?;

        let bare = Bare::connect().await;
        published.take(options.backlog as f64 / bare.publish(count, BODY).await.as_secs_f64());
        consumed.take(options.backlog as f64 / bare.consume(count).await.as_secs_f64());
        bare.release().await;
    }
    let beside = "a bare publisher, 1,000 confirms in flight";
    table.row("drain of a backlog, events/s", &ours, beside, &published);
    table.row("drain of a backlog, events/s", &ours, "a bare consumer", &consumed);
    Ok(())
}

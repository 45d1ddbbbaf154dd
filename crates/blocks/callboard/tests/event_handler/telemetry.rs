//! What the pipeline tells of itself at each stage.

use std::time::Duration;

use callboard::event_handler::testing::DummyProducer;
use callboard::pipeline::{Batcher as Gathers, Outcome, PipelineConfig, Retry};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};

use crate::scripted::{Answer, Batcher, Letters, Scripted};
use crate::{handled, send, soon, stored};

/// The value of the one line that begins so.
fn shown(metrics: &PrometheusHandle, name: &str) -> f64 {
    let page = metrics.render();
    let mut lines = page.lines().filter(|line| line.starts_with(&format!("{name}{{")));
    let line = lines.next().unwrap_or_else(|| panic!("no {name}: {page}"));
    assert_eq!(lines.next(), None, "{page}");
    assert!(line.contains("subscriber=\"scripted\""), "{line}");
    let (_, value) = line.rsplit_once(' ').expect("a value");
    value.parse().expect("a number")
}

#[tokio::test(start_paused = true)]
async fn each_stage_of_the_pipeline_is_counted() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let metrics = recorder.handle();
    let _recording = metrics::set_default_local_recorder(&recorder);
    let mail = Gathers {
        name: "mail",
        size: 3,
        max_age: Duration::from_secs(10),
        concurrency: 1,
    };
    let handler = Scripted::with(PipelineConfig {
        batchers: vec![mail],
        retry: Retry {
            tries: 3,
            ..Retry::default()
        },
        ..PipelineConfig::default()
    });
    // Of 7 events one fails twice before it is handled, one fails for good, and one waits behind it.
    handler.answers(4, [Answer::Later(None), Answer::Later(None)]);
    handler.answers(5, [Answer::Never]);
    let mut producer = DummyProducer::new(handler.clone()).await;
    let mut batch = Vec::new();
    for stream in ["a", "b", "c"] {
        let paris = Some((Batcher::Mail, "paris".to_owned()));
        batch.push(producer.produce(stream, Letters::Sent { batch: paris }).await);
    }
    for event in &mut batch {
        assert!(handled(&soon(event.done()).await));
    }
    let mut failing = send(&mut producer, "d").await;
    let mut hopeless = send(&mut producer, "e").await;
    assert!(matches!(soon(hopeless.done()).await, Outcome::Parked(_)));
    let mut behind = send(&mut producer, "e").await;
    assert!(matches!(soon(behind.done()).await, Outcome::Parked(_)));
    assert_eq!(
        shown(&metrics, "callboard_handler_undone"),
        1.0,
        "the failing one waits"
    );
    assert!(handled(&soon(failing.done()).await));
    let mut last = send(&mut producer, "f").await;
    assert!(handled(&soon(last.done()).await));
    stored(&producer, 7).await;
    for (name, value) in [
        ("callboard_handler_taken_total", 7.0),
        ("callboard_handler_handled_total", 5.0),
        ("callboard_handler_failed_tries_total", 3.0),
        ("callboard_handler_parked_total", 2.0),
        ("callboard_handler_undone", 0.0),
        ("callboard_handler_running", 0.0),
        ("callboard_handler_batch_events_count", 1.0),
        ("callboard_handler_batch_events_sum", 3.0),
        ("callboard_handler_try_seconds_count", 6.0),
    ] {
        assert_eq!(shown(&metrics, name), value, "{name}");
    }
}

//! A short run of the cheap faults, and what a run refuses.

use chaos::Options;
use chaos::fault::Fault;

/// Faults after which everything is well again at once.
const CHEAP: [Fault; 16] = [
    Fault::KillCommand,
    Fault::KillProjector,
    Fault::AbortSubscriber,
    Fault::PauseCommand,
    Fault::CutBroker,
    Fault::CutDatabase,
    Fault::LoseAnswers,
    Fault::TerminateBackends,
    Fault::LockLog,
    Fault::PurgeQueue,
    Fault::DeleteQueue,
    Fault::ForeignMessage,
    Fault::DisorderedMessages,
    Fault::SecondRelay,
    Fault::ClientsVanish,
    Fault::FailWebhook,
];

fn options(count: usize, faults: &[Fault]) -> Options {
    Options {
        minutes: 1.0,
        count: Some(count),
        seed: Some(1),
        faults: faults.to_vec(),
        clients: 8,
        own_servers: false,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_short_chaos_loses_doubles_and_disorders_nothing() {
    let report = chaos::run(&options(CHEAP.len(), &CHEAP)).await.expect("it runs");
    eprintln!("{report}");
    assert!(report.is_clean(), "{report}");
    assert_eq!(report.injected(), CHEAP.len(), "{report}");
    assert_eq!(report.rows.len(), CHEAP.len(), "{report}");
    let checked = &report.checked;
    assert!(report.accepted > 50 && checked.notifications > 0, "{report}");
    assert!(checked.fees > 0 && checked.posts > 0, "{report}");
    assert!(report.logs.is_none(), "logs are kept of what failed only");
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_of_others_are_never_killed() {
    let refused = chaos::run(&options(1, &[Fault::KillBroker, Fault::StopDatabase])).await;
    let error = refused.expect_err("they are not the run's own").to_string();
    assert!(error.contains("not the run's own"), "{error}");
}

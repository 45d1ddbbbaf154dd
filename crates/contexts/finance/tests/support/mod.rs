//! A log with its writer, both in memory.

use callboard::log::LogReader;
use callboard::memory::MemoryLog;
use callboard::writer::{AnyCommand, Writer, WriterConfig};
use callboard::{CommandContext, CommandError, Commands, Context, Position, Recorded};
use finance::{Finance, FinanceEvent};
use tokio_util::sync::{CancellationToken, DropGuard};

pub struct Books {
    pub log: MemoryLog,
    pub commands: Commands<Finance>,
    _writer: DropGuard,
}

impl Books {
    pub fn new() -> Self {
        let (log, stop) = (MemoryLog::new(), CancellationToken::new());
        let (writer, commands) = Writer::new(log.clone(), &Finance::router(), (), WriterConfig::default());
        tokio::spawn(writer.run(stop.clone()));
        Self {
            log,
            commands,
            _writer: stop.drop_guard(),
        }
    }

    /// Executes so many commands, a handful at a time so that they share batches; returns how many
    /// were done and the rules that refused the others.
    pub async fn execute(
        &self,
        many: usize,
        mut next: impl FnMut() -> Box<dyn AnyCommand<Finance>>,
    ) -> (usize, Vec<&'static str>) {
        let (mut done, mut refused) = (0, Vec::new());
        let mut left = many;
        while left > 0 {
            let handful = left.min(7);
            left -= handful;
            let answers: Vec<_> = (0..handful)
                .map(|_| {
                    let sent = self
                        .commands
                        .try_send(next(), CommandContext::default(), tracing::Span::none());
                    sent.expect("the queue has room")
                })
                .collect();
            for answer in answers {
                match answer.get().await {
                    Ok(_) => done += 1,
                    Err(CommandError::Refused(refusal)) => refused.push(refusal.rule),
                    Err(fault) => panic!("{fault:?}"),
                }
            }
        }
        (done, refused)
    }

    pub async fn events(&self) -> Vec<Recorded<FinanceEvent>> {
        let slice = self
            .log
            .read(Position::START, usize::MAX)
            .await
            .expect("a log in memory");
        slice
            .events
            .iter()
            .map(|event| event.decode().expect("an event decodes to itself"))
            .collect()
    }
}

/// Runs a case on a runtime of its own.
pub fn block_on<T>(case: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime")
        .block_on(case)
}

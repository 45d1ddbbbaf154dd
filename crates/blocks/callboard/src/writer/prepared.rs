//! A command in a batch, with what is asked of it only once.

use std::panic::{AssertUnwindSafe, catch_unwind};

use uuid::Uuid;

use crate::aggregate::StateType;
use crate::command::Reads;
use crate::event::Log;
use crate::log::{Fingerprint, IdempotencyKey};
use crate::names::StreamName;
use crate::panic_text;
use crate::receipt::CommandError;
use crate::writer::decide::fault;
use crate::writer::queue::Request;

/// A request with what is asked of its command only once.
pub(super) struct Prepared<L: Log> {
    pub(super) request: Request<L>,
    pub(super) reads: Reads<L>,
    pub(super) fingerprint: Fingerprint,
    pub(super) stream: StreamName,
    pub(super) seed: Uuid,
}

impl<L: Log> Prepared<L> {
    /// Asks a command for its stream, reads and fingerprint; a panic is answered at once.
    pub(super) fn new(request: Request<L>) -> Option<Self> {
        let command = &request.command;
        let asked = catch_unwind(AssertUnwindSafe(|| {
            let stream = command.stream();
            let mut reads = command.reads();
            if !reads.streams.iter().any(|(read, _)| *read == stream) {
                reads.streams.push((stream.clone(), StateType::version_only()));
            }
            let keyed = request.context.key.is_some();
            let fingerprint = request.context.fingerprint.unwrap_or_else(|| {
                if keyed {
                    command.fingerprint()
                } else {
                    Fingerprint::default()
                }
            });
            (stream, reads, fingerprint)
        }));
        match asked {
            Ok((stream, reads, fingerprint)) => Some(Self {
                request,
                reads,
                fingerprint,
                stream,
                seed: Uuid::now_v7(),
            }),
            Err(panic) => {
                let fault = fault(request.command.name(), &panic_text(&*panic));
                request.refuse(fault);
                None
            }
        }
    }

    pub(super) fn key(&self) -> Option<&IdempotencyKey> {
        self.request.context.key.as_ref()
    }

    /// Answers the client while the command itself stays in the batch.
    pub(super) fn answer_early(&mut self, error: CommandError) {
        self.request.reply.take().send(Err(error));
    }
}

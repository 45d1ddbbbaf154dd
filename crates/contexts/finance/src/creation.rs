//! Creations over HTTP: the client gives the id, or the service makes one.

use callboard::Command;
use callboard::writer::fingerprint;
use callboard_http::{CommandRequest, Done, Problem};
use serde::Serialize;
use uuid::Uuid;

use crate::event::Finance;

/// Executes the command that creates a thing. A repeat under the same idempotency key is known by
/// the `body` as the client sent it, so that an id of ours doesn't make it another command.
pub(crate) async fn create<C: Command<Log = Finance>, I: From<Uuid> + Copy>(
    request: CommandRequest<Finance>,
    id: Option<I>,
    body: &impl Serialize,
    command: impl FnOnce(I) -> C,
) -> Result<Done, Problem> {
    match id {
        Some(id) => request.execute(command(id)).await,
        None => {
            let request = request.fingerprint(fingerprint(C::NAME, None, body));
            request.execute(command(Uuid::now_v7().into())).await
        }
    }
}

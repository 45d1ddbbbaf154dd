//! The list of contexts. A new one costs a line in each function.

use callboard::Log;
use callboard_http::HttpContext;

/// Takes each context by its type.
pub trait Mount {
    /// Takes a context.
    fn mount<C: HttpContext>(&mut self) -> impl Future<Output = anyhow::Result<()>> + Send;
}

/// Every context, in order.
///
/// # Errors
/// What the first context fails with.
pub async fn mount_all(to: &mut impl Mount) -> anyhow::Result<()> {
    to.mount::<warehouse::Warehouse>().await?;
    to.mount::<tickets::Tickets>().await?;
    Ok(())
}

/// The names of all logs.
pub const LOGS: &[&str] = &[<warehouse::Warehouse as Log>::NAME, <tickets::Tickets as Log>::NAME];

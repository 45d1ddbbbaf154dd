//! The database's clock, which all replicas share.

use callboard::cycle::Clock;
use callboard::log::Source;
use futures::future::{BoxFuture, FutureExt};
use jiff::Timestamp;

use crate::database::Database;

/// The database's clock: one that is wrong on some host changes nothing.
impl Clock for Database {
    fn now(&self) -> BoxFuture<'_, Result<Timestamp, Source>> {
        let asked = sqlx::query_scalar::<_, jiff_sqlx::Timestamp>(include_str!("../queries/read_clock.sql"))
            .fetch_one(self.background());
        async { Ok(self.in_background(asked).await?.to_jiff()) }.boxed()
    }
}

//! Views: the tables that projections keep, for queries.

use std::marker::PhantomData;
use std::sync::Arc;

use callboard::log::Source;
use callboard::view::ViewStore;
use callboard::{Log, Page, Position, Projection, Standing, View, ViewError, Views};
use futures::future::BoxFuture;
use serde_json::Value;
use sqlx::{AssertSqlSafe, PgPool};
use tokio::sync::OnceCell;
use tokio::time::Instant;

use crate::database::{Database, within};
use crate::error::{Class, classify};
use crate::projection::{Table, as_text};

/// The views of a database.
#[derive(Debug, Clone)]
pub struct PgViews {
    database: Database,
}

impl PgViews {
    /// The views of this database, read through its pool for queries.
    pub fn new(database: &Database) -> Self {
        Self {
            database: database.clone(),
        }
    }
}

impl Views for PgViews {
    fn view<P: Projection>(&self) -> View<P> {
        Arc::new(PgView::<P>::new(&self.database))
    }
}

/// The view that `P` keeps.
pub struct PgView<P> {
    database: Database,
    table: OnceCell<Table>,
    projection: PhantomData<fn() -> P>,
}

impl<P: Projection> PgView<P> {
    /// The view of `P` in this database.
    pub fn new(database: &Database) -> Self {
        Self {
            database: database.clone(),
            table: OnceCell::new(),
            projection: PhantomData,
        }
    }

    fn pool(&self) -> &PgPool {
        self.database.queries()
    }

    async fn table(&self) -> Result<&Table, Source> {
        let look_up = || async { Table::look_up::<P>(&mut *self.pool().acquire().await?).await };
        self.table.get_or_try_init(look_up).await
    }

    async fn reading<T>(&self, read: impl Future<Output = Result<T, Source>>) -> Result<T, ViewError> {
        let read = within(self.database.query_deadline(), read).await;
        read.map_err(|source| ViewError { view: P::NAME, source })
    }

    async fn read_row(&self, key: &P::Key) -> Result<Option<P::Row>, Source> {
        let table = self.table().await?;
        let mut query = sqlx::query_scalar(AssertSqlSafe(table.get.as_str()));
        for part in table.key_parts::<P>(key)? {
            query = query.bind(as_text(&part));
        }
        let row: Option<String> = matching(query.fetch_optional(self.database.for_view()).await)?.flatten();
        Ok(row.map(|row| serde_json::from_str(&row)).transpose()?)
    }

    async fn read_page(&self, page: &Page) -> Result<Vec<P::Row>, Source> {
        let (statement, values) = page_statement::<P>(self.table().await?, page)?;
        let mut query = sqlx::query_scalar(AssertSqlSafe(statement)).bind(i64::try_from(page.limit)?);
        for value in values {
            query = query.bind(value);
        }
        let rows: Vec<String> = matching(query.fetch_all(self.database.for_view()).await)?.unwrap_or_default();
        Ok(rows
            .iter()
            .map(|row| serde_json::from_str(row))
            .collect::<Result<_, _>>()?)
    }

    async fn read_standing(&self) -> Result<Standing, Source> {
        let (position, parked): (i64, i64) = sqlx::query_as(include_str!("../queries/read_view_position.sql"))
            .bind(P::Log::NAME)
            .bind(P::NAME)
            .fetch_one(self.pool())
            .await?;
        Ok(Standing {
            position: Position::new(position.unsigned_abs()),
            parked: parked.unsigned_abs(),
        })
    }

    async fn wait(&self, position: Position, deadline: Instant) -> Result<Standing, ViewError> {
        // Watches before it looks, so that nothing falls between.
        let mut watch = self.database.watcher().watch((P::Log::NAME, P::NAME));
        watch.standing.mark_unchanged();
        let mut found = self.reading(self.read_standing()).await?;
        while found.position < position {
            if tokio::time::timeout_at(deadline, watch.standing.changed())
                .await
                .is_err()
            {
                break;
            }
            found = *watch.standing.borrow_and_update();
        }
        Ok(found)
    }
}

impl<P: Projection> ViewStore<P> for PgView<P> {
    fn get<'a>(&'a self, key: &'a P::Key) -> BoxFuture<'a, Result<Option<P::Row>, ViewError>> {
        Box::pin(self.reading(self.read_row(key)))
    }

    fn page<'a>(&'a self, page: &'a Page) -> BoxFuture<'a, Result<Vec<P::Row>, ViewError>> {
        Box::pin(self.reading(self.read_page(page)))
    }

    fn standing(&self) -> BoxFuture<'_, Result<Standing, ViewError>> {
        Box::pin(self.reading(self.read_standing()))
    }

    fn wait_for(&self, position: Position, deadline: Instant) -> BoxFuture<'_, Result<Standing, ViewError>> {
        Box::pin(self.wait(position, deadline))
    }
}

/// A value that isn't of its column's type (a cursor that somebody made up) matches no row.
fn matching<T>(outcome: Result<T, sqlx::Error>) -> Result<Option<T>, sqlx::Error> {
    match outcome {
        Err(error) if classify(&error) == Class::Data => Ok(None),
        outcome => outcome.map(Some),
    }
}

/// The statement for a page, and the values for its places behind the limit.
fn page_statement<P: Projection>(table: &Table, page: &Page) -> Result<(String, Vec<String>), Source> {
    let mut values = Vec::new();
    let mut conditions = Vec::new();
    // Each value travels as text and is cast to its column's type, so that indexes serve.
    let place = |values: &mut Vec<String>, text: String, type_name: &str| {
        values.push(text);
        format!("${}::text::{type_name}", values.len() + 1)
    };
    for (name, value) in &page.equal {
        let column = table.column(name)?;
        conditions.push(match as_text(value) {
            Some(text) => format!("{} = {}", column.ordered(), place(&mut values, text, &column.type_name)),
            None => format!("{} is null", column.ordered()),
        });
    }
    let order = page
        .order_by
        .iter()
        .chain(P::KEY)
        .map(|name| table.column(name))
        .collect::<Result<Vec<_>, _>>()?;
    let columns = order
        .iter()
        .map(|column| column.ordered())
        .collect::<Vec<_>>()
        .join(", ");
    if let Some(after) = &page.after {
        conditions.push(if after.len() == order.len() && !after.contains(&Value::Null) {
            let places = order
                .iter()
                .zip(after)
                .map(|(column, value)| place(&mut values, as_text(value).unwrap_or_default(), &column.type_name));
            let places = places.collect::<Vec<_>>().join(", ");
            format!("({columns}) > ({places})")
        } else {
            "false".into()
        });
    }
    if conditions.is_empty() {
        conditions.push("true".into());
    }
    let statement = table
        .fill(include_str!("../queries/page_rows.template.sql"))
        .replace("{conditions}", &conditions.join(" and "))
        .replace("{order}", &columns);
    Ok((statement, values))
}

//! A subscriber of our own, on the same engine, whose rows show what nobody else's can: the shipped
//! views say how much is on hand, which is the same however often an event is applied. This one
//! counts. Two replicas of it run in this process.

use anyhow::{Context, Result};
use callboard::subscription::Supervisor;
use callboard::{Projection, Recorded};
use callboard_postgres::testing::TestDatabase;
use callboard_postgres::{Database, DatabaseConfig, PgLog, PgProjection};
use callboard_rabbitmq::testing::{Proxy, Sandbox, amqp_url};
use callboard_rabbitmq::{Broker, QueueFeeds, Topology};
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use warehouse::product::Sku;
use warehouse::{Warehouse, WarehouseEvent};

use crate::world::{LOG, database_proxy};

/// Its table, in the run's own database.
pub const TABLE: &str = r#"
    create schema chaos;
    create table chaos.tally (
        sku    text collate "C" not null,
        events bigint not null,
        trace  bigint not null,
        constraint tally_pkey primary key (sku)
    );
    grant usage on schema chaos to callboard_service;
    grant select, insert, update, delete on chaos.tally to callboard_service;
"#;

/// Counts each product's events, and keeps a trace of their order.
#[derive(Debug)]
pub struct Tally;

/// A product's row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TallyRow {
    /// Which product.
    pub sku: Sku,
    /// How many events were applied.
    pub events: i64,
    /// Another number for each order in which they were.
    pub trace: i64,
}

impl Projection for Tally {
    type Log = Warehouse;
    type Key = Sku;
    type Row = TallyRow;

    const NAME: &'static str = "tally";
    const VERSION: u32 = 1;
    const TABLE: &'static str = "chaos.tally";
    const KEY: &'static [&'static str] = &["sku"];

    fn keys(event: &WarehouseEvent) -> Vec<Sku> {
        vec![event.sku().clone()]
    }

    fn fold(sku: &Sku, row: Option<TallyRow>, event: &Recorded<WarehouseEvent>) -> Option<TallyRow> {
        let (events, trace) = row.map_or((0, 0), |row| (row.events, row.trace));
        Some(TallyRow {
            sku: sku.clone(),
            events: events + 1,
            trace: trace.wrapping_mul(31).wrapping_add(event.position.get().cast_signed()),
        })
    }
}

/// A replica.
pub struct Keeper {
    /// Its network to the database.
    pub database: Proxy,
    /// Its network to the broker.
    pub broker: Proxy,
    // Kept when it is killed: pools and brokers are for the life of a process.
    connections: Database,
    client: Broker,
    topology: Topology,
    running: Mutex<JoinHandle<()>>,
}

impl Keeper {
    /// Starts one.
    ///
    /// # Errors
    /// When an address is none.
    pub async fn start(database: &TestDatabase, sandbox: &Sandbox) -> Result<Self> {
        // By this the backends of services are found.
        let name = "callboard-projector tally";
        let (database, database_url) = database_proxy(database.url()).await?;
        let config = DatabaseConfig {
            application_name: name.into(),
            ..DatabaseConfig::new(database_url)
        };
        let connections = Database::new(config).context("the database's URL")?;
        let broker = Proxy::start(&amqp_url()).await;
        let client = Broker::new(broker.url(), name).context("the broker's URL")?;
        let topology = sandbox.topology.clone();
        Ok(Self {
            running: Mutex::new(run(&connections, &client, &topology)),
            database,
            broker,
            connections,
            client,
            topology,
        })
    }

    /// Ends it in the middle of whatever it does, and starts it again.
    pub async fn kill(&self) {
        let mut running = self.running.lock().await;
        running.abort();
        *running = run(&self.connections, &self.client, &self.topology);
    }
}

fn run(connections: &Database, client: &Broker, topology: &Topology) -> JoinHandle<()> {
    let projection = PgProjection::<Tally>::new(connections);
    let log = PgLog::new::<Warehouse>(connections);
    let feeds = QueueFeeds::new(client, topology, LOG, Tally::NAME);
    tokio::spawn(Supervisor::new(projection, log, feeds).run(CancellationToken::new()))
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.running.get_mut().abort();
    }
}

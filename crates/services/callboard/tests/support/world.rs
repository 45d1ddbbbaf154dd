//! A database, a prefix on the broker and a login of one's own, and services on them.

use std::collections::BTreeMap;

use callboard_postgres::testing::TestDatabase;
use callboard_rabbitmq::testing::{Sandbox, amqp_url};
use conformance::system::{HANDLERS, SUBSCRIBERS};
use reqwest::Url;
use serde_json::Value;

use super::{Process, eventually, ready};

/// What no log may show.
const PASSWORD: &str = "correct-horse-battery-staple";
/// What no log may show of what a test sets, either.
const SECRET: [&str; 2] = ["TICKET_WEBHOOK_SECRET", "CALLBOARD_TOKEN_KEY"];
/// A subscriber of a test's own.
const OBSERVER: (&str, &str) = ("warehouse", "observer");

/// What one test has for itself.
pub struct World {
    pub database: TestDatabase,
    pub sandbox: Sandbox,
    login: String,
    environment: Vec<(String, String)>,
}

impl World {
    /// A migrated database, to which services log in with a password and without any right but the
    /// services' role.
    pub async fn new() -> Self {
        let database = TestDatabase::create().await;
        let login = format!("callboard_login_{}", uuid::Uuid::new_v4().simple());
        database
            .execute(&format!(
                "create role {login} login password '{PASSWORD}' in role callboard_service"
            ))
            .await;
        let mut url = Url::parse(database.url()).expect("a URL");
        url.set_username(&login).expect("it may have a user");
        url.set_password(Some(PASSWORD)).expect("it may have a password");
        Self::of(database, login, url.into())
    }

    /// A database without a schema, reached as its administrator.
    pub async fn empty() -> Self {
        let database = TestDatabase::create_empty().await;
        let url = database.url().to_owned();
        Self::of(database, String::new(), url)
    }

    fn of(database: TestDatabase, login: String, url: String) -> Self {
        let sandbox = Sandbox::new(&[SUBSCRIBERS, HANDLERS, &[OBSERVER]].concat());
        let set = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let mut environment = vec![
            set("DATABASE_URL", &url),
            set("AMQP_URL", &amqp_url()),
            // Several services share a server that takes 100.
            set("DATABASE_CONNECTIONS", "9"),
            set("MESSAGING_QUEUE_PREFIX", &sandbox.prefix),
            set("LOG_FORMAT", "json"),
        ];
        for address in [
            "COMMAND_HTTP_ADDR",
            "COMMAND_OPS_ADDR",
            "QUERY_HTTP_ADDR",
            "QUERY_OPS_ADDR",
        ] {
            environment.push(set(address, "127.0.0.1:0"));
        }
        Self {
            database,
            sandbox,
            login,
            environment,
        }
    }

    /// Sets a variable for what is started from now on.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.environment.retain(|(known, _)| known != name);
        self.environment.push((name.into(), value.into()));
        self
    }

    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.environment.retain(|(known, _)| known != name);
        self
    }

    pub fn variable(&self, name: &str) -> &str {
        let found = self.environment.iter().find(|(known, _)| known == name);
        &found.expect("the variable is set").1
    }

    pub fn environment(&self) -> Vec<(&str, &str)> {
        self.environment
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect()
    }

    /// Starts a service.
    pub fn start(&self, name: &str, args: &[&str]) -> Process {
        Process::start(name, args, &self.environment(), &self.secrets())
    }

    /// What no output may show.
    fn secrets(&self) -> Vec<&str> {
        let set = self
            .environment
            .iter()
            .filter(|(name, _)| SECRET.contains(&name.as_str()));
        let set = set.map(|(_, value)| value.as_str());
        [PASSWORD, "guest:guest"].into_iter().chain(set).collect()
    }

    /// Starts a service and waits until it is ready; its public address with it.
    pub async fn started(&self, name: &str, args: &[&str]) -> (Process, String) {
        let process = self.start(name, args);
        let (http, _) = process.addresses().await;
        ready(&process).await;
        (process, http)
    }

    /// Runs `callboard` to its end: its exit code, stdout and stderr.
    pub fn callboard(&self, args: &[&str]) -> (i32, String, String) {
        let output = super::run("callboard", args, &self.environment());
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("it speaks UTF-8");
        let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
        let said = format!("{stdout}{stderr}");
        for secret in self.secrets() {
            assert!(!said.contains(secret), "{args:?} shows {secret:?}");
        }
        (output.status.code().expect("it exits"), stdout, stderr)
    }

    /// As [`World::callboard`], for what must succeed and print JSON.
    pub fn callboard_json(&self, args: &[&str]) -> Value {
        let (code, stdout, stderr) = self.callboard(&[args, &["--json"]].concat());
        assert_eq!(code, 0, "{args:?}: {stderr}");
        serde_json::from_str(&stdout).unwrap_or_else(|error| panic!("{args:?}: {error}: {stdout}"))
    }

    /// What `status` says of a log.
    pub fn status_of(&self, log: &str) -> Value {
        self.of_log(&["status"], log)
    }

    /// The row that is about a log in what the CLI lists.
    pub fn of_log(&self, args: &[&str], log: &str) -> Value {
        let listed = self.callboard_json(args);
        let found = listed.as_array().expect("a list").iter().find(|row| row["log"] == log);
        found.unwrap_or_else(|| panic!("{listed}")).clone()
    }

    /// What `projections list` says of a projection.
    pub fn projection(&self, log: &str, name: &str) -> Value {
        let listed = self.callboard_json(&["projections", "list"]);
        let mut rows = listed.as_array().expect("a list").iter();
        let found = rows.find(|row| row["log"] == log && row["name"] == name);
        found.unwrap_or_else(|| panic!("{listed}")).clone()
    }

    pub async fn number(&self, query: &str) -> u64 {
        let texts = self.database.texts(query).await;
        texts.first().map_or(0, |text| text.parse().expect("a number"))
    }

    pub async fn head(&self) -> u64 {
        self.number("select coalesce(max(position), 0)::text from callboard.events where log = 'warehouse'")
            .await
    }

    /// Waits until every subscriber has come to the head, and no command is pending.
    pub async fn settled(&self) {
        eventually("every subscriber has come to the head", || async {
            let head = self.head().await;
            let behind = "select subscriber || ' at ' || position from callboard.checkpoints c where position < \
                 (select coalesce(max(e.position), 0) from callboard.events e where e.log = c.log) \
                 union all select 'pending ' || name from callboard.pending_commands";
            let behind = self.database.texts(behind).await;
            let subscribers = self.number("select count(*)::text from callboard.checkpoints").await;
            // A process manager may just have added to the log.
            let still = behind.is_empty() && subscribers >= 5 && self.head().await == head;
            if still {
                Ok(())
            } else {
                Err(format!("head {head}, behind: {behind:?}"))
            }
        })
        .await;
    }

    /// Every SKU with its quantity, as the read table has it.
    pub async fn products(&self) -> BTreeMap<String, i64> {
        let rows = self
            .database
            .texts("select sku || '=' || quantity from warehouse.products")
            .await;
        rows.iter()
            .map(|row| row.split_once('=').expect("a row"))
            .map(|(sku, quantity)| (sku.to_owned(), quantity.parse().expect("a number")))
            .collect()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if self.login.is_empty() {
            return;
        }
        let (database, login) = (&self.database, &self.login);
        // A thread of its own: a drop can't await.
        std::thread::scope(|scope| {
            let dropped = scope.spawn(|| {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
                let statement = format!("drop role if exists {login}");
                let dropping = database.execute(&statement);
                runtime.expect("a thread can have a runtime").block_on(dropping);
            });
            // Best effort: must not hide the test's own failure.
            let _ = dropped.join();
        });
    }
}

//! What the tests of the real binaries share.
#![allow(dead_code, unused_imports, reason = "each test file uses a part of it")]
#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

mod curl;
mod load;
mod process;
mod world;

pub use curl::Curl;
pub use load::{Done, Load, MOVES};
pub use process::{Process, run};
pub use world::World;

use std::future::Future;
use std::time::{Duration, Instant};

use serde_json::Value;

/// The entry of a list that has this text in this field.
pub fn entry(list: &Value, field: &str, text: &str) -> Value {
    let mut entries = list.as_array().expect("a list").iter();
    let found = entries.find(|entry| entry[field] == text);
    found.unwrap_or_else(|| panic!("no {field} {text}: {list}")).clone()
}

/// How long anything may take before a test gives up.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Asks again and again until there is an answer.
pub async fn eventually<T, F: Future<Output = Result<T, String>>>(what: &str, mut ask: impl FnMut() -> F) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match ask().await {
            Ok(answer) => return answer,
            Err(reason) => assert!(Instant::now() < deadline, "not within {PATIENCE:?}: {what}: {reason}"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// GET as JSON; the status with it.
pub async fn get(url: &str) -> Result<(u16, serde_json::Value), String> {
    let answer = reqwest::get(url).await.map_err(|error| error.to_string())?;
    let status = answer.status().as_u16();
    let body = answer.text().await.map_err(|error| error.to_string())?;
    Ok((status, serde_json::from_str(&body).unwrap_or(body.into())))
}

/// Waits until a service says of itself that it is ready.
pub async fn ready(process: &Process) {
    let url = format!("http://{}/readyz?verbose", process.addresses().await.1);
    eventually("the service is ready", || async {
        match get(&url).await {
            Ok((200, _)) => Ok(()),
            Ok((status, body)) => Err(format!("{status}: {body}")),
            Err(reason) => Err(reason),
        }
    })
    .await;
}

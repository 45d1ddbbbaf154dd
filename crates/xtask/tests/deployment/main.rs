//! The compose file, the Dockerfile and the environment file, held against each other and against the binaries: what a
//! container engine would tell us, where there is none.

mod compose;
mod image;
mod settings;
#[path = "../support/mod.rs"]
mod support;

use std::collections::{BTreeMap, BTreeSet};

use serde_yaml_ng::Value;

/// The contract's addresses: variable, port, and the service that publishes it.
const LISTENERS: [(&str, u16, &str); 4] = [
    ("COMMAND_HTTP_ADDR", 4000, "command"),
    ("COMMAND_OPS_ADDR", 4100, "command"),
    ("QUERY_HTTP_ADDR", 4001, "projector"),
    ("QUERY_OPS_ADDR", 4101, "projector"),
];

/// Which of our own services run what.
const OURS: [(&str, &[&str]); 3] = [
    ("migrate", &["callboard", "migrate"]),
    ("command", &["callboard-command", "--no-migrate"]),
    ("projector", &["callboard-projector", "--no-migrate"]),
];

fn compose_file() -> Value {
    let mut compose: Value = serde_yaml_ng::from_str(&support::read("docker-compose.yml")).expect("YAML");
    compose.apply_merge().expect("merge keys");
    compose
}

fn services() -> BTreeMap<String, Value> {
    let services = compose_file()["services"].clone();
    serde_yaml_ng::from_value(services).expect("a map of services")
}

fn strings(value: &Value) -> Vec<String> {
    let items = value.as_sequence().cloned().unwrap_or_default();
    items
        .iter()
        .map(|item| item.as_str().expect("a string").to_owned())
        .collect()
}

fn keys(value: &Value) -> BTreeSet<String> {
    let map = value.as_mapping().cloned().unwrap_or_default();
    map.keys().map(|key| key.as_str().expect("a name").to_owned()).collect()
}

/// The defaults in place of `${NAME:-default}`.
fn with_defaults(text: &str) -> String {
    let Some((before, rest)) = text.split_once("${") else {
        return text.to_owned();
    };
    let (variable, after) = rest.split_once('}').expect("a closed variable");
    let (_, default) = variable
        .split_once(":-")
        .unwrap_or_else(|| panic!("{variable} has no default"));
    format!("{before}{default}{}", with_defaults(after))
}

/// The names of a service's secrets.
fn secrets_of(service: &Value) -> BTreeSet<String> {
    let secrets = service["secrets"].as_sequence().cloned().unwrap_or_default();
    let name = |secret: &Value| {
        secret
            .as_str()
            .or_else(|| secret["source"].as_str())
            .expect("a secret's name")
            .to_owned()
    };
    secrets.iter().map(name).collect()
}

/// A tag that never moves on to another minor version.
fn is_fixed(image: &str) -> bool {
    let tag = image.rsplit_once(':').map_or("", |(_, tag)| tag);
    let version = tag.split('-').next().unwrap_or_default();
    let numbers: Vec<_> = version.split('.').collect();
    numbers.len() >= 2 && numbers.iter().all(|number| number.parse::<u32>().is_ok())
}

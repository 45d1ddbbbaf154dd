//! Settings and secrets.

use std::collections::{BTreeMap, BTreeSet};

use super::{LISTENERS, OURS, compose_file, keys, secrets_of, services, support, with_defaults};

#[test]
fn every_variable_is_one_that_the_binaries_know() {
    let known = settings();
    for (name, _) in OURS {
        let service = &services()[name];
        for variable in keys(&service["environment"]) {
            let Some(plain) = variable.strip_suffix("_FILE") else {
                assert!(known.contains_key(&variable), "{name} sets {variable}");
                assert!(
                    !["_URL", "_KEY", "_SECRET"].iter().any(|end| variable.ends_with(end)),
                    "{name} has a password in its environment: {variable}"
                );
                continue;
            };
            assert!(
                may_be_files().contains(plain) && known.contains_key(plain),
                "{name} sets {variable}"
            );
            let file = service["environment"][variable.as_str()].as_str().expect("a path");
            let secret = file.strip_prefix("/run/secrets/").expect("a secret's path");
            assert!(
                secrets_of(service).contains(secret),
                "{name} is not given the secret {secret}"
            );
        }
    }
}

#[test]
fn both_services_get_every_setting_of_tokens_the_webhook_and_the_calendar_and_secrets_as_files() {
    let asked = |name: &str| {
        let parts = [
            "CALLBOARD_AUTH",
            "CALLBOARD_TOKEN_",
            "TICKET_WEBHOOK_",
            "CALLBOARD_TIME_ZONE",
            "CALLBOARD_MISSED_DAYS",
        ];
        parts.iter().any(|part| name.starts_with(part))
    };
    let settings = settings();
    for service in ["command", "projector"] {
        let environment = services()[service]["environment"].clone();
        for (name, default) in settings.iter().filter(|(name, _)| asked(name)) {
            let variable = if may_be_files().contains(name.as_str()) {
                format!("{name}_FILE")
            } else {
                name.clone()
            };
            let given = environment[variable.as_str()].as_str();
            let given = given.unwrap_or_else(|| panic!("{service} lacks {variable}"));
            if variable == *name {
                let passed = format!("${{{name}:-{}}}", default.as_deref().unwrap_or_default());
                assert_eq!(given, passed, "{service}: {variable}");
            }
        }
    }
    for off in ["ticket-webhook-url", "ticket-webhook-secret"] {
        assert_eq!(secret(off), "", "a try posts nowhere");
    }
}

/// The settings that are secret, or hold something that is.
fn may_be_files() -> BTreeSet<&'static str> {
    BTreeSet::from([
        "DATABASE_URL",
        "AMQP_URL",
        "CALLBOARD_TOKEN_KEY",
        "TICKET_WEBHOOK_URL",
        "TICKET_WEBHOOK_SECRET",
    ])
}

#[test]
fn the_environment_file_has_every_setting_with_its_default() {
    let file = env_dev();
    let settings = settings();
    assert_eq!(file.keys().collect::<Vec<_>>(), settings.keys().collect::<Vec<_>>());
    for (name, default) in settings {
        match default {
            Some(default) => assert_eq!(file[&name], default, "{name}"),
            None => {
                let without = [
                    ("WORKER_THREADS", ""),
                    ("LOG_FORMAT", "pretty"),
                    ("CALLBOARD_TOKEN_KEY", ""),
                    ("CALLBOARD_TOKEN_AUDIENCE", ""),
                    ("CALLBOARD_TOKEN_ISSUER", ""),
                    ("TICKET_WEBHOOK_URL", ""),
                    ("TICKET_WEBHOOK_SECRET", ""),
                ];
                assert!(without.contains(&(&name, &file[&name])), "{name}={}", file[&name]);
            }
        }
    }
    for (variable, port, _) in LISTENERS {
        assert_eq!(file[variable], format!("127.0.0.1:{port}"));
    }
    for needed in [
        "DATABASE_URL",
        "AMQP_URL",
        "CALLBOARD_TOPOLOGY",
        "MESSAGING_QUEUE_PREFIX",
        "RUST_LOG",
        "LOG_FORMAT",
    ] {
        assert!(file.contains_key(needed), "{needed} is missing");
    }
    let text = support::read(".env.dev");
    let blocks = text
        .split("\n\n")
        .filter(|block| block.lines().any(|line| !line.starts_with('#')));
    assert!(
        blocks.into_iter().all(|block| block.starts_with('#')),
        "a setting has no comment"
    );
}

#[test]
fn logins_fit_together_and_the_services_log_in_as_one_that_cannot_change_the_schema() {
    let owner = login(&secret("database-url-owner"));
    let app = login(&secret("database-url"));
    let database = services()["postgres"]["environment"]["POSTGRES_DB"]
        .as_str()
        .expect("a database")
        .to_owned();
    assert_eq!(
        (&owner.2, &app.2),
        (
            &format!("postgres:5432/{database}"),
            &format!("postgres:5432/{database}")
        )
    );
    assert_ne!(owner.0, app.0);
    assert_eq!(
        secrets_of(&services()["migrate"]),
        BTreeSet::from(["database-url-owner".to_owned()])
    );
    for service in ["command", "projector"] {
        assert!(
            !secrets_of(&services()[service]).contains("database-url-owner"),
            "{service} could change the schema"
        );
    }
    let script = support::read("deploy/postgres/10-roles.sh");
    assert!(
        script.contains("in role callboard_service"),
        "the services' login is in no role"
    );
    let migrations = support::files("migrations")
        .into_iter()
        .map(|path| support::read(path.to_str().expect("UTF-8")));
    assert!(
        migrations.into_iter().any(|sql| sql.contains("callboard_service")),
        "no migration knows the services' role"
    );
    for name in ["database-url", "database-url-owner", "postgres-password"] {
        assert!(
            secrets_of(&services()["postgres"]).contains(name),
            "the set-up lacks {name}"
        );
    }
    let broker = login(&secret("amqp-url"));
    let user = format!("default_user = {}\ndefault_pass = {}", broker.0, broker.1);
    assert_eq!(secret("rabbitmq-user.conf"), user);
    assert_eq!(broker.2, "rabbitmq:5672/%2f");
}

/// Names and defaults of the settings, from the one table that the binaries are made of.
fn settings() -> BTreeMap<String, Option<String>> {
    let source = support::read("crates/services/kit/src/settings.rs");
    let (_, table) = source
        .split_once("pub const VARIABLES")
        .expect("the table of variables");
    let (table, _) = table.split_once("\n];").expect("the table's end");
    let literals: Vec<_> = table.split('"').skip(1).step_by(2).collect();
    let is_name = |text: &str| text.len() > 3 && text.chars().all(|c| c.is_ascii_uppercase() || c == '_');
    let named = literals.iter().enumerate().filter(|(_, text)| is_name(text));
    // Name, flag, default: the one that has no default has its help there, which holds spaces.
    let default = |at: usize| {
        literals
            .get(at + 2)
            .filter(|text| !text.contains(' '))
            .map(|text| (*text).to_owned())
    };
    named.map(|(at, name)| ((*name).to_owned(), default(at))).collect()
}

fn env_dev() -> BTreeMap<String, String> {
    let text = support::read(".env.dev");
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let pairs = lines.map(|line| line.split_once('=').unwrap_or_else(|| panic!("{line:?} sets nothing")));
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// User, password and the rest of a URL.
fn login(url: &str) -> (String, String, String) {
    let (_, rest) = url.split_once("://").expect("a URL");
    let (login, place) = rest.split_once('@').expect("a login");
    let (user, password) = login.split_once(':').expect("a password");
    (user.to_owned(), password.to_owned(), place.to_owned())
}

/// The file that a secret comes from, as long as nobody names another folder.
fn secret(name: &str) -> String {
    let file = compose_file()["secrets"][name]["file"]
        .as_str()
        .unwrap_or_else(|| panic!("no secret {name}"))
        .to_owned();
    support::read(with_defaults(&file).trim_start_matches("./"))
        .trim()
        .to_owned()
}

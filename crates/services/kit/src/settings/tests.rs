use std::io::Write;

use clap::Command;

use super::{Settings, SettingsError, VARIABLES, mask, masked, with_flags};

fn resolve(args: &[&str], environment: &[(&str, &str)]) -> Result<Settings, SettingsError> {
    let matches = with_flags(Command::new("test")).get_matches_from([&["test"], args].concat());
    Settings::resolve(&matches, &|name| {
        environment
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, value)| (*value).to_owned())
    })
}

fn file(text: &str) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    file.write_all(text.as_bytes()).expect("written");
    file
}

fn shown(settings: &Settings, name: &str) -> (String, String) {
    let shown = settings.shown().into_iter().find(|(shown, ..)| *shown == name);
    shown
        .map(|(_, value, source)| (value, source))
        .expect("every variable is shown")
}

#[test]
fn a_flag_beats_the_environment_which_beats_the_env_file_which_beats_the_default() {
    let env_file = file("MESSAGING_QUEUE_PREFIX=file\nCOMMAND_HTTP_ADDR=127.0.0.1:1\nQUERY_HTTP_ADDR=127.0.0.1:2\n");
    let path = env_file.path().to_str().expect("a path");
    let environment = [
        ("MESSAGING_QUEUE_PREFIX", "environment"),
        ("COMMAND_HTTP_ADDR", "127.0.0.1:3"),
    ];
    let settings = resolve(&["--env-file", path, "--messaging-queue-prefix", "flag"], &environment).expect("settings");
    assert_eq!(settings.get("MESSAGING_QUEUE_PREFIX").expect("a value").0, "flag");
    assert_eq!(settings.get("COMMAND_HTTP_ADDR").expect("a value").0, "127.0.0.1:3");
    assert_eq!(settings.get("QUERY_HTTP_ADDR").expect("a value").0, "127.0.0.1:2");
    assert_eq!(settings.get("QUERY_OPS_ADDR").expect("a value").0, "127.0.0.1:4101");
    let sources: Vec<_> = [
        "MESSAGING_QUEUE_PREFIX",
        "COMMAND_HTTP_ADDR",
        "QUERY_HTTP_ADDR",
        "QUERY_OPS_ADDR",
    ]
    .map(|name| shown(&settings, name).1)
    .into();
    assert_eq!(sources, ["flag", "environment", &format!("env file {path}"), "default"]);
}

#[test]
fn a_secret_comes_from_the_file_that_is_named() {
    let secret = file("postgres://app:s3cret@db/callboard\n");
    let path = secret.path().to_str().expect("a path");
    let settings = resolve(&[], &[("DATABASE_URL_FILE", path)]).expect("settings");
    assert_eq!(
        settings.get("DATABASE_URL").expect("a value").0,
        "postgres://app:s3cret@db/callboard"
    );
    assert_eq!(
        shown(&settings, "DATABASE_URL"),
        ("postgres://app:****@db/callboard".into(), format!("file {path}"))
    );
}

#[test]
fn a_file_that_is_missing_is_named_with_its_variable() {
    let error = resolve(&[], &[("AMQP_URL_FILE", "/nowhere/amqp")])
        .expect_err("no file")
        .to_string();
    assert!(
        error.contains("AMQP_URL_FILE") && error.contains("/nowhere/amqp"),
        "{error}"
    );
    let error = resolve(&["--env-file", "/nowhere/.env"], &[])
        .expect_err("no file")
        .to_string();
    assert!(
        error.contains("--env-file") && error.contains("/nowhere/.env"),
        "{error}"
    );
}

#[test]
fn passwords_are_masked() {
    for (url, masked) in [
        (
            "postgres://postgres@127.0.0.1:5432/callboard",
            "postgres://postgres@127.0.0.1:5432/callboard",
        ),
        (
            "amqp://guest:guest@127.0.0.1:5672/%2f",
            "amqp://guest:****@127.0.0.1:5672/%2f",
        ),
        ("postgres://u:p@ss@host/db", "postgres://u:****@host/db"),
        ("postgres://u:p/ss@host/db", "postgres://u:****@host/db"),
        ("127.0.0.1:4000", "127.0.0.1:4000"),
    ] {
        assert_eq!(mask(url), masked);
    }
    assert_eq!(masked("CALLBOARD_TOKEN_KEY", "a secret"), "****");
    assert_eq!(masked("CALLBOARD_TOKEN_KEY", ""), "", "that there is none is no secret");
    let key = [("CALLBOARD_TOKEN_KEY", "a secret")];
    let with_key = resolve(&[], &key).expect("settings");
    assert_eq!(
        shown(&with_key, "CALLBOARD_TOKEN_KEY"),
        ("****".into(), "environment".into())
    );
    let webhook = [(
        "TICKET_WEBHOOK_URL",
        "https://desk.example.org/hooks/s3cret?token=s3cret",
    )];
    let with_webhook = resolve(&[], &webhook).expect("settings");
    assert_eq!(
        shown(&with_webhook, "TICKET_WEBHOOK_URL"),
        ("****".into(), "environment".into()),
        "path and query may be secret, too"
    );
    let settings = resolve(&[], &[]).expect("settings");
    assert!(
        settings
            .shown()
            .iter()
            .all(|(_, value, _)| !value.contains("guest:guest"))
    );
    assert_eq!(settings.shown().len(), VARIABLES.len());
}

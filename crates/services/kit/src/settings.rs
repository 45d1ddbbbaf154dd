//! Settings: every variable in one table, and where each value came from.
//!
//! Flag > environment > `.env` file named by `--env-file` > default. A secret may also come from a
//! file whose path stands in `NAME_FILE`.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use clap::{Arg, ArgAction, ArgMatches, Command};

/// One setting.
#[derive(Debug, Clone, Copy)]
pub struct Variable {
    /// The variable.
    pub name: &'static str,
    /// The flag, without dashes in front.
    pub flag: &'static str,
    /// Its default; `None` where it depends on the terminal.
    pub default: Option<&'static str>,
    /// Whether something in it is secret; then it may come from a file, too.
    pub secret: Secret,
    /// What it means, and what is allowed.
    pub help: &'static str,
}

/// What of a value is never shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Secret {
    /// Nothing.
    No,
    /// The password in a URL.
    Password,
    /// All of it.
    Whole,
}

const fn plain(name: &'static str, flag: &'static str, default: &'static str, help: &'static str) -> Variable {
    Variable {
        name,
        flag,
        default: Some(default),
        secret: Secret::No,
        help,
    }
}

const fn secret(name: &'static str, flag: &'static str, default: &'static str, help: &'static str) -> Variable {
    Variable {
        name,
        flag,
        default: Some(default),
        secret: Secret::Password,
        help,
    }
}

/// Every setting there is.
pub const VARIABLES: &[Variable] = &[
    secret(
        "DATABASE_URL",
        "database-url",
        "postgres://postgres@127.0.0.1:5432/callboard",
        "Postgres",
    ),
    secret(
        "AMQP_URL",
        "amqp-url",
        "amqp://guest:guest@127.0.0.1:5672/%2f",
        "RabbitMQ",
    ),
    plain(
        "CALLBOARD_TOPOLOGY",
        "callboard-topology",
        "brokered",
        "`brokered`, or `inline` (command service only)",
    ),
    plain(
        "COMMAND_HTTP_ADDR",
        "command-http-addr",
        "127.0.0.1:4000",
        "public HTTP of the command service",
    ),
    plain(
        "QUERY_HTTP_ADDR",
        "query-http-addr",
        "127.0.0.1:4001",
        "public HTTP of the projector",
    ),
    plain(
        "COMMAND_OPS_ADDR",
        "command-ops-addr",
        "127.0.0.1:4100",
        "health and metrics of the command service",
    ),
    plain(
        "QUERY_OPS_ADDR",
        "query-ops-addr",
        "127.0.0.1:4101",
        "health and metrics of the projector",
    ),
    plain(
        "MESSAGING_QUEUE_PREFIX",
        "messaging-queue-prefix",
        "dev",
        "prefix of every exchange and queue: 1 to 64 of a-z, 0-9, `_`, `-`",
    ),
    plain(
        "CALLBOARD_EVENT_MESSAGES",
        "callboard-event-messages",
        "on",
        "whether outsiders get a message for each event, on `<prefix>.events`: `on` or `off`",
    ),
    plain(
        "DATABASE_CONNECTIONS",
        "database-connections",
        "18",
        "the most pooled connections to Postgres: 9 to 500; a few more are each log's own",
    ),
    Variable {
        name: "WORKER_THREADS",
        flag: "worker-threads",
        default: None,
        secret: Secret::No,
        help: "threads: 1 to 256; by default one a processor, in the command service one for every two",
    },
    plain(
        "IDEMPOTENCY_KEEP_DAYS",
        "idempotency-keep-days",
        "7",
        "how long idempotency keys are kept: 1 to 365 days",
    ),
    plain(
        "SUBSCRIBER_RESTART_DELAY_MS",
        "subscriber-restart-delay-ms",
        "100",
        "how long a subscriber waits after a fault, plus a random part: 1 to 60000 ms",
    ),
    plain(
        "CALLBOARD_TIME_ZONE",
        "callboard-time-zone",
        "UTC",
        "whose dates the daily cycle publishes: `UTC`, or a name such as `Europe/Vienna`",
    ),
    plain(
        "CALLBOARD_MISSED_DAYS",
        "callboard-missed-days",
        "each",
        "dates that passed while no service ran: `each` is published, or the `newest` alone",
    ),
    plain(
        "CALLBOARD_AUTH",
        "callboard-auth",
        "development",
        "`development` (everybody is who the headers say) or `token` (JSON Web Tokens)",
    ),
    plain(
        "CALLBOARD_TOKEN_ALGORITHM",
        "callboard-token-algorithm",
        "HS256",
        "how tokens are signed: `HS256`, `RS256`, `ES256` or `EdDSA`",
    ),
    Variable {
        name: "CALLBOARD_TOKEN_KEY",
        flag: "callboard-token-key",
        default: None,
        secret: Secret::Whole,
        help: "what tokens are verified with: a secret of at least 32 bytes, or a public key as PEM",
    },
    Variable {
        name: "CALLBOARD_TOKEN_AUDIENCE",
        flag: "callboard-token-audience",
        default: None,
        secret: Secret::No,
        help: "which audience (aud) tokens must be meant for; without it those that are meant for any are refused",
    },
    Variable {
        name: "CALLBOARD_TOKEN_ISSUER",
        flag: "callboard-token-issuer",
        default: None,
        secret: Secret::No,
        help: "which issuer (iss) tokens must come from; without it whoever has the key",
    },
    Variable {
        name: "TICKET_WEBHOOK_URL",
        flag: "ticket-webhook-url",
        default: None,
        // Many receivers tell who posts by a token in the path or the query.
        secret: Secret::Whole,
        help: "where assigned and closed tickets are posted to; without it they aren't",
    },
    Variable {
        name: "TICKET_WEBHOOK_SECRET",
        flag: "ticket-webhook-secret",
        default: None,
        secret: Secret::Whole,
        help: "what is sent along as bearer token, if anything",
    },
    plain(
        "TICKET_WEBHOOK_GIVE_UP_SECONDS",
        "ticket-webhook-give-up-seconds",
        "600",
        "how long a post is tried again before it is parked: 1 to 86400 seconds",
    ),
    plain(
        "RUST_LOG",
        "rust-log",
        "info",
        "what is logged, e.g. `info,callboard=debug`",
    ),
    Variable {
        name: "LOG_FORMAT",
        flag: "log-format",
        default: None,
        secret: Secret::No,
        help: "`pretty` or `json`; by default `pretty` on a terminal, else `json`",
    },
];

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A flag of the command line.
    Flag,
    /// The environment.
    Environment,
    /// The file that the environment names in `NAME_FILE`.
    SecretFile(PathBuf),
    /// The file named by `--env-file`.
    EnvFile(PathBuf),
    /// Nowhere: the default.
    Default,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag => f.write_str("flag"),
            Self::Environment => f.write_str("environment"),
            Self::SecretFile(path) => write!(f, "file {}", path.display()),
            Self::EnvFile(path) => write!(f, "env file {}", path.display()),
            Self::Default => f.write_str("default"),
        }
    }
}

/// A setting that is wrong or can't be read. The message names the variable, the value and what is
/// allowed.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct SettingsError(pub String);

/// Every variable's value with its source.
#[derive(Debug, Clone)]
pub struct Settings {
    values: BTreeMap<&'static str, (String, Source)>,
}

/// Adds a flag for every variable, and `--env-file`.
pub fn with_flags(command: Command) -> Command {
    let env_file = Arg::new("env-file")
        .long("env-file")
        .value_name("FILE")
        .global(true)
        .help("Reads variables that the environment lacks from this .env file")
        .help_heading("Settings");
    VARIABLES.iter().fold(command.arg(env_file), |command, variable| {
        let default = variable
            .default
            .map(|default| format!(" [default: {default}]"))
            .unwrap_or_default();
        command.arg(
            Arg::new(variable.name)
                .long(variable.flag)
                .value_name("VALUE")
                .global(true)
                .action(ArgAction::Set)
                .help(format!("{} [env: {}]{default}", variable.help, variable.name))
                .help_heading("Settings"),
        )
    })
}

impl Settings {
    /// The settings of this process.
    ///
    /// # Errors
    /// When a file can't be read or parsed.
    pub fn of_process(matches: &ArgMatches) -> Result<Self, SettingsError> {
        Self::resolve(matches, &|name| std::env::var(name).ok())
    }

    /// The settings from flags and this environment.
    ///
    /// # Errors
    /// When a file can't be read or parsed.
    pub fn resolve(matches: &ArgMatches, environment: &dyn Fn(&str) -> Option<String>) -> Result<Self, SettingsError> {
        let env_file = matches.get_one::<String>("env-file").map(PathBuf::from);
        let from_file = env_file.as_deref().map(read_env_file).transpose()?.unwrap_or_default();
        let mut values = BTreeMap::new();
        for variable in VARIABLES {
            let secret_file = |path: Option<String>| -> Result<Option<(String, Source)>, SettingsError> {
                let Some(path) = path.filter(|_| variable.secret != Secret::No) else {
                    return Ok(None);
                };
                let path = PathBuf::from(path);
                let text = read(&path, &format!("{}_FILE", variable.name))?;
                Ok(Some((text.trim().to_owned(), Source::SecretFile(path))))
            };
            let name_file = format!("{}_FILE", variable.name);
            let value = if let Some(flag) = matches.get_one::<String>(variable.name) {
                Some((flag.clone(), Source::Flag))
            } else if let Some(value) = environment(variable.name) {
                Some((value, Source::Environment))
            } else if let Some(value) = secret_file(environment(&name_file))? {
                Some(value)
            } else if let (Some(value), Some(path)) = (from_file.get(variable.name), &env_file) {
                Some((value.clone(), Source::EnvFile(path.clone())))
            } else if let Some(value) = secret_file(from_file.get(&name_file).cloned())? {
                Some(value)
            } else {
                variable.default.map(|default| (default.to_owned(), Source::Default))
            };
            values.extend(value.map(|value| (variable.name, value)));
        }
        Ok(Self { values })
    }

    /// The value of a variable, with its source; `None` for one without a default.
    pub fn get(&self, name: &str) -> Option<(&str, &Source)> {
        self.values.get(name).map(|(value, source)| (&**value, source))
    }

    /// Replaces a value, as a flag would. For tests that start a service in process.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.values.insert(name, (value.into(), Source::Flag));
        self
    }

    /// Every variable with its value, secrets masked, and its source.
    pub fn shown(&self) -> Vec<(&'static str, String, String)> {
        VARIABLES
            .iter()
            .map(|variable| match self.get(variable.name) {
                Some((value, source)) => (variable.name, masked(variable.name, value), source.to_string()),
                None => (variable.name, String::new(), Source::Default.to_string()),
            })
            .collect()
    }
}

fn read(path: &Path, variable: &str) -> Result<String, SettingsError> {
    std::fs::read_to_string(path)
        .map_err(|error| SettingsError(format!("{variable}: {} can't be read: {error}", path.display())))
}

fn read_env_file(path: &Path) -> Result<BTreeMap<String, String>, SettingsError> {
    let wrong = |error| SettingsError(format!("--env-file: {} can't be read: {error}", path.display()));
    dotenvy::from_path_iter(path)
        .map_err(wrong)?
        .collect::<Result<_, _>>()
        .map_err(wrong)
}

/// A variable's value as it may be shown.
pub fn masked(name: &str, value: &str) -> String {
    let whole = VARIABLES
        .iter()
        .any(|variable| variable.name == name && variable.secret == Secret::Whole);
    if whole && !value.is_empty() {
        "****".to_owned()
    } else {
        mask(value)
    }
}

/// A URL without its password; anything else as it is.
pub fn mask(value: &str) -> String {
    let Some((scheme, rest)) = value.split_once("://") else {
        return value.to_owned();
    };
    // A password may hold any character: the authority ends at the last `@` before the path.
    let authority_end = rest.find('/').unwrap_or(rest.len());
    let Some(at) = rest[..authority_end].rfind('@').or_else(|| rest.rfind('@')) else {
        return value.to_owned();
    };
    let user = rest[..at].split_once(':').map_or(&rest[..at], |(user, _)| user);
    let password = if rest[..at].contains(':') { ":****" } else { "" };
    format!("{scheme}://{user}{password}{}", &rest[at..])
}

#[cfg(test)]
mod tests;

//! The configuration: every setting, parsed and checked once.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use callboard::cycle::{Calendar, Clock, LOOK_EVERY, MissedDays};
use callboard_http::{BearerTokens, TokenAlgorithm};
use jiff::tz::TimeZone;

use crate::handlers::HandlerSettings;
use crate::settings::{Settings, SettingsError};

/// Which topology the command service runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Topology {
    /// Postgres and RabbitMQ, two services.
    Brokered,
    /// Postgres only, projections in the append's transaction.
    Inline,
}

/// Who requests are sent by.
#[derive(Debug, Clone)]
pub enum Auth {
    /// Whoever the headers name.
    Development,
    /// Whoever a bearer token was signed for.
    Token(BearerTokens),
}

/// What a service needs to know. Its `Debug` prints no password.
#[derive(Clone)]
pub struct Config {
    /// `DATABASE_URL`.
    pub database_url: String,
    /// `AMQP_URL`.
    pub amqp_url: String,
    /// `CALLBOARD_TOPOLOGY`.
    pub topology: Topology,
    /// `COMMAND_HTTP_ADDR`.
    pub command_http: SocketAddr,
    /// `QUERY_HTTP_ADDR`.
    pub query_http: SocketAddr,
    /// `COMMAND_OPS_ADDR`.
    pub command_ops: SocketAddr,
    /// `QUERY_OPS_ADDR`.
    pub query_ops: SocketAddr,
    /// `MESSAGING_QUEUE_PREFIX`.
    pub queue_prefix: String,
    /// `CALLBOARD_EVENT_MESSAGES`: whether relays publish each event as a message of its own as well.
    pub event_messages: bool,
    /// `DATABASE_CONNECTIONS`.
    pub database_connections: u32,
    /// `WORKER_THREADS`; `None` is for the program to say.
    pub worker_threads: Option<usize>,
    /// `IDEMPOTENCY_KEEP_DAYS`.
    pub idempotency_keep: Duration,
    /// `SUBSCRIBER_RESTART_DELAY_MS`.
    pub restart_delay: Duration,
    /// `CALLBOARD_TIME_ZONE` and `CALLBOARD_MISSED_DAYS`.
    pub calendar: Calendar,
    /// What the daily cycle goes by: `None` is the database's clock, or this host's where there is none.
    pub clock: Option<Arc<dyn Clock>>,
    /// `CALLBOARD_AUTH`, with everything that begins with `CALLBOARD_TOKEN_`.
    pub auth: Auth,
    /// What event handlers are made from.
    pub handlers: HandlerSettings,
    /// `RUST_LOG`.
    pub log_filter: String,
    /// `LOG_FORMAT`: whether it is `json`; `None` is for the terminal to say.
    pub log_json: Option<bool>,
    /// Whether to leave the schema as it is at the start.
    pub no_migrate: bool,
}

impl std::fmt::Debug for Config {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Config")
            .field("topology", &self.topology)
            .field("command_http", &self.command_http)
            .field("query_http", &self.query_http)
            .field("queue_prefix", &self.queue_prefix)
            .finish_non_exhaustive()
    }
}

impl Config {
    /// The configuration of these settings.
    ///
    /// # Errors
    /// Names the variable, the value and what is allowed.
    pub fn from_settings(settings: &Settings) -> Result<Self, SettingsError> {
        let of = |name| Value::of(settings, name);
        let prefix_char = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '_' | '-');
        let days: u64 = of("IDEMPOTENCY_KEEP_DAYS").parse("a number of days from 1 to 365", |text| {
            text.parse().ok().filter(|days| (1..=365).contains(days))
        })?;
        Ok(Self {
            database_url: of("DATABASE_URL").url(&["postgres", "postgresql"])?,
            amqp_url: of("AMQP_URL").url(&["amqp", "amqps"])?,
            topology: of("CALLBOARD_TOPOLOGY").parse("`brokered` or `inline`", |text| match text {
                "brokered" => Some(Topology::Brokered),
                "inline" => Some(Topology::Inline),
                _ => None,
            })?,
            command_http: of("COMMAND_HTTP_ADDR").address()?,
            query_http: of("QUERY_HTTP_ADDR").address()?,
            command_ops: of("COMMAND_OPS_ADDR").address()?,
            query_ops: of("QUERY_OPS_ADDR").address()?,
            queue_prefix: of("MESSAGING_QUEUE_PREFIX").parse("1 to 64 of a-z, 0-9, `_` and `-`", |text| {
                let fits = (1..=64).contains(&text.len()) && text.chars().all(prefix_char);
                fits.then(|| text.to_owned())
            })?,
            event_messages: of("CALLBOARD_EVENT_MESSAGES").parse("`on` or `off`", |text| match text {
                "on" => Some(true),
                "off" => Some(false),
                _ => None,
            })?,
            database_connections: of("DATABASE_CONNECTIONS").parse("a number from 9 to 500", |text| {
                text.parse().ok().filter(|most| (9..=500).contains(most))
            })?,
            worker_threads: match settings.get("WORKER_THREADS") {
                None | Some(("", _)) => None,
                Some(_) => Some(of("WORKER_THREADS").parse("a number from 1 to 256", |text| {
                    text.parse().ok().filter(|threads| (1..=256).contains(threads))
                })?),
            },
            idempotency_keep: Duration::from_secs(days * 24 * 60 * 60),
            restart_delay: of("SUBSCRIBER_RESTART_DELAY_MS").parse(
                "a number of milliseconds from 1 to 60000",
                |text| {
                    let ms = text.parse().ok().filter(|ms| (1..=60_000).contains(ms));
                    ms.map(Duration::from_millis)
                },
            )?,
            calendar: calendar(settings)?,
            clock: None,
            auth: auth(settings)?,
            handlers: HandlerSettings::of(settings),
            log_filter: of("RUST_LOG").parse("a filter such as `info,callboard=debug`", |text| {
                tracing_subscriber::EnvFilter::try_new(text)
                    .ok()
                    .map(|_| text.to_owned())
            })?,
            log_json: match settings.get("LOG_FORMAT") {
                None => None,
                Some(_) => Some(of("LOG_FORMAT").parse("`pretty` or `json`", |text| match text {
                    "json" => Some(true),
                    "pretty" => Some(false),
                    _ => None,
                })?),
            },
            no_migrate: false,
        })
    }
}

fn calendar(settings: &Settings) -> Result<Calendar, SettingsError> {
    let of = |name| Value::of(settings, name);
    // Of this program's own data: the same names everywhere, whatever a host has installed.
    let zones = jiff::tz::TimeZoneDatabase::bundled();
    let zone_allowed = "`UTC` or the name of a time zone such as `Europe/Vienna`";
    Ok(Calendar {
        zone: of("CALLBOARD_TIME_ZONE").parse(zone_allowed, |name| match name {
            "UTC" => Some(TimeZone::UTC),
            name => zones.get(name).ok(),
        })?,
        missed: of("CALLBOARD_MISSED_DAYS").parse("`each` or `newest`", |text| match text {
            "each" => Some(MissedDays::Each),
            "newest" => Some(MissedDays::Newest),
            _ => None,
        })?,
        look_every: LOOK_EVERY,
    })
}

fn auth(settings: &Settings) -> Result<Auth, SettingsError> {
    let of = |name| Value::of(settings, name);
    let by_token = of("CALLBOARD_AUTH").parse("`development` or `token`", |text| match text {
        "development" => Some(false),
        "token" => Some(true),
        _ => None,
    })?;
    let named = |text: &str| TokenAlgorithm::ALL.into_iter().find(|known| known.name() == text);
    let algorithm = of("CALLBOARD_TOKEN_ALGORITHM").parse("`HS256`, `RS256`, `ES256` or `EdDSA`", named)?;
    let (audience, issuer) = (of("CALLBOARD_TOKEN_AUDIENCE"), of("CALLBOARD_TOKEN_ISSUER"));
    let (audience, issuer) = (audience.claim()?, issuer.claim()?);
    if !by_token {
        return Ok(Auth::Development);
    }
    let key = format!(
        "{} for {}, as CALLBOARD_AUTH is `token`",
        algorithm.key_form(),
        algorithm.name()
    );
    let mut tokens = of("CALLBOARD_TOKEN_KEY").parse(&key, |text| BearerTokens::new(algorithm, text).ok())?;
    if let Some(audience) = audience {
        tokens = tokens.for_audience(audience);
    }
    if let Some(issuer) = issuer {
        tokens = tokens.of_issuer(issuer);
    }
    Ok(Auth::Token(tokens))
}

/// A variable's value on its way to a type.
struct Value<'a> {
    name: &'static str,
    text: &'a str,
    source: String,
}

impl<'a> Value<'a> {
    fn of(settings: &'a Settings, name: &'static str) -> Self {
        let (text, source) = settings
            .get(name)
            .map_or(("", "default".to_owned()), |(text, source)| (text, source.to_string()));
        Self { name, text, source }
    }

    fn parse<T>(&self, allowed: &str, parse: impl FnOnce(&str) -> Option<T>) -> Result<T, SettingsError> {
        parse(self.text).ok_or_else(|| {
            let shown = crate::settings::masked(self.name, self.text);
            SettingsError(format!(
                "{} is {shown:?} (from: {}): it must be {allowed}",
                self.name, self.source
            ))
        })
    }

    /// What a claim of tokens must be; `None` where nothing is asked.
    fn claim(&self) -> Result<Option<&'a str>, SettingsError> {
        self.parse("empty, or up to 255 visible characters", |text| {
            let visible = text.len() <= 255 && text.bytes().all(|byte| byte.is_ascii_graphic());
            visible.then_some(Some(self.text).filter(|text| !text.is_empty()))
        })
    }

    fn address(&self) -> Result<SocketAddr, SettingsError> {
        self.parse("an address and port such as 127.0.0.1:4000", |text| text.parse().ok())
    }

    fn url(&self, schemes: &[&str]) -> Result<String, SettingsError> {
        let allowed = format!("a URL that begins with {}://", schemes.join(":// or "));
        self.parse(&allowed, |text| {
            let (scheme, rest) = text.split_once("://")?;
            (schemes.contains(&scheme) && !rest.is_empty()).then(|| text.to_owned())
        })
    }
}

#[cfg(test)]
mod tests {
    use callboard::cycle::MissedDays;
    use clap::Command;
    use jiff::tz::TimeZone;

    use super::{Auth, Config, Topology};
    use crate::settings::{Settings, with_flags};

    fn defaults() -> Settings {
        let matches = with_flags(Command::new("test")).get_matches_from(["test"]);
        Settings::resolve(&matches, &|_| None).expect("defaults")
    }

    #[test]
    fn the_defaults_are_the_contracts() {
        let config = Config::from_settings(&defaults()).expect("valid defaults");
        assert_eq!(config.topology, Topology::Brokered);
        assert_eq!(config.command_http.to_string(), "127.0.0.1:4000");
        assert_eq!(config.query_http.to_string(), "127.0.0.1:4001");
        assert_eq!(config.command_ops.to_string(), "127.0.0.1:4100");
        assert_eq!(config.query_ops.to_string(), "127.0.0.1:4101");
        assert_eq!(config.queue_prefix, "dev");
        assert!(config.event_messages);
        assert_eq!(config.idempotency_keep.as_secs(), 7 * 24 * 60 * 60);
        assert_eq!(config.restart_delay.as_millis(), 100);
        assert_eq!(config.calendar.zone, TimeZone::UTC);
        assert_eq!(config.calendar.missed, MissedDays::Each);
    }

    #[test]
    fn how_many_threads_there_are_may_be_left_to_the_program() {
        for (value, threads) in [("", None), ("1", Some(1)), ("256", Some(256))] {
            let config = Config::from_settings(&defaults().with("WORKER_THREADS", value)).expect(value);
            assert_eq!(config.worker_threads, threads);
        }
        let config = Config::from_settings(&defaults()).expect("defaults");
        assert_eq!(config.worker_threads, None);
    }

    #[test]
    fn a_wrong_value_is_refused_with_its_name_and_what_is_allowed() {
        for (name, value, allowed) in [
            ("CALLBOARD_TOPOLOGY", "sideways", "`brokered` or `inline`"),
            ("COMMAND_HTTP_ADDR", "4000", "127.0.0.1:4000"),
            ("QUERY_OPS_ADDR", "127.0.0.1:99999", "127.0.0.1:4000"),
            ("DATABASE_URL", "mysql://root@localhost/x", "postgres://"),
            ("AMQP_URL", "amqp://", "amqp://"),
            ("MESSAGING_QUEUE_PREFIX", "Dev!", "1 to 64"),
            ("MESSAGING_QUEUE_PREFIX", "a.b", "1 to 64"),
            ("CALLBOARD_EVENT_MESSAGES", "no", "`on` or `off`"),
            ("DATABASE_CONNECTIONS", "8", "9 to 500"),
            ("WORKER_THREADS", "0", "1 to 256"),
            ("IDEMPOTENCY_KEEP_DAYS", "0", "1 to 365"),
            ("SUBSCRIBER_RESTART_DELAY_MS", "0", "1 to 60000"),
            ("CALLBOARD_TIME_ZONE", "Europe/Atlantis", "such as `Europe/Vienna`"),
            ("CALLBOARD_TIME_ZONE", "+02:00", "the name of a time zone"),
            ("CALLBOARD_MISSED_DAYS", "none", "`each` or `newest`"),
            ("CALLBOARD_AUTH", "none", "`development` or `token`"),
            (
                "CALLBOARD_TOKEN_ALGORITHM",
                "none",
                "`HS256`, `RS256`, `ES256` or `EdDSA`",
            ),
            ("CALLBOARD_TOKEN_AUDIENCE", "two words", "up to 255 visible"),
            ("CALLBOARD_TOKEN_ISSUER", "ä", "up to 255 visible"),
            ("LOG_FORMAT", "xml", "`pretty` or `json`"),
            ("RUST_LOG", "info,=[", "a filter"),
        ] {
            let error = Config::from_settings(&defaults().with(name, value))
                .expect_err(name)
                .to_string();
            assert!(
                error.contains(name) && error.contains(value) && error.contains(allowed),
                "{error}"
            );
        }
    }

    #[test]
    fn time_zones_go_by_their_names() {
        for name in ["UTC", "Europe/Vienna", "America/Sao_Paulo", "Pacific/Apia"] {
            let settings = defaults()
                .with("CALLBOARD_TIME_ZONE", name)
                .with("CALLBOARD_MISSED_DAYS", "newest");
            let calendar = Config::from_settings(&settings).expect(name).calendar;
            assert_eq!(calendar.zone.iana_name(), Some(name));
            assert_eq!(calendar.missed, MissedDays::Newest);
        }
    }

    #[test]
    fn tokens_need_a_key_that_suits_their_algorithm() {
        const SECRET: &str = "0123456789abcdef0123456789abcdef";
        let by_token = || defaults().with("CALLBOARD_AUTH", "token");
        let auth = |settings: &Settings| Config::from_settings(settings).map(|config| config.auth);
        assert!(matches!(auth(&defaults()), Ok(Auth::Development)));
        let with_key = by_token().with("CALLBOARD_TOKEN_KEY", SECRET);
        assert!(matches!(auth(&with_key), Ok(Auth::Token(_))));
        let missing = auth(&by_token()).expect_err("no key").to_string();
        assert_eq!(
            missing,
            "CALLBOARD_TOKEN_KEY is \"\" (from: default): it must be a secret (no PEM) of at least 32 bytes for HS256, \
             as CALLBOARD_AUTH is `token`"
        );
        let short = by_token().with("CALLBOARD_TOKEN_KEY", &SECRET[1..]);
        let no_pem = with_key.with("CALLBOARD_TOKEN_ALGORITHM", "RS256");
        for wrong in [short, no_pem] {
            let error = auth(&wrong).expect_err("a wrong key").to_string();
            assert!(error.contains("CALLBOARD_TOKEN_KEY is \"****\""), "{error}");
            assert!(!error.contains("0123456789"), "{error}");
        }
    }

    #[test]
    fn an_error_shows_no_password() {
        let wrong = defaults().with("DATABASE_URL", "mysql://root:s3cret@localhost/x");
        let error = Config::from_settings(&wrong).expect_err("a wrong scheme").to_string();
        assert!(!error.contains("s3cret"), "{error}");
    }
}

//! What the services have logged, through all of it: never what is secret.

use std::fs::File;
use std::io::{BufRead, BufReader};

use anyhow::{Context, Result};
use reqwest::Url;

use super::Findings;
use crate::service::Service;
use crate::world::World;

/// A password of fewer characters is short.
const SHORT: usize = 16;

/// No password and no secret is in a log.
pub fn check(world: &World, findings: &mut Findings) -> Result<()> {
    for service in &world.services {
        let secrets = secrets(&service.environment)?;
        findings.wrong.extend(shown(service, &secrets)?);
    }
    Ok(())
}

/// Each secret that a service was told, with the variable that it stands in.
fn secrets(environment: &[(String, String)]) -> Result<Vec<(&str, String)>> {
    let mut secrets = Vec::new();
    for (name, value) in environment {
        if name.ends_with("_SECRET") || name.ends_with("_KEY") {
            secrets.push((name.as_str(), value.clone()));
        } else if name == "DATABASE_URL" || name == "AMQP_URL" {
            let url: Url = value.parse().context("a server's URL")?;
            if let Some(password) = url.password() {
                secrets.push((name, telling(url.username(), password)));
            }
        }
    }
    Ok(secrets)
}

/// A short password may be an everyday word: then with its user.
fn telling(user: &str, password: &str) -> String {
    if password.len() < SHORT {
        format!("{user}:{password}")
    } else {
        password.to_owned()
    }
}

/// The secrets that a service's log shows, each once.
fn shown(service: &Service, secrets: &[(&str, String)]) -> Result<Vec<String>> {
    let log = File::open(&service.log).with_context(|| format!("can't read {}", service.log.display()))?;
    let mut hidden: Vec<_> = secrets.iter().collect();
    let mut shown = Vec::new();
    for line in BufReader::new(log).split(b'\n') {
        let line = line.context("reading a log")?;
        let line = String::from_utf8_lossy(&line);
        hidden.retain(|(name, secret)| {
            let shows = line.contains(secret);
            if shows {
                shown.push(format!("{} logs what is secret in {name}", service.name));
            }
            !shows
        });
    }
    Ok(shown)
}

#[cfg(test)]
mod tests {
    use super::secrets;

    #[test]
    fn what_is_secret_in_what_a_service_is_told_is_known() {
        let environment = [
            ("DATABASE_URL", "postgres://someone:a-long-s3cret-word@host/db"),
            ("AMQP_URL", "amqp://guest:guest@host/"),
            ("TICKET_WEBHOOK_SECRET", "hush"),
            ("RUST_LOG", "info"),
        ];
        let environment = environment.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let expected = [
            ("DATABASE_URL", "a-long-s3cret-word"),
            ("AMQP_URL", "guest:guest"),
            ("TICKET_WEBHOOK_SECRET", "hush"),
        ];
        let expected = expected.map(|(name, secret)| (name, secret.to_owned()));
        assert_eq!(secrets(&environment).unwrap(), expected);
    }
}

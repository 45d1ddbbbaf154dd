//! The address of a server, as its URL says it.

use anyhow::{Context, Result, bail};

/// A parsed `postgres://…` or `amqp://…` URL. `Debug` and `Display` would show the password: use [`Address::masked`].
#[derive(Clone, PartialEq, Eq)]
pub struct Address {
    /// `postgres`, `postgresql`, `amqp` or `amqps`.
    pub scheme: String,
    /// Decoded.
    pub user: String,
    /// Decoded; empty if there is none.
    pub password: String,
    /// A name or an address, without brackets.
    pub host: String,
    /// The port, given or usual.
    pub port: u16,
    /// Decoded, without the leading slash: the database, or the virtual host. `None` if there is no slash.
    pub path: Option<String>,
    /// Without the question mark.
    pub query: String,
    text: String,
}

impl Address {
    /// Parses a URL of one of the four schemes. What is wrong is said without repeating the text: it may hold a password.
    pub fn parse(text: &str) -> Result<Self> {
        let (scheme, rest) = text.split_once("://").context("no scheme")?;
        let usual_port = match scheme {
            "postgres" | "postgresql" => 5432,
            "amqp" => 5672,
            "amqps" => 5671,
            _ => bail!("the scheme is none of postgres, postgresql, amqp, amqps"),
        };
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, path) = match rest.split_once('/') {
            Some((authority, path)) => (authority, Some(decoded(path)?)),
            None => (rest, None),
        };
        let (login, place) = authority.rsplit_once('@').unwrap_or(("", authority));
        let (user, password) = login.split_once(':').unwrap_or((login, ""));
        let (host, port) = split_port(place)?;
        Ok(Self {
            scheme: scheme.to_owned(),
            user: decoded(user)?,
            password: decoded(password)?,
            host: if host.is_empty() {
                "127.0.0.1".to_owned()
            } else {
                decoded(host)?
            },
            port: port.unwrap_or(usual_port),
            path,
            query: query.to_owned(),
            text: text.to_owned(),
        })
    }

    /// The URL as it was given, password and all.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The URL for people: the password replaced by `***`.
    pub fn masked(&self) -> String {
        let (start, end) = self.authority();
        let authority = &self.text[start..end];
        let shown = match authority.rsplit_once('@') {
            Some((login, place)) => match login.split_once(':') {
                Some((user, _)) => format!("{user}:***@{place}"),
                None => authority.to_owned(),
            },
            None => authority.to_owned(),
        };
        format!("{}{shown}{}", &self.text[..start], &self.text[end..])
    }

    /// The same with another path, which must need no encoding.
    pub fn with_path(&self, path: &str) -> Self {
        let (_, end) = self.authority();
        let query = if self.query.is_empty() {
            String::new()
        } else {
            format!("?{}", self.query)
        };
        let text = format!("{}/{path}{query}", &self.text[..end]);
        Self {
            path: Some(path.to_owned()),
            text,
            ..self.clone()
        }
    }

    /// The same at another place.
    pub fn at(&self, host: &str, port: u16) -> Self {
        let (start, end) = self.authority();
        let login = self.text[start..end]
            .rsplit_once('@')
            .map(|(login, _)| format!("{login}@"))
            .unwrap_or_default();
        let text = format!("{}{login}{host}:{port}{}", &self.text[..start], &self.text[end..]);
        Self {
            host: host.to_owned(),
            port,
            text,
            ..self.clone()
        }
    }

    /// A parameter of the query.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.query
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .find(|(key, _)| *key == name)
            .map(|(_, value)| value)
    }

    /// Where user, host and port stand in the text.
    fn authority(&self) -> (usize, usize) {
        let start = self.scheme.len() + "://".len();
        let length = self.text[start..].find(['/', '?']).unwrap_or(self.text.len() - start);
        (start, start + length)
    }
}

fn split_port(place: &str) -> Result<(&str, Option<u16>)> {
    if let Some(rest) = place.strip_prefix('[') {
        let (host, after) = rest.split_once(']').context("no ']' after the address")?;
        let port = after
            .strip_prefix(':')
            .map(|port| port.parse().context("wrong port"))
            .transpose()?;
        return Ok((host, port));
    }
    match place.rsplit_once(':') {
        Some((host, port)) => Ok((host, Some(port.parse().context("wrong port")?))),
        None => Ok((place, None)),
    }
}

fn decoded(text: &str) -> Result<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digits = [
            rest.next().context("cut off after '%'")?,
            rest.next().context("cut off after '%'")?,
        ];
        let digits = std::str::from_utf8(&digits).context("wrong after '%'")?;
        bytes.push(u8::from_str_radix(digits, 16).context("wrong after '%'")?);
    }
    String::from_utf8(bytes).context("not UTF-8")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_url_is_taken_apart() {
        let address = Address::parse("amqp://us%40er:p%3Aw@broker.example:5673/%2f?heartbeat=10").unwrap();
        assert_eq!((address.user.as_str(), address.password.as_str()), ("us@er", "p:w"));
        assert_eq!((address.host.as_str(), address.port), ("broker.example", 5673));
        assert_eq!(address.path.as_deref(), Some("/"));
        assert_eq!(address.parameter("heartbeat"), Some("10"));
    }

    #[test]
    fn what_is_left_out_is_usual() {
        let address = Address::parse("postgres://postgres@[::1]").unwrap();
        assert_eq!((address.host.as_str(), address.port, address.path), ("::1", 5432, None));
        assert_eq!(Address::parse("amqps://h").unwrap().port, 5671);
    }

    #[test]
    fn people_never_see_the_password() {
        let address = Address::parse("postgres://me:secret@h:1/db?x=1").unwrap();
        assert_eq!(address.masked(), "postgres://me:***@h:1/db?x=1");
    }

    #[test]
    fn another_database_and_another_place_keep_the_rest() {
        let address = Address::parse("postgres://me:s%40@h:1/db?x=1").unwrap();
        assert_eq!(address.with_path("other").text(), "postgres://me:s%40@h:1/other?x=1");
        assert_eq!(
            address.at("127.0.0.1", 7).text(),
            "postgres://me:s%40@127.0.0.1:7/db?x=1"
        );
        assert_eq!(address.at("127.0.0.1", 7).password, "s@");
    }

    #[test]
    fn nonsense_is_refused() {
        for text in [
            "",
            "localhost:5432",
            "mysql://h",
            "postgres://h:port/db",
            "amqp://u:%zz@h",
        ] {
            assert!(Address::parse(text).is_err(), "{text:?} should be refused");
        }
    }
}

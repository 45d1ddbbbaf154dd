//! Answers, as a client sees them.

use std::collections::BTreeMap;

use serde_json::{Value, json};

/// What every problem's `type` begins with.
const PROBLEM: &str = "urn:callboard:problem:";

/// Headers that say when and how an answer was sent, not what.
const OF_THE_MOMENT: &[&str] = &["date", "content-length", "transfer-encoding"];

/// A whole answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The headers; several of one name are joined by a comma.
    pub headers: BTreeMap<String, String>,
    /// The body as JSON; a JSON string where it is something else.
    pub body: Value,
}

impl Answer {
    /// An answer from its parts.
    pub fn new(status: u16, headers: impl IntoIterator<Item = (String, String)>, body: &[u8]) -> Self {
        let mut joined: BTreeMap<String, String> = BTreeMap::new();
        for (name, value) in headers {
            joined
                .entry(name)
                .and_modify(|earlier| *earlier = format!("{earlier}, {value}"))
                .or_insert(value);
        }
        let body = serde_json::from_slice(body).unwrap_or_else(|_| String::from_utf8_lossy(body).into_owned().into());
        Self {
            status,
            headers: joined,
            body,
        }
    }

    /// Reads a response to its end.
    ///
    /// # Panics
    /// When the connection is lost.
    pub async fn of(response: reqwest::Response) -> Self {
        Self::read(response).await.expect("a whole answer")
    }

    /// Reads a response to its end.
    ///
    /// # Errors
    /// When the connection is lost.
    pub async fn read(response: reqwest::Response) -> Result<Self, reqwest::Error> {
        let status = response.status().as_u16();
        let headers: Vec<_> = response
            .headers()
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_str().expect("visible characters").to_owned()))
            .collect();
        Ok(Self::new(status, headers, &response.bytes().await?))
    }

    /// The value of a header, or nothing.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    /// The same, having this status.
    ///
    /// # Panics
    /// When it has another one.
    #[track_caller]
    pub fn with_status(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{self:?}");
        self
    }

    /// The same, being a command that was done: a receipt as the contract has it, with headers that agree.
    ///
    /// # Panics
    /// When something isn't so.
    #[track_caller]
    pub fn done(self) -> Self {
        self.done_in("warehouse")
    }

    /// The same, of a command of this log; a creation names what it made.
    ///
    /// # Panics
    /// When something isn't so.
    #[track_caller]
    pub fn done_in(self, log: &str) -> Self {
        let answer = self.with_status(200);
        assert_eq!(answer.header("content-type"), "application/json", "{answer:?}");
        let (position, version) = (answer.position(), answer.version());
        assert_eq!(answer.body["log"], log, "{answer:?}");
        assert_eq!(
            answer.header("callboard-position"),
            format!("{log}:{position}"),
            "{answer:?}"
        );
        assert_eq!(answer.header("etag"), format!("\"{version}\""), "{answer:?}");
        let mut fields: Vec<_> = answer.body.as_object().expect("an object").keys().collect();
        fields.retain(|field| *field != "id" || log == "warehouse");
        assert_eq!(fields, ["events", "log", "position", "stream", "version"], "{answer:?}");
        let events = answer.body["events"].as_array().expect("an array").clone();
        for (event, place) in events.iter().rev().zip(0..) {
            let fields: Vec<_> = event.as_object().expect("an object").keys().collect();
            assert_eq!(fields, ["id", "position", "stream", "type", "version"], "{answer:?}");
            assert!(is_uuid(event["id"].as_str().expect("text")), "{answer:?}");
            assert_eq!(event["position"], position - place, "{answer:?}");
            assert_eq!(event["version"], version - place, "{answer:?}");
            assert_eq!(event["stream"], answer.body["stream"], "{answer:?}");
        }
        answer
    }

    /// The same, being a problem with this status and name, as RFC 9457 has it.
    ///
    /// # Panics
    /// When something isn't so.
    #[track_caller]
    pub fn problem(self, status: u16, name: &str) -> Self {
        let answer = self.with_status(status);
        assert_eq!(answer.header("content-type"), "application/problem+json", "{answer:?}");
        assert_eq!(answer.body["type"], format!("{PROBLEM}{name}"), "{answer:?}");
        assert_eq!(answer.body["status"], status, "{answer:?}");
        for field in ["title", "detail"] {
            assert!(
                answer.body[field].as_str().is_some_and(|text| !text.is_empty()),
                "no {field}: {answer:?}"
            );
        }
        let come_again = status == 503 || status == 429;
        assert_eq!(
            answer.header("retry-after").parse::<u32>().is_ok(),
            come_again,
            "{answer:?}"
        );
        answer
    }

    /// The same, pointing at this field, parameter or header.
    ///
    /// # Panics
    /// When it points elsewhere.
    #[track_caller]
    pub fn at(self, pointer: &str) -> Self {
        assert_eq!(self.body["errors"][0]["pointer"], pointer, "{self:?}");
        self
    }

    /// The name of the problem that it is, or nothing.
    pub fn problem_name(&self) -> &str {
        let name = self.body["type"].as_str().unwrap_or_default();
        name.strip_prefix(PROBLEM).unwrap_or_default()
    }

    /// A receipt's position.
    #[track_caller]
    pub fn position(&self) -> u64 {
        self.body["position"]
            .as_u64()
            .unwrap_or_else(|| panic!("no position: {self:?}"))
    }

    /// A receipt's version.
    #[track_caller]
    pub fn version(&self) -> u64 {
        self.body["version"]
            .as_u64()
            .unwrap_or_else(|| panic!("no version: {self:?}"))
    }

    /// Whether it repeats an earlier one.
    pub fn is_replayed(&self) -> bool {
        self.header("idempotent-replayed") == "true"
    }

    /// What a list answers.
    ///
    /// # Panics
    /// When it isn't one.
    #[track_caller]
    pub fn rows(&self) -> &[Value] {
        self.body.as_array().unwrap_or_else(|| panic!("not a list: {self:?}"))
    }

    /// The target of `Link: <…>; rel="next"`, if there is one.
    ///
    /// # Panics
    /// When there is another `Link`.
    #[track_caller]
    pub fn next(&self) -> Option<String> {
        let link = self.headers.get("link")?;
        let target = link
            .strip_prefix('<')
            .and_then(|rest| rest.strip_suffix(">; rel=\"next\""));
        Some(target.unwrap_or_else(|| panic!("{link}")).to_owned())
    }

    /// The answer without what differs from run to run: ids and times. What is left must be the same
    /// in every topology.
    pub fn timeless(&self) -> Value {
        let headers: BTreeMap<_, _> = self
            .headers
            .iter()
            .filter(|(name, _)| !OF_THE_MOMENT.contains(&name.as_str()))
            .map(|(name, value)| (name.clone(), timeless(&value.clone().into())))
            .collect();
        json!({ "status": self.status, "headers": headers, "body": timeless(&self.body) })
    }
}

/// A value with every id and time replaced by what it is.
pub fn timeless(value: &Value) -> Value {
    match value {
        Value::String(text) if is_uuid(text) => "<uuid>".into(),
        Value::String(text) if text.ends_with('Z') && text.parse::<jiff::Timestamp>().is_ok() => "<time>".into(),
        Value::Array(values) => values.iter().map(timeless).collect(),
        Value::Object(fields) => fields
            .iter()
            .map(|(name, value)| (name.clone(), timeless(value)))
            .collect(),
        other => other.clone(),
    }
}

fn is_uuid(text: &str) -> bool {
    text.len() == 36 && uuid::Uuid::try_parse(text).is_ok()
}

//! Tells another system of tickets that were assigned or closed.
//!
//! Each such event is posted as JSON, in the form that the event feed shows it, with its id as
//! `Idempotency-Key`: it comes at least once, of each ticket in order, and the same id means the same
//! event. 2xx means that the receiver has it. 408, 429, 5xx and whatever happens to the connection are
//! tried again with growing delays, in no less time than `Retry-After` says; any other answer, and a
//! receiver that stays down, parks the event with the later ones of its ticket.

mod answer;
#[cfg(any(test, feature = "receiver"))]
pub mod receiver;
#[cfg(test)]
mod tests;

use std::fmt;
use std::time::Duration;

use callboard::event_handler::{EventOf, InvalidSetting, Settings};
use callboard::pipeline::{PipelineConfig, Retry};
use callboard::{EventHandler, HandlerError, Log, Recorded};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::redirect::Policy;
use reqwest::{Client, Url};

use crate::assign_ticket::TicketAssigned;
use crate::close_ticket::TicketClosed;
use crate::event::Tickets;

const URL: &str = "TICKET_WEBHOOK_URL";
const SECRET: &str = "TICKET_WEBHOOK_SECRET";
const GIVE_UP: &str = "TICKET_WEBHOOK_GIVE_UP_SECONDS";

/// How long a receiver may take to answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// Posts events to a URL. Off while there is none. Its `Debug` shows of the URL no more than the host:
/// the rest may be secret.
#[derive(Clone)]
pub struct TicketWebhook {
    client: Client,
    url: Url,
    retry: Retry,
    answer_within: Duration,
}

impl fmt::Debug for TicketWebhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TicketWebhook")
            .field("host", &self.url.host_str())
            .field("retry", &self.retry)
            .field("answer_within", &self.answer_within)
            .finish_non_exhaustive()
    }
}

impl TicketWebhook {
    fn new(url: Url, secret: Option<&str>, give_up: Duration) -> Result<Self, InvalidSetting> {
        let mut headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("application/json"))]);
        if let Some(secret) = secret {
            let bearer = HeaderValue::try_from(format!("Bearer {secret}"));
            let mut bearer = bearer.map_err(|_| invalid(SECRET, "text that a header can carry"))?;
            bearer.set_sensitive(true);
            headers.insert(AUTHORIZATION, bearer);
        }
        let client = Client::builder()
            .default_headers(headers)
            .user_agent("callboard")
            .redirect(Policy::none());
        let client = client
            .build()
            .map_err(|error| invalid(URL, &format!("usable from here: {error}")))?;
        Ok(Self {
            client,
            url,
            retry: Retry {
                tries: u32::MAX,
                within: give_up,
                ..Retry::default()
            },
            answer_within: ANSWER_WITHIN,
        })
    }

    async fn post(&self, event: &Recorded<EventOf<Self>>) -> Result<(), HandlerError> {
        let encoded = event.encode().map_err(HandlerError::permanent)?;
        let body = serde_json::to_vec(&encoded.to_public(Tickets::NAME)).map_err(HandlerError::permanent)?;
        let request = self
            .client
            .post(self.url.clone())
            .header("idempotency-key", event.id.to_string())
            .timeout(self.answer_within)
            .body(body);
        // The URL may hold a password.
        let answered = request
            .send()
            .await
            .map_err(|error| HandlerError::transient(error.without_url()))?;
        answer::judge(answered.status(), answered.headers())
    }
}

impl EventHandler for TicketWebhook {
    type Log = Tickets;
    const NAME: &'static str = "ticket-webhook";
    const TYPES: &'static [&'static str] = &[TicketAssigned::NAME, TicketClosed::NAME];
    const SETTINGS: &'static [&'static str] = &[URL, SECRET, GIVE_UP];

    fn from_settings(settings: &Settings) -> Result<Option<Self>, InvalidSetting> {
        let Some(url) = settings.get(URL) else { return Ok(None) };
        let url = Url::parse(url)
            .ok()
            .filter(|url| matches!(url.scheme(), "http" | "https"));
        let url = url.ok_or_else(|| invalid(URL, "a URL that begins with http:// or https://"))?;
        let seconds = settings.get(GIVE_UP).unwrap_or("600").parse().ok();
        let seconds = seconds.filter(|seconds| (1..=86_400).contains(seconds));
        let seconds = seconds.ok_or_else(|| invalid(GIVE_UP, "a number of seconds from 1 to 86400"))?;
        Self::new(url, settings.get(SECRET), Duration::from_secs(seconds)).map(Some)
    }

    fn pipeline(&self) -> PipelineConfig {
        PipelineConfig {
            retry: self.retry.clone(),
            time_limit: self.answer_within + Duration::from_secs(1),
            ..PipelineConfig::default()
        }
    }

    async fn handle(&self, event: &Recorded<EventOf<Self>>) -> Result<(), HandlerError> {
        self.post(event).await
    }
}

fn invalid(name: &'static str, allowed: &str) -> InvalidSetting {
    InvalidSetting {
        name,
        allowed: allowed.into(),
    }
}

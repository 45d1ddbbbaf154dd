//! Command lines of `curl`, sent as they are printed.

use reqwest::{Method, Response};

/// A command line as it stands in the banner and in the README.
pub struct Curl {
    pub url: String,
    pub headers: Vec<(String, String)>,
    body: Option<String>,
}

impl Curl {
    /// The command lines of a text that begin with `curl`; what is in quotes may go on over several lines.
    pub fn all_of(text: &str) -> Vec<Self> {
        let mut lines: Vec<String> = Vec::new();
        for line in text.lines() {
            match lines.last_mut() {
                Some(open) if open.matches('\'').count() % 2 == 1 => open.push_str(line),
                _ if line.starts_with("curl ") => lines.push(line.to_owned()),
                _ => {}
            }
        }
        let lines = lines.iter().filter_map(|line| line.strip_prefix("curl "));
        lines.map(Self::parse).collect()
    }

    pub fn parse(line: &str) -> Self {
        let mut curl = Self {
            url: String::new(),
            headers: Vec::new(),
            body: None,
        };
        // As a shell splits it: what is quoted is one word.
        let parts = line.split('\'').enumerate();
        let words: Vec<String> = parts
            .flat_map(|(index, part)| match index % 2 {
                0 => part.split_whitespace().map(str::to_owned).collect(),
                _ => vec![part.to_owned()],
            })
            .collect();
        let mut words = words.into_iter();
        while let Some(word) = words.next() {
            match &*word {
                "-i" | "-N" => {}
                "-H" => {
                    let header = words.next().expect("a header");
                    let (name, value) = header.split_once(": ").expect("a header's name and value");
                    curl.headers.push((name.into(), value.into()));
                }
                "-d" => curl.body = words.next(),
                url => curl.url = url.to_owned(),
            }
        }
        curl
    }

    pub async fn send(&self) -> Response {
        let method = if self.body.is_some() { Method::POST } else { Method::GET };
        let mut request = reqwest::Client::new().request(method, &self.url);
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        if let Some(body) = &self.body {
            request = request.body(body.clone());
        }
        request.send().await.unwrap()
    }
}

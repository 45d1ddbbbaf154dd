//! The embedded topology as a stranger meets it: one binary, no services.
#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

mod support;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use rustix::process::Signal;
use serde_json::{Value, json};
use support::{Curl, Process, eventually, get, run};

const ANYWHERE: [(&str, &str); 3] = [
    ("COMMAND_HTTP_ADDR", "127.0.0.1:0"),
    ("COMMAND_OPS_ADDR", "127.0.0.1:0"),
    ("LOG_FORMAT", "json"),
];

async fn start(args: &[&str]) -> (Process, Banner) {
    let process = Process::start("callboard", args, &ANYWHERE, &[]);
    let banner = Banner::of(&process).await;
    (process, banner)
}

/// What is printed at the start.
struct Banner {
    text: String,
    curls: Vec<Curl>,
}

impl Banner {
    async fn of(process: &Process) -> Self {
        let text = eventually("the banner", || async {
            let text = process.stdout();
            let complete = text.contains("cargo xtask up");
            if complete { Ok(text) } else { Err(process.stderr()) }
        })
        .await;
        let curls = text
            .lines()
            .filter_map(|line| line.trim().strip_prefix("curl "))
            .map(Curl::parse);
        Self {
            curls: curls.collect(),
            text,
        }
    }

    /// The address behind this word.
    fn url(&self, word: &str) -> String {
        let mut words = self.text.split_whitespace().skip_while(|found| *found != word);
        words
            .nth(1)
            .unwrap_or_else(|| panic!("no {word} in {}", self.text))
            .to_owned()
    }
}

#[tokio::test]
async fn the_banners_three_lines_work_as_they_are_printed() {
    let (_process, banner) = start(&[]).await;
    assert!(banner.text.contains("in memory"), "{}", banner.text);
    let [command, query, feed] = &banner.curls[..] else {
        panic!("three lines for a terminal: {}", banner.text);
    };

    let first = command.send().await;
    assert_eq!(first.status(), 200);
    assert!(first.headers().get("Idempotent-Replayed").is_none());
    let receipt: Value = first.json().await.unwrap();
    let again = command.send().await;
    assert_eq!(again.headers()["Idempotent-Replayed"], "true");
    assert_eq!(again.json::<Value>().await.unwrap(), receipt, "sent twice, done once");

    let asked = &query
        .headers
        .iter()
        .find(|(name, _)| name == "Callboard-Position")
        .expect("it waits")
        .1;
    assert_eq!(
        *asked,
        format!("warehouse:{}", receipt["position"]),
        "for the command before"
    );
    let answer = query.send().await;
    assert_eq!(answer.status(), 200);
    let products: Value = answer.json().await.unwrap();
    let found = products
        .as_array()
        .unwrap()
        .contains(&json!({ "sku": "abc123", "quantity": 50 }));
    assert!(found, "{products}");

    let mut live = feed.send().await;
    assert_eq!(live.headers()["content-type"], "text/event-stream");
    let mut text = String::new();
    while !text.contains("abc123") {
        let more = live.chunk().await.unwrap().expect("the feed goes on");
        text.push_str(std::str::from_utf8(&more).unwrap());
    }
    assert!(text.contains("id: 1\n") || text.contains("id:1\n"), "{text}");
}

/// What is to be found under a heading of the README, with its lines asking this address.
fn readme(heading: &str, address: &str) -> Vec<Curl> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../README.md");
    let readme = std::fs::read_to_string(path).unwrap();
    let (_, behind) = readme.split_once(&format!("{heading}\n")).expect("the heading");
    let section = behind.split("\n## ").next().unwrap().split("\n### ").next().unwrap();
    let mut curls = Curl::all_of(section);
    for curl in &mut curls {
        curl.url = curl.url.replace("http://127.0.0.1:4000", address);
    }
    curls
}

/// Sends a query until its answer has what a command before it has done.
async fn shows(curl: &Curl, what: impl Fn(&Value) -> bool) {
    eventually("the query shows it", || async {
        let answer: Value = curl.send().await.json().await.unwrap();
        if what(&answer) { Ok(()) } else { Err(answer.to_string()) }
    })
    .await;
}

#[tokio::test]
async fn the_readmes_lines_about_tickets_and_finance_work_on_the_demo_data() {
    let (_process, banner) = start(&[]).await;
    let address = banner.url("HTTP");
    let tickets = readme("## Using it over HTTP", &address);
    let [board, add, assign, close, one] = &tickets[..] else {
        panic!("five lines about tickets: {}", tickets.len());
    };
    shows(board, |rows| rows.as_array().is_some_and(|rows| rows.len() == 3)).await;
    for command in [add, assign, close] {
        assert_eq!(command.send().await.status(), 200, "{}", command.url);
    }
    shows(one, |ticket| {
        ticket["history"].as_array().is_some_and(|told| told.len() == 3)
    })
    .await;

    let finance = readme("### Finance", &address);
    let [grant, account, product, calendar, payment] = &finance[..] else {
        panic!("five lines about finance: {}", finance.len());
    };
    assert_eq!(grant.send().await.status(), 200);
    shows(account, |account| account["balance"] == "1300.50").await;
    shows(product, |product| product["fees"] == "6.00").await;
    shows(calendar, |dates| dates.as_array().is_some_and(|dates| dates.len() == 1)).await;
    assert_eq!(payment.send().await.status(), 200);
    shows(product, |product| product["outstanding"] == "0.00").await;
}

#[tokio::test]
async fn there_is_a_little_demo_data_unless_it_is_not_wanted() {
    let (_process, banner) = start(&[]).await;
    let url = format!("{}/warehouse/products", banner.url("HTTP"));
    let (_, products) = get(&url).await.unwrap();
    assert!(products.as_array().unwrap().len() > 1, "{products}");
    let url = format!("{}/tickets/tickets", banner.url("HTTP"));
    let (_, board) = get(&url).await.unwrap();
    let shown = board.as_array().unwrap().iter();
    let shown: Vec<_> = shown.map(|ticket| (&ticket["status"], &ticket["assignee"])).collect();
    let (open, closed) = (json!("open"), json!("closed"));
    let (ann, bob) = (json!("ann"), json!("bob"));
    assert_eq!(
        shown,
        [(&closed, &bob), (&open, &ann), (&open, &Value::Null)],
        "{board}"
    );
    // What it owes was due before today: 0.05 % of an asset that is worth 12,000.00.
    let url = format!("{}/finance/products", banner.url("HTTP"));
    let (_, owed) = get(&url).await.unwrap();
    let fees = [&owed[0]["amount"], &owed[0]["fees"], &owed[0]["outstanding"]];
    assert_eq!(fees, [&json!("1000.00"), &json!("6.00"), &json!("1006.00")], "{owed}");
    let (_, calendar) = get(&format!("{}/finance/calendar", banner.url("HTTP"))).await.unwrap();
    assert_eq!(calendar.as_array().unwrap().len(), 1, "today alone: {calendar}");

    let (_process, banner) = start(&["--no-demo"]).await;
    let url = format!("{}/warehouse/products", banner.url("HTTP"));
    assert_eq!(get(&url).await.unwrap(), (200, json!([])));
    let url = format!("{}/tickets/tickets", banner.url("HTTP"));
    assert_eq!(get(&url).await.unwrap(), (200, json!([])));
    assert_eq!(get(&banner.url("health")).await.unwrap().0, 200);
}

#[tokio::test]
async fn a_taken_port_is_no_obstacle_and_it_says_so() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let environment = [
        ("COMMAND_HTTP_ADDR", &*address),
        ("COMMAND_OPS_ADDR", "127.0.0.1:0"),
        ("LOG_FORMAT", "json"),
    ];
    let process = Process::start("callboard", &["--no-demo"], &environment, &[]);
    let banner = Banner::of(&process).await;
    assert_ne!(banner.url("HTTP"), format!("http://{address}"));
    let (status, _) = get(&format!("{}/warehouse/products", banner.url("HTTP")))
        .await
        .unwrap();
    assert_eq!(status, 200);
    let said = process.stderr();
    assert!(said.contains("COMMAND_HTTP_ADDR") && said.contains(&address), "{said}");
}

#[tokio::test]
async fn sigterm_ends_it_well_also_while_somebody_watches_the_feed() {
    let (mut process, banner) = start(&[]).await;
    let mut live = banner.curls[2].send().await;
    live.chunk().await.unwrap().expect("the feed is live");
    process.terminate();
    let status = process.ended_within(Duration::from_secs(10)).await;
    assert_eq!(status.code(), Some(0), "{}", process.stderr());
}

#[tokio::test]
async fn a_second_signal_ends_it_at_once() {
    let (mut process, banner) = start(&[]).await;
    // A request that holds up the end: its body doesn't come.
    let url = banner.url("HTTP");
    let address = url.strip_prefix("http://").unwrap();
    let mut slow = TcpStream::connect(address).unwrap();
    let head = "POST /warehouse/products/slow/increase_quantity HTTP/1.1\r\nHost: localhost\r\n\
                Content-Type: application/json\r\nContent-Length: 15\r\nExpect: 100-continue\r\n\r\n";
    slow.write_all(head.as_bytes()).unwrap();
    // Told to go on, we know that it is being served.
    let mut told = [0; 12];
    slow.read_exact(&mut told).unwrap();
    assert_eq!(&told, b"HTTP/1.1 100");
    process.signal(Signal::INT);
    process
        .logged("ending: requests and batches in flight are completed first")
        .await;
    assert!(!process.has_ended(), "a request is still in flight");
    process.terminate();
    let status = process.ended_within(Duration::from_secs(2)).await;
    assert_eq!(status.code(), Some(1), "{}", process.stderr());
    let said = process.stderr();
    assert!(!said.contains("the service has ended"), "it didn't wait: {said}");
}

#[test]
fn a_wrong_setting_ends_each_binary_with_its_name_its_value_and_what_is_allowed() {
    for (name, value, allowed) in [
        ("COMMAND_HTTP_ADDR", "4000", "127.0.0.1:4000"),
        ("DATABASE_URL", "mysql://localhost/x", "postgres://"),
        ("AMQP_URL", "http://localhost", "amqp://"),
        ("CALLBOARD_TOPOLOGY", "sideways", "`brokered` or `inline`"),
        ("MESSAGING_QUEUE_PREFIX", "a.b", "1 to 64 of a-z"),
        ("LOG_FORMAT", "xml", "`pretty` or `json`"),
    ] {
        for binary in ["callboard", "callboard-command", "callboard-projector"] {
            let output = run(binary, &[], &[(name, value)]);
            let said = String::from_utf8(output.stderr).unwrap();
            assert_eq!(output.status.code(), Some(2), "{binary} with {name}={value}: {said}");
            assert!(
                said.contains(name) && said.contains(value) && said.contains(allowed),
                "{binary} with {name}={value}: {said}"
            );
        }
    }
}

#[test]
fn a_secret_that_can_not_be_read_is_named_with_its_file() {
    for binary in ["callboard", "callboard-command", "callboard-projector"] {
        let output = run(binary, &[], &[("DATABASE_URL_FILE", "/nowhere/url")]);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(
            said.contains("DATABASE_URL_FILE") && said.contains("/nowhere/url"),
            "{said}"
        );
    }
}

#[test]
fn an_address_that_can_not_be_read_ends_with_2_as_well() {
    for (name, value, wrong) in [
        ("DATABASE_URL", "postgres://u:s3cret@db:notaport/x", "port"),
        (
            "AMQP_URL",
            "amqp://u:s3cret@broker:99999/%2f",
            "amqp://user:password@host:port/vhost",
        ),
    ] {
        for binary in ["callboard-command", "callboard-projector"] {
            let mut environment = ANYWHERE.to_vec();
            environment.extend([
                ("QUERY_HTTP_ADDR", "127.0.0.1:0"),
                ("QUERY_OPS_ADDR", "127.0.0.1:0"),
                (name, value),
            ]);
            let output = run(binary, &[], &environment);
            let said = String::from_utf8(output.stderr).unwrap();
            assert_eq!(output.status.code(), Some(2), "{binary} with {name}={value}: {said}");
            assert!(
                said.contains(name) && said.contains(wrong) && !said.contains("s3cret"),
                "{said}"
            );
        }
    }
}

#[test]
fn wrong_usage_ends_with_2() {
    for args in [
        &["frobnicate"][..],
        &["events", "list", "no-such-log"],
        &["relay", "rewind", "warehouse"],
    ] {
        assert_eq!(run("callboard", args, &[]).status.code(), Some(2), "{args:?}");
    }
    let inline = run("callboard-projector", &[], &[("CALLBOARD_TOPOLOGY", "inline")]);
    let said = String::from_utf8(inline.stderr).unwrap();
    assert_eq!(inline.status.code(), Some(2), "{said}");
    assert!(said.contains("CALLBOARD_TOPOLOGY"), "{said}");
}

#[test]
fn config_shows_every_value_with_its_source_and_no_password() {
    let environment = [
        ("DATABASE_URL", "postgres://u:s3cret@db/x"),
        ("MESSAGING_QUEUE_PREFIX", "here"),
    ];
    let output = run("callboard", &["config", "--json", "--log-format", "json"], &environment);
    assert_eq!(output.status.code(), Some(0));
    let shown: Value = serde_json::from_slice(&output.stdout).unwrap();
    let of = |name: &str| {
        let found = shown
            .as_array()
            .unwrap()
            .iter()
            .find(|entry| entry["name"] == name)
            .cloned();
        found.unwrap_or_else(|| panic!("{name} is missing: {shown}"))
    };
    assert_eq!(of("DATABASE_URL")["value"], "postgres://u:****@db/x");
    assert_eq!(of("DATABASE_URL")["source"], "environment");
    assert_eq!(of("LOG_FORMAT")["source"], "flag");
    assert_eq!(of("QUERY_HTTP_ADDR")["source"], "default");
}

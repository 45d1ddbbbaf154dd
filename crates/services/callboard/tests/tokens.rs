//! Bearer tokens, as the real binary takes them.
#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

mod support;

use std::io::Write;

use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use reqwest::{Client, Response};
use serde_json::{Value, json};
use support::{Process, eventually, run};

const KEY: &str = "a-secret-that-nobody-logs-of-32-bytes";
/// Each is HS256 with that key: `ann` without a role and `lea`, a lead, of `acme`, until the year 2100.
const ANN: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhbm4iLCJvcmciOiJhY21lIiwicm9sZXMiOltdLCJleHAiOjQxMDI0NDQ4MDB9.nbZOrvjPzdP7Dhm9hQKAbVYAGDD_jDNlAsNa-068tyg";
const LEA: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJsZWEiLCJvcmciOiJhY21lIiwicm9sZXMiOlsibGVhZCJdLCJleHAiOjQxMDI0NDQ4MDB9.yLULvKBibvB0eLSm9mKKmIMpZ7rCsrxqX6ZjUaMzumY";
/// `ann`'s of the year 2020.
const EXPIRED: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhbm4iLCJvcmciOiJhY21lIiwicm9sZXMiOltdLCJleHAiOjE2MDAwMDAwMDB9.2Icn0SRJNQgSUOHxzv2_HKLqs7Dz0NvLcm4bOn6s1bk";
const TICKET: &str = "0192d9a4-7b8e-7c3f-8d2a-5f6e7a8b9c0d";

struct Service {
    process: Process,
    http: String,
}

impl Service {
    async fn start(key: (&str, &str)) -> Self {
        Self::start_with(&[key]).await
    }

    async fn start_with(settings: &[(&str, &str)]) -> Self {
        let environment = [
            ("COMMAND_HTTP_ADDR", "127.0.0.1:0"),
            ("COMMAND_OPS_ADDR", "127.0.0.1:0"),
            ("LOG_FORMAT", "json"),
            ("RUST_LOG", "trace"),
            ("CALLBOARD_AUTH", "token"),
        ];
        let environment = [&environment, settings].concat();
        let signatures = [ANN, LEA, EXPIRED].map(|token| token.rsplit_once('.').unwrap().1);
        let secrets = [&[KEY][..], &signatures].concat();
        let process = Process::start("callboard", &[], &environment, &secrets);
        let http = eventually("the banner", || async {
            let text = process.stdout();
            let mut words = text.split_whitespace().skip_while(|word| *word != "HTTP");
            words.nth(1).map(str::to_owned).ok_or_else(|| process.stderr())
        })
        .await;
        Self { process, http }
    }

    async fn post(&self, path: &str, token: Option<&str>, body: Value) -> Response {
        let request = Client::new().post(format!("{}{path}", self.http)).json(&body);
        // Ignored: only the token counts.
        let request = request
            .header("Callboard-Actor", "mallory")
            .header("Callboard-Roles", "lead");
        let request = match token {
            Some(token) => request.bearer_auth(token),
            None => request,
        };
        request.send().await.unwrap()
    }

    async fn status(&self, path: &str, token: Option<&str>, body: Value) -> u16 {
        self.post(path, token, body).await.status().as_u16()
    }
}

#[tokio::test]
async fn only_tokens_say_who_sends_a_request_and_neither_they_nor_the_key_are_logged() {
    let service = Service::start(("CALLBOARD_TOKEN_KEY", KEY)).await;
    let add = || json!({ "id": TICKET, "title": "No light" });
    let assign = format!("/tickets/tickets/{TICKET}/assign_ticket");
    for token in [None, Some(EXPIRED), Some("garbage")] {
        let refused = service.post("/tickets/tickets", token, add()).await;
        assert_eq!(refused.status().as_u16(), 401);
        let challenge = refused.headers()["www-authenticate"].to_str().unwrap().to_owned();
        assert!(challenge.starts_with("Bearer"), "{challenge}");
    }
    assert_eq!(service.status("/tickets/tickets", Some(ANN), add()).await, 200);
    assert_eq!(
        service.status(&assign, Some(ANN), json!({ "assignee": "ann" })).await,
        403
    );
    assert_eq!(
        service.status(&assign, Some(LEA), json!({ "assignee": "ann" })).await,
        200
    );
    let url = format!("{}/tickets/tickets/{TICKET}", service.http);
    let answer = Client::new()
        .get(&url)
        .bearer_auth(LEA)
        .header("Callboard-Position", "tickets:2");
    let ticket: Value = answer.send().await.unwrap().json().await.unwrap();
    assert_eq!(
        (&ticket["added_by"], &ticket["history"][1]["actor"]),
        (&json!("ann"), &json!("lea"))
    );
    assert_eq!(Client::new().get(&url).send().await.unwrap().status().as_u16(), 401);
    let warehouse = "/warehouse/products/abc/increase_quantity";
    assert_eq!(service.status(warehouse, None, json!({ "quantity": 1 })).await, 401);
    assert!(
        service.process.stdout().contains("no data yet"),
        "the demo's people have no tokens"
    );
    // The process looks for all of these in what it said, when it is dropped.
    service.process.logged("answered").await;
}

#[tokio::test]
async fn the_key_may_come_from_a_file() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    writeln!(file, "{KEY}").unwrap();
    let service = Service::start(("CALLBOARD_TOKEN_KEY_FILE", file.path().to_str().unwrap())).await;
    assert_eq!(
        service
            .status("/tickets/tickets", Some(ANN), json!({ "title": "x" }))
            .await,
        200
    );
}

#[tokio::test]
async fn tokens_of_each_algorithm_are_taken_from_the_issuer_for_the_audience_and_no_others() {
    let keys = format!(
        "{}/../../blocks/callboard-http/tests/http/keys",
        env!("CARGO_MANIFEST_DIR")
    );
    let private = |name: &str| std::fs::read(format!("{keys}/{name}.pem")).unwrap();
    for (name, pair, algorithm, key) in [
        (
            "RS256",
            "rsa",
            Algorithm::RS256,
            EncodingKey::from_rsa_pem(&private("rsa")),
        ),
        (
            "ES256",
            "p256",
            Algorithm::ES256,
            EncodingKey::from_ec_pem(&private("p256")),
        ),
        (
            "EdDSA",
            "ed25519",
            Algorithm::EdDSA,
            EncodingKey::from_ed_pem(&private("ed25519")),
        ),
    ] {
        let (public, key) = (format!("{keys}/{pair}.public.pem"), key.unwrap());
        let service = Service::start_with(&[
            ("CALLBOARD_TOKEN_ALGORITHM", name),
            ("CALLBOARD_TOKEN_KEY_FILE", &public),
            ("CALLBOARD_TOKEN_AUDIENCE", "callboard"),
            ("CALLBOARD_TOKEN_ISSUER", "https://login.example.com/"),
        ])
        .await;
        let good = json!({
            "sub": "ann", "org": "acme", "roles": [], "exp": 4_102_444_800_u64,
            "aud": ["callboard", "others"], "iss": "https://login.example.com/",
        });
        let with = |claim: &str, value: Value| {
            let mut claims = good.clone();
            claims[claim] = value;
            encode(&Header::new(algorithm), &claims, &key).unwrap()
        };
        let status = async |token: &str| {
            let add = json!({ "title": "No light" });
            service.status("/tickets/tickets", Some(token), add).await
        };
        assert_eq!(status(&with("sub", json!("ann"))).await, 200, "{name}");
        for (claim, value) in [
            ("exp", json!(1_600_000_000)),
            ("nbf", json!(4_102_444_799_u64)),
            ("aud", json!("others")),
            ("aud", Value::Null),
            ("iss", json!("https://evil.example.com/")),
            ("iss", Value::Null),
        ] {
            assert_eq!(
                status(&with(claim, value.clone())).await,
                401,
                "{name}: {claim} {value}"
            );
        }
        // The public key taken for a shared secret.
        let text = std::fs::read_to_string(&public).unwrap();
        let shared = EncodingKey::from_secret(text.trim().as_bytes());
        let confused = encode(&Header::new(Algorithm::HS256), &good, &shared).unwrap();
        assert_eq!(status(&confused).await, 401, "{name}");
        assert_eq!(status(ANN).await, 401, "{name}");
    }
}

#[test]
fn a_key_that_is_none_for_the_algorithm_ends_the_start_with_the_variables_name() {
    let keys = format!(
        "{}/../../blocks/callboard-http/tests/http/keys",
        env!("CARGO_MANIFEST_DIR")
    );
    for (algorithm, file, allowed) in [
        ("HS256", "rsa.public", "a secret (no PEM) of at least 32 bytes"),
        ("RS256", "p256.public", "a public RSA key of 2048 to 4096 bits as PEM"),
        ("RS256", "rsa", "a public RSA key of 2048 to 4096 bits as PEM"),
        ("ES256", "p384.public", "a public P-256 key as PEM"),
        ("EdDSA", "rsa.public", "a public Ed25519 key as PEM"),
    ] {
        let file = format!("{keys}/{file}.pem");
        let settings = [
            ("CALLBOARD_AUTH", "token"),
            ("CALLBOARD_TOKEN_ALGORITHM", algorithm),
            ("CALLBOARD_TOKEN_KEY_FILE", &file),
        ];
        let output = run("callboard", &[], &settings);
        let said = String::from_utf8(output.stderr).unwrap();
        let expected =
            format!("CALLBOARD_TOKEN_KEY is \"****\" (from: file {file}): it must be {allowed} for {algorithm}");
        assert!(output.status.code() == Some(2) && said.contains(&expected), "{said}");
    }
    for (variable, value) in [
        ("CALLBOARD_TOKEN_AUDIENCE", "two words"),
        ("CALLBOARD_TOKEN_ISSUER", "\u{e4}"),
    ] {
        let output = run(
            "callboard",
            &[],
            &[
                ("CALLBOARD_AUTH", "token"),
                ("CALLBOARD_TOKEN_KEY", KEY),
                (variable, value),
            ],
        );
        let said = String::from_utf8(output.stderr).unwrap();
        let expected = format!("{variable} is \"{value}\"");
        assert!(output.status.code() == Some(2) && said.contains(&expected), "{said}");
    }
}

#[test]
fn a_wrong_or_missing_key_ends_each_binary_with_what_is_allowed_and_config_shows_none() {
    for binary in ["callboard", "callboard-command", "callboard-projector"] {
        for (key, shown) in [("", "\"\""), ("too-short", "\"****\"")] {
            let output = run(
                binary,
                &[],
                &[("CALLBOARD_AUTH", "token"), ("CALLBOARD_TOKEN_KEY", key)],
            );
            let said = String::from_utf8(output.stderr).unwrap();
            assert_eq!(output.status.code(), Some(2), "{binary}: {said}");
            let named = format!("CALLBOARD_TOKEN_KEY is {shown}");
            assert!(
                said.contains(&named) && said.contains("at least 32 bytes"),
                "{binary}: {said}"
            );
            assert!(!said.contains("too-short"), "{said}");
        }
    }
    let output = run("callboard", &["config"], &[("CALLBOARD_TOKEN_KEY", KEY)]);
    let shown = String::from_utf8(output.stdout).unwrap();
    assert!(
        shown.contains("CALLBOARD_TOKEN_KEY") && shown.contains("****") && !shown.contains(KEY),
        "{shown}"
    );
}

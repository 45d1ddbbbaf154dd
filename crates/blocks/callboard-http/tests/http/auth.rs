use callboard::Actor;
use callboard_http::{Authenticate, BearerTokens, DevelopmentHeaders, Edge, TokenAlgorithm};
use futures::FutureExt;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};

use crate::toy::{Answer, Toy};

pub const SECRET: &str = "a shared secret of 32 bytes, or more";
/// The year 2100.
pub const LATER: u64 = 4_102_444_800;

fn by_token() -> Toy {
    let tokens = BearerTokens::new(TokenAlgorithm::Hs256, SECRET).unwrap();
    Toy::on(Edge::new(["toy"]).authenticate_with(tokens))
}

pub fn claims() -> Value {
    json!({ "sub": "ann", "org": "acme", "roles": ["agent", "lead"], "exp": LATER })
}

/// The claims with one of them changed; `null` takes it away.
pub fn with(name: &str, value: Value) -> Value {
    let mut claims = claims();
    match value {
        Value::Null => claims.as_object_mut().unwrap().remove(name).map(drop).unwrap(),
        value => claims[name] = value,
    }
    claims
}

pub fn token(claims: &Value) -> String {
    signed(&Header::new(Algorithm::HS256), claims, SECRET)
}

fn signed(header: &Header, claims: &Value, secret: &str) -> String {
    encode(header, claims, &EncodingKey::from_secret(secret.as_bytes())).unwrap()
}

pub async fn bearing(toy: &Toy, token: &str) -> Answer {
    toy.post_count(3, &[("authorization", &format!("Bearer {token}"))])
        .await
}

/// It is refused with this reason, which doesn't hold the token.
#[track_caller]
pub fn refused(answer: &Answer, token: &str, reason: &str) {
    let problem = answer.problem(401, "unauthenticated");
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.contains(reason), "{detail}");
    assert_eq!(
        answer.header("www-authenticate"),
        Some("Bearer error=\"invalid_token\"")
    );
    let shown = String::from_utf8_lossy(&answer.body).into_owned();
    for part in token.split('.').filter(|part| part.len() > 3) {
        assert!(!shown.contains(part), "{shown} holds {part}");
    }
}

#[tokio::test]
async fn a_verified_token_names_the_actor_and_the_headers_of_development_are_ignored() {
    let toy = by_token();
    let bearer = format!("bearer {}", token(&claims()));
    let headers = [
        ("authorization", &*bearer),
        ("callboard-actor", "mallory"),
        ("callboard-roles", ","),
    ];
    assert_eq!(toy.post_count(3, &headers).await.status, 200);
    assert_eq!(toy.events().await[0].metadata.actor.as_deref(), Some("ann"));
    let tokens = BearerTokens::new(TokenAlgorithm::Hs256, SECRET).unwrap();
    let given = axum::http::HeaderMap::from_iter([("authorization".parse().unwrap(), bearer.parse().unwrap())]);
    let actor = tokens.authenticate(&given).now_or_never().unwrap().unwrap();
    let expected = Actor {
        id: Some("ann".into()),
        organisation: Some("acme".into()),
        roles: vec!["agent".into(), "lead".into()],
    };
    assert_eq!(actor, expected);
}

#[tokio::test]
async fn without_a_token_nobody_gets_in() {
    let toy = by_token();
    let basic = [("authorization", "Basic YTpi")];
    let lone = [("authorization", "Bearer")];
    let bearer = format!("Bearer {}", token(&claims()));
    let twice = [("authorization", &*bearer), ("authorization", &*bearer)];
    let claimed = [("callboard-actor", "ann")];
    for headers in [&[][..], &basic, &lone, &twice, &claimed] {
        for answer in [
            toy.post_count(3, headers).await,
            toy.get_with("/counters", headers).await,
        ] {
            answer.problem(401, "unauthenticated");
            assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
        }
    }
    toy.get("/logs/toy/events").await.problem(401, "unauthenticated");
    assert_eq!(toy.events().await.len(), 0);
}

#[tokio::test]
async fn a_token_that_does_not_hold_is_refused_with_the_reason() {
    let toy = by_token();
    let hour = 60 * 60;
    let cases = [
        (with("exp", Value::Null), "exp"),
        (with("exp", json!("tomorrow")), "exp"),
        (with("exp", json!(1_600_000_000)), "it has expired"),
        (with("nbf", json!(LATER - hour)), "it is not valid yet"),
        (with("nbf", json!("now")), "nbf"),
        (
            with("aud", json!("others")),
            "meant for an audience (aud), and none is set here",
        ),
        (with("sub", Value::Null), "sub"),
        (with("org", Value::Null), "org"),
        (with("roles", Value::Null), "roles"),
        (with("roles", json!("lead")), "roles"),
        (with("roles", json!(["lead", 1])), "roles"),
        (with("roles", json!(["lead", ""])), "roles"),
        (with("sub", json!("")), "sub"),
        (with("sub", json!("a b")), "sub"),
        (with("sub", json!("pm:low-product-quantity-notification")), "sub"),
        (with("sub", json!("cycle")), "sub"),
        (with("sub", json!("a".repeat(256))), "sub"),
        (with("org", json!("ä")), "org"),
        (with("org", json!("-")), "org"),
    ];
    for (claims, reason) in cases {
        let token = token(&claims);
        refused(&bearing(&toy, &token).await, &token, reason);
    }
    assert_eq!(toy.events().await.len(), 0);
}

#[tokio::test]
async fn a_token_that_was_made_by_somebody_else_or_otherwise_is_refused() {
    let toy = by_token();
    let hs256 = Header::new(Algorithm::HS256);
    let others = signed(&hs256, &claims(), "another shared secret of 32 bytes");
    refused(&bearing(&toy, &others).await, &others, "its signature is wrong");
    let other_algorithm = signed(&Header::new(Algorithm::HS512), &claims(), SECRET);
    refused(
        &bearing(&toy, &other_algorithm).await,
        &other_algorithm,
        "another algorithm",
    );
    let mut extended = hs256;
    extended.crit = Some(vec!["b64".into()]);
    let extended = signed(&extended, &claims(), SECRET);
    refused(&bearing(&toy, &extended).await, &extended, "extensions");
    // {"alg":"none"}, and claims that were changed under a signature.
    let (signed_part, signature) = {
        let token = token(&claims());
        let (part, signature) = token.rsplit_once('.').unwrap();
        (part.to_owned(), signature.to_owned())
    };
    let body = token(&with("sub", json!("lea")));
    let body = body.split('.').nth(1).unwrap();
    let header = signed_part.split('.').next().unwrap();
    for forged in [
        format!("eyJhbGciOiJub25lIn0.{body}."),
        format!("{header}.{body}.{signature}"),
        format!("{signed_part}."),
        signed_part.clone(),
        "garbage".into(),
        "a.b.c".into(),
        String::new(),
    ] {
        refused(
            &bearing(&toy, &forged).await,
            &forged,
            "The bearer token is not accepted",
        );
    }
    assert_eq!(toy.events().await.len(), 0);
}

#[tokio::test]
async fn in_development_headers_name_the_actor() {
    let toy = Toy::on(Edge::new(["toy"]).authenticate_with(DevelopmentHeaders));
    assert_eq!(toy.post_count(3, &[]).await.status, 200);
    let named = [
        ("callboard-actor", "ann"),
        ("callboard-organisation", "acme"),
        ("callboard-roles", "agent, lead"),
    ];
    assert_eq!(toy.post_count(3, &named).await.status, 200);
    let actors: Vec<_> = toy
        .events()
        .await
        .into_iter()
        .map(|event| event.metadata.actor)
        .collect();
    assert_eq!(actors, [None, Some("ann".into())]);
    let longest = "a".repeat(255);
    for name in ["callboard-actor", "callboard-organisation", "callboard-roles"] {
        let long = "a".repeat(256);
        for value in ["", " ", "a b", "ä", "a\tb", &long] {
            let answer = toy.post_count(3, &[(name, value)]).await;
            answer.invalid("invalid-header", &format!("/{name}"));
            let answer = toy.get_with("/counters", &[(name, value)]).await;
            answer.invalid("invalid-header", &format!("/{name}"));
        }
        let twice = [(name, "a"), (name, "a")];
        toy.post_count(3, &twice)
            .await
            .invalid("invalid-header", &format!("/{name}"));
        assert_eq!(toy.post_count(0, &[(name, &longest)]).await.status, 200, "{name}");
    }
    for (name, value) in [
        ("callboard-roles", "agent,,lead"),
        ("callboard-roles", ","),
        ("callboard-actor", "pm:low-product-quantity-notification"),
        ("callboard-actor", "cycle"),
        ("callboard-organisation", "-"),
    ] {
        let answer = toy.post_count(3, &[(name, value)]).await;
        answer.invalid("invalid-header", &format!("/{name}"));
    }
    assert_eq!(toy.events().await.len(), 2);
}

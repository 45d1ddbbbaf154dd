//! Tokens that are signed with each algorithm, for whom they are meant, and keys that are none.

use callboard_http::{BearerTokens, Edge, InvalidTokenKey, TokenAlgorithm};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};

use crate::auth::{LATER, SECRET, bearing, claims, refused, token, with};
use crate::toy::Toy;

/// Pairs made for these tests, and public keys that are of no use.
const RSA: &str = include_str!("keys/rsa.pem");
const RSA_PUBLIC: &str = include_str!("keys/rsa.public.pem");
const RSA_PKCS1_PUBLIC: &str = include_str!("keys/rsa.pkcs1.public.pem");
const RSA_1024_PUBLIC: &str = include_str!("keys/rsa-1024.public.pem");
const P256: &str = include_str!("keys/p256.pem");
const P256_PUBLIC: &str = include_str!("keys/p256.public.pem");
const P384_PUBLIC: &str = include_str!("keys/p384.public.pem");
const ED: &str = include_str!("keys/ed25519.pem");
const ED_PUBLIC: &str = include_str!("keys/ed25519.public.pem");

/// Each algorithm with a public key, and with what signs for it.
fn pairs() -> [(TokenAlgorithm, &'static str, Algorithm, EncodingKey); 3] {
    let (rsa, ec, ed) = (
        EncodingKey::from_rsa_pem(RSA.as_bytes()).unwrap(),
        EncodingKey::from_ec_pem(P256.as_bytes()).unwrap(),
        EncodingKey::from_ed_pem(ED.as_bytes()).unwrap(),
    );
    [
        (TokenAlgorithm::Rs256, RSA_PUBLIC, Algorithm::RS256, rsa),
        (TokenAlgorithm::Es256, P256_PUBLIC, Algorithm::ES256, ec),
        (TokenAlgorithm::EdDsa, ED_PUBLIC, Algorithm::EdDSA, ed),
    ]
}

fn asking(tokens: BearerTokens) -> Toy {
    Toy::on(Edge::new(["toy"]).authenticate_with(tokens))
}

fn by_secret() -> BearerTokens {
    BearerTokens::new(TokenAlgorithm::Hs256, SECRET).unwrap()
}

fn signed(algorithm: Algorithm, claims: &Value, key: &EncodingKey) -> String {
    encode(&Header::new(algorithm), claims, key).unwrap()
}

#[tokio::test]
async fn a_token_that_is_signed_with_a_private_key_is_verified_with_the_public_one() {
    for (algorithm, public, signs, key) in pairs() {
        let toy = asking(BearerTokens::new(algorithm, public).unwrap());
        let good = signed(signs, &claims(), &key);
        assert_eq!(bearing(&toy, &good).await.status, 200, "{}", algorithm.name());
        assert_eq!(toy.events().await[0].metadata.actor.as_deref(), Some("ann"));
        for (changed, reason) in [
            (with("exp", json!(1_600_000_000)), "it has expired"),
            (with("exp", Value::Null), "exp"),
            (with("nbf", json!(LATER - 1)), "it is not valid yet"),
            (with("aud", json!("others")), "audience"),
        ] {
            let bad = signed(signs, &changed, &key);
            refused(&bearing(&toy, &bad).await, &bad, reason);
        }
        let (part, signature) = good.rsplit_once('.').unwrap();
        let other = signed(signs, &with("sub", json!("lea")), &key);
        let (other, _) = other.rsplit_once('.').unwrap();
        for forged in [
            format!("{other}.{signature}"),
            format!("{part}."),
            format!("{part}.AAAA"),
        ] {
            refused(&bearing(&toy, &forged).await, &forged, "its signature is wrong");
        }
        assert_eq!(toy.events().await.len(), 1);
    }
    // The older form of the same key.
    let toy = asking(BearerTokens::new(TokenAlgorithm::Rs256, RSA_PKCS1_PUBLIC).unwrap());
    let [(_, _, signs, key), ..] = pairs();
    assert_eq!(bearing(&toy, &signed(signs, &claims(), &key)).await.status, 200);
}

#[tokio::test]
async fn a_token_never_chooses_how_it_is_verified() {
    for (algorithm, public, ..) in pairs() {
        let toy = asking(BearerTokens::new(algorithm, public).unwrap());
        // The public key is known to all: taken for a shared secret, anybody could sign.
        for text in [public, public.trim()] {
            let confused = signed(Algorithm::HS256, &claims(), &EncodingKey::from_secret(text.as_bytes()));
            refused(&bearing(&toy, &confused).await, &confused, "another algorithm");
        }
        for (of, _, signs, key) in pairs() {
            if of != algorithm {
                let other = signed(signs, &claims(), &key);
                refused(&bearing(&toy, &other).await, &other, "another algorithm");
            }
        }
        let body = token(&claims());
        let body = body.split('.').nth(1).unwrap();
        // {"alg":"none"} and {"alg":"None"}
        for header in ["eyJhbGciOiJub25lIn0", "eyJhbGciOiJOb25lIn0"] {
            let unsigned = format!("{header}.{body}.");
            refused(&bearing(&toy, &unsigned).await, &unsigned, "not accepted");
        }
        assert_eq!(toy.events().await.len(), 0);
    }
}

#[tokio::test]
async fn a_token_that_names_an_audience_is_taken_by_it_alone() {
    let toy = asking(by_secret());
    // Of whatever type: who isn't asked for by name isn't meant (RFC 7519, 4.1.3).
    for audience in [
        json!("callboard"),
        json!(["callboard"]),
        json!([]),
        json!(7),
        json!({}),
        json!(""),
    ] {
        let meant = token(&with("aud", audience));
        refused(&bearing(&toy, &meant).await, &meant, "(aud), and none is set here");
    }
    let toy = asking(by_secret().for_audience("callboard"));
    for audience in [json!("callboard"), json!(["others", "callboard"])] {
        assert_eq!(bearing(&toy, &token(&with("aud", audience))).await.status, 200);
    }
    for audience in [
        json!("others"),
        json!("Callboard"),
        json!([]),
        json!(["others", "callboards"]),
        json!(""),
    ] {
        let others = token(&with("aud", audience));
        refused(&bearing(&toy, &others).await, &others, "another audience");
    }
    for missing in [claims(), with("aud", json!(7)), with("aud", json!([1]))] {
        let missing = token(&missing);
        refused(&bearing(&toy, &missing).await, &missing, "aud");
    }
}

#[tokio::test]
async fn only_tokens_of_the_issuer_are_taken_where_one_is_set() {
    let toy = asking(by_secret());
    assert_eq!(bearing(&toy, &token(&with("iss", json!("anybody")))).await.status, 200);
    let toy = asking(by_secret().of_issuer("https://login.example.com/"));
    let ours = with("iss", json!("https://login.example.com/"));
    assert_eq!(bearing(&toy, &token(&ours)).await.status, 200);
    let several = json!(["https://login.example.com/", "https://evil.example.com/"]);
    for (claims, reason) in [
        (with("iss", json!("https://login.example.com")), "another issuer"),
        (with("iss", several), "iss"),
        (with("iss", json!(7)), "iss"),
        (claims(), "iss"),
    ] {
        let others = token(&claims);
        refused(&bearing(&toy, &others).await, &others, reason);
    }
    let both = asking(by_secret().for_audience("callboard").of_issuer("us"));
    let mut meant = with("iss", json!("us"));
    refused(&bearing(&both, &token(&meant)).await, &token(&meant), "aud");
    meant["aud"] = json!("callboard");
    assert_eq!(bearing(&both, &token(&meant)).await.status, 200);
}

#[test]
fn a_key_must_suit_its_algorithm_and_is_never_shown() {
    let certificate = ED_PUBLIC.replace("PUBLIC KEY", "CERTIFICATE");
    // Its point is cut off.
    let short = "-----BEGIN PUBLIC KEY-----\nMA4wBQYDK2VwAwUAAQIDBA==\n-----END PUBLIC KEY-----\n";
    for (algorithm, key) in [
        (TokenAlgorithm::Hs256, &SECRET[..31]),
        (TokenAlgorithm::Hs256, ""),
        (TokenAlgorithm::Hs256, RSA_PUBLIC),
        (TokenAlgorithm::Hs256, ED_PUBLIC),
        (TokenAlgorithm::Rs256, SECRET),
        (TokenAlgorithm::Rs256, ED_PUBLIC),
        (TokenAlgorithm::Rs256, P256_PUBLIC),
        (TokenAlgorithm::Rs256, RSA),
        (TokenAlgorithm::Rs256, RSA_1024_PUBLIC),
        (TokenAlgorithm::Rs256, &RSA_PUBLIC[..200]),
        (TokenAlgorithm::Es256, SECRET),
        (TokenAlgorithm::Es256, ED_PUBLIC),
        (TokenAlgorithm::Es256, P384_PUBLIC),
        (TokenAlgorithm::Es256, P256),
        (TokenAlgorithm::EdDsa, SECRET),
        (TokenAlgorithm::EdDsa, P256_PUBLIC),
        (TokenAlgorithm::EdDsa, ED),
        (TokenAlgorithm::EdDsa, &certificate),
        (TokenAlgorithm::EdDsa, short),
    ] {
        let error = BearerTokens::new(algorithm, key).unwrap_err();
        assert_eq!(error, InvalidTokenKey(algorithm), "{key}");
        assert!(error.to_string().contains(algorithm.name()), "{error}");
    }
    let shown = format!("{:?}", by_secret());
    let bytes = format!("{:?}", SECRET.as_bytes());
    assert!(
        !shown.contains(SECRET) && !shown.contains(bytes.trim_matches(['[', ']'])),
        "{shown}"
    );
}

use std::fs;
use std::time::{SystemTime, UNIX_EPOCH};

use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{EncodingKey, Header, encode};
use secrecy::SecretString;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;
use crate::Scope;

const SECRET: &str = "0123456789abcdef0123456789abcdef";
/// Made for these tests only.
const ED25519: [&str; 2] = [
    "MC4CAQAwBQYDK2VwBCIEIHS2n9qZ8EDHKq8aSVsxwcHXKLPfx8Uy1FCzvtX6/Xfh",
    "MC4CAQAwBQYDK2VwBCIEIO70ccBauI/hpqEKCj5xpvxScDqnGiq2Os+Xs5n8g5c2",
];

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs()
}

fn claims() -> Value {
    json!({"sub": "alice", "iss": "https://issuer", "aud": ["agents", "other"], "exp": now() + 60,
           "scope": "openid tasks:read tasks:write"})
}

fn with(name: &str, value: Value) -> Value {
    let mut claims = claims();
    claims[name] = value;
    claims
}

fn without(name: &str) -> Value {
    let mut claims = claims();
    claims.as_object_mut().expect("an object").remove(name);
    claims
}

fn settings(source: KeySource) -> JwtSettings {
    JwtSettings {
        source,
        issuer: Some("https://issuer".into()),
        audiences: vec!["agents".into()],
        scope_claim: "scope".into(),
    }
}

fn by_secret() -> Jwt {
    Jwt::open(settings(KeySource::Secret(SecretString::from(SECRET)))).expect("opened")
}

fn signed(secret: &str, claims: &Value) -> String {
    encode(&Header::new(Algorithm::HS256), claims, &EncodingKey::from_secret(secret.as_bytes()))
        .expect("signed")
}

/// A key to sign with, and what the issuer publishes of it.
fn pair(number: usize, id: &str) -> (EncodingKey, Jwk) {
    let der = base64(ED25519[number]);
    let key = EncodingKey::from_ed_der(&der);
    let mut public = Jwk::from_encoding_key(&key, Algorithm::EdDSA).expect("a public key");
    public.common.key_id = Some(id.to_owned());
    (key, public)
}

fn base64(text: &str) -> Vec<u8> {
    let six = |byte: u8| match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' => 62,
        _ => 63,
    };
    let bits = text
        .bytes()
        .filter(|byte| *byte != b'=')
        .flat_map(|byte| (0..6).rev().map(move |bit| six(byte) >> bit & 1));
    let bits: Vec<_> = bits.collect();
    bits.as_chunks::<8>().0.iter().map(|bits| bits.iter().fold(0, |byte, bit| byte << 1 | bit)).collect()
}

fn signed_by(key: &EncodingKey, id: Option<&str>, claims: &Value) -> String {
    let mut header = Header::new(Algorithm::EdDSA);
    header.kid = id.map(str::to_owned);
    encode(&header, claims, key).expect("signed")
}

fn alice() -> Identity {
    Identity {
        name: "token:jwt:alice".into(),
        principal: Principal::parse("jwt:alice").expect("a name"),
        scopes: Scopes::of(&[Scope::TasksRead, Scope::TasksWrite]),
        requests_per_minute: None,
        max_running: None,
    }
}

#[tokio::test]
async fn a_good_token_tells_who_calls_and_what_is_allowed() {
    let jwt = by_secret();
    assert_eq!(jwt.check(&signed(SECRET, &claims())).await, Ok(alice()));
    let list = with("scope", json!(["tasks:*"]));
    assert_eq!(jwt.check(&signed(SECRET, &list)).await, Ok(alice()));
    let none = jwt.check(&signed(SECRET, &without("scope"))).await;
    assert_eq!(none, Ok(Identity { scopes: Scopes::NONE, ..alice() }));
}

#[tokio::test]
async fn a_bad_token_is_refused_with_the_reason() {
    let jwt = by_secret();
    let lacks = "the token lacks a claim: exp and sub, and iss and aud where they are checked";
    let cases = [
        (signed("another-secret-another-secret-ab", &claims()), "the token's signature is wrong"),
        (signed(SECRET, &with("exp", json!(now() - 31))), "the token has expired"),
        (signed(SECRET, &with("nbf", json!(now() + 60))), "the token is not valid yet"),
        (signed(SECRET, &with("aud", json!("others"))), "the token is for another audience"),
        (signed(SECRET, &with("iss", json!("https://other"))), "the token is from another issuer"),
        (signed(SECRET, &without("exp")), lacks),
        (signed(SECRET, &without("sub")), lacks),
        (signed(SECRET, &without("aud")), lacks),
        (signed(SECRET, &with("sub", json!(""))), "the token names nobody: its claim sub is missing"),
        // {"alg":"none"}, without a signature.
        ("eyJhbGciOiJub25lIn0.eyJzdWIiOiJhbGljZSJ9.".into(), "this is no token that could be read"),
        ("".into(), "this is no token that could be read"),
        ("a.b".into(), "this is no token that could be read"),
    ];
    for (token, reason) in cases {
        assert_eq!(jwt.check(&token).await, Err(Denied::Token(reason)), "{token}");
    }
}

#[tokio::test]
async fn an_audience_that_nobody_expects_is_refused() {
    let unexpecting =
        JwtSettings { audiences: vec![], ..settings(KeySource::Secret(SecretString::from(SECRET))) };
    let jwt = Jwt::open(unexpecting).expect("opened");
    assert_eq!(jwt.check(&signed(SECRET, &without("aud"))).await, Ok(alice()));
    let refused = jwt.check(&signed(SECRET, &claims())).await;
    assert_eq!(refused, Err(Denied::Token("the token is for another audience")));
}

#[tokio::test]
async fn any_subject_is_somebody_and_nobody_else() {
    let jwt = by_secret();
    let mut seen = std::collections::HashSet::new();
    for subject in ["auth0|5f7c8ec7c33c6c004bbafe82", "a b", "../..", "default", &"x".repeat(500)] {
        let identity = jwt.check(&signed(SECRET, &with("sub", json!(subject)))).await.expect("a good token");
        assert_ne!(identity.principal, Principal::default());
        assert!(seen.insert(identity.principal), "{subject}");
    }
}

#[tokio::test]
async fn keys_in_a_file_are_told_apart_and_replaced() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("jwks.json");
    let ((first, first_public), (second, second_public)) = (pair(0, "one"), pair(1, "two"));
    let write = |keys: Value| fs::write(&path, json!({"keys": keys}).to_string()).expect("written");
    write(json!([]));
    let open = || Jwt::open(settings(KeySource::File(path.clone())));
    assert!(
        open().is_err_and(|error| error.ends_with("there is no key for RS256, ES256 or EdDSA in the set"))
    );
    write(json!([first_public]));
    let jwt = open().expect("opened");
    let unknown = Err(Denied::Token("the token is signed with a key that is not known"));
    assert_eq!(jwt.check(&signed_by(&first, Some("one"), &claims())).await, Ok(alice()));
    assert_eq!(jwt.check(&signed_by(&first, None, &claims())).await, Ok(alice()), "it is the only one");
    assert_eq!(jwt.check(&signed_by(&second, Some("two"), &claims())).await, unknown);
    let forged = jwt.check(&signed_by(&second, Some("one"), &claims())).await;
    assert_eq!(forged, Err(Denied::Token("the token's signature is wrong")));
    write(json!([first_public, second_public]));
    assert_eq!(jwt.check(&signed_by(&second, Some("two"), &claims())).await, Ok(alice()));
    assert_eq!(jwt.check(&signed_by(&first, None, &claims())).await, unknown, "which one is not said");
    // A public key is no secret: whoever signs with its text gets nowhere.
    let confused = signed(&fs::read_to_string(&path).expect("read"), &claims());
    assert_eq!(jwt.check(&confused).await, unknown);
}

#[tokio::test]
async fn keys_at_a_url_are_asked_for_once_whoever_comes() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let (key, public) = pair(0, "one");
    let body = json!({"keys": [public]}).to_string();
    let served = tokio::spawn(async move {
        let mut requests = 0;
        loop {
            let (mut stream, _) = listener.accept().await.expect("a connection");
            let mut request = [0; 4096];
            let length = stream.read(&mut request).await.expect("a request");
            if request[..length].starts_with(b"GET /end") {
                return requests;
            }
            requests += 1;
            let head =
                format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
            stream.write_all(format!("{head}{body}").as_bytes()).await.expect("answered");
        }
    });
    let jwt = Jwt::open(settings(KeySource::Url(format!("http://{address}/keys")))).expect("opened");
    let (good, unknown) = (signed_by(&key, Some("one"), &claims()), signed_by(&key, Some("two"), &claims()));
    let (first, second, third) = tokio::join!(jwt.check(&good), jwt.check(&unknown), jwt.check(&good));
    assert_eq!((first, third), (Ok(alice()), Ok(alice())));
    assert_eq!(second, Err(Denied::Token("the token is signed with a key that is not known")));
    let end = reqwest::get(format!("http://{address}/end")).await;
    assert!(end.is_err(), "it does not answer that");
    assert_eq!(served.await.expect("served"), 1);
    let gone = Jwt::open(settings(KeySource::Url(format!("http://{address}/keys")))).expect("opened");
    assert!(matches!(gone.check(&good).await, Err(Denied::Unavailable(_))));
}

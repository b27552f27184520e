//! `auth-type`, `auth-secret`, `auth-secret-type`, `auth-realm`: a user name and a password (RFC 7617).
//!
//! Digest is refused: it needs passwords, or what is as good as them, in the clear, and no browser does it with
//! anything better than MD5.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderValue, StatusCode, header};

use crate::alphabet::items;
use crate::annotation::{Annotation, Invalid, Key, Lookup, OnInvalid, Risk, Values};
use crate::draft::{CHALLENGE_PATHS, Draft};
use crate::filter::{Answer, Filter, Scope, Verdict, Work};
use crate::head::{Reply, RequestHead};
use crate::passwords::Passwords;

const TYPE: &str = "auth-type";
const SECRET: &str = "auth-secret";
const SECRET_TYPE: &str = "auth-secret-type";
const REALM: &str = "auth-realm";
/// The setting with the paths whose rules need no authentication.
pub(super) const EXEMPT: &str = "no-auth-locations";

/// The family.
#[derive(Debug)]
pub struct Family;

impl Annotation for Family {
    fn keys(&self) -> &'static [Key] {
        const KEYS: &[Key] = &[
            Key::route(
                TYPE,
                "",
                Risk::Low,
                "basic: requests need a user name and password of auth-secret, else 401. digest is refused.",
                "basic",
            )
            .if_invalid(OnInvalid::Close),
            Key::route(
                SECRET,
                "",
                Risk::Medium,
                "Secret with users and hashed passwords: bcrypt, apr1, SHA-crypt, {SHA}, {SSHA} or {PLAIN}.",
                "users",
            )
            .if_invalid(OnInvalid::Close),
            Key::route(
                SECRET_TYPE,
                "auth-file",
                Risk::Low,
                "auth-file: key auth holds the lines of htpasswd. auth-map: each key is a user.",
                "auth-file",
            )
            .if_invalid(OnInvalid::Close),
            Key::route(REALM, "", Risk::Medium, "What the browser says the password is for.", "Staff only")
                .if_invalid(OnInvalid::Close),
        ];
        KEYS
    }

    fn compile(
        &self,
        values: &mut Values<'_>,
        draft: &mut Draft,
        lookup: &dyn Lookup,
    ) -> Result<(), Invalid> {
        let (kind, secret) = (values.take(TYPE), values.take(SECRET));
        let (shape, realm) = (values.take(SECRET_TYPE), values.take(REALM));
        match kind {
            None => return Ok(()),
            Some("basic") => {}
            Some(other) => return Err(Invalid::new(TYPE, other, "basic")),
        }
        let challenge = challenge(realm.unwrap_or_default())?;
        let passwords = passwords(secret.unwrap_or_default(), shape.unwrap_or("auth-file"), lookup)?;
        let exempt = exempt_paths(lookup);
        draft.route.filters.push(Arc::new(BasicAuth {
            passwords: Arc::new(passwords),
            challenge,
            exempt,
            known: Known::default(),
        }));
        Ok(())
    }
}

/// Paths whose rules need no authentication.
pub(super) fn exempt_paths(lookup: &dyn Lookup) -> Vec<String> {
    match lookup.setting(EXEMPT) {
        Some(list) => items(&list).map(str::to_owned).collect(),
        None => vec![CHALLENGE_PATHS.to_owned()],
    }
}

fn challenge(realm: &str) -> Result<HeaderValue, Invalid> {
    let is_clean = !realm.contains(['"', '\\']) && realm.chars().all(|letter| !letter.is_control());
    let value = HeaderValue::try_from(format!("Basic realm=\"{realm}\"")).ok().filter(|_| is_clean);
    value.ok_or_else(|| Invalid::new(REALM, realm, "text on one line without quotes"))
}

fn passwords(name: &str, shape: &str, lookup: &dyn Lookup) -> Result<Passwords, Invalid> {
    let invalid = |expected: String| Invalid::new(SECRET, name, expected);
    let data = lookup
        .secret(name)
        .ok_or_else(|| invalid("the name of a Secret in the namespace of the Ingress".to_owned()))?;
    match shape {
        "auth-file" => {
            let file = data.get("auth").and_then(|file| std::str::from_utf8(file).ok());
            let file =
                file.ok_or_else(|| invalid("a Secret whose key auth holds lines of user:hash".to_owned()))?;
            Passwords::from_file(file).map_err(invalid)
        }
        "auth-map" => Passwords::from_map(&data).map_err(invalid),
        other => Err(Invalid::new(SECRET_TYPE, other, "auth-file or auth-map")),
    }
}

/// Lets requests pass that know a password.
#[derive(Debug)]
struct BasicAuth {
    passwords: Arc<Passwords>,
    challenge: HeaderValue,
    exempt: Vec<String>,
    known: Known,
}

impl Filter for BasicAuth {
    fn name(&self) -> &'static str {
        TYPE
    }

    fn on_request(&self, head: &mut RequestHead, scope: &mut Scope<'_>) -> Verdict {
        let path = scope.route.path.text();
        if self.exempt.iter().any(|exempt| path.starts_with(exempt)) {
            return Verdict::Continue;
        }
        let Some((user, password)) = credentials(head) else { return self.refuse() };
        let Some(hash) = self.passwords.hash_of(&user) else { return self.refuse() };
        if self.known.contains(&user, &password) {
            return pass(head);
        }
        if !hash.is_slow() {
            return if hash.verify(&password) { pass(head) } else { self.refuse() };
        }
        let hash = hash.clone();
        Verdict::Work(Work::new(move || {
            let status = if hash.verify(&password) { StatusCode::OK } else { StatusCode::UNAUTHORIZED };
            Answer { status: Some(status), headers: HeaderMap::new() }
        }))
    }

    fn on_answer(&self, answer: &Answer, head: &mut RequestHead, _scope: &mut Scope<'_>) -> Verdict {
        match (answer.status, credentials(head)) {
            (Some(StatusCode::OK), Some((user, password))) => {
                self.known.insert(&user, &password);
                pass(head)
            }
            // Nobody could look: too many are being looked at.
            (None, _) => Verdict::Reply(Reply::status(StatusCode::SERVICE_UNAVAILABLE)),
            (Some(_), _) => self.refuse(),
        }
    }
}

impl BasicAuth {
    fn refuse(&self) -> Verdict {
        let mut reply = Reply::status(StatusCode::UNAUTHORIZED);
        reply.headers.insert(header::WWW_AUTHENTICATE, self.challenge.clone());
        Verdict::Reply(reply)
    }
}

/// The upstream has no use for the password.
fn pass(head: &mut RequestHead) -> Verdict {
    head.headers.remove(header::AUTHORIZATION);
    Verdict::Continue
}

fn credentials(head: &RequestHead) -> Option<(String, Vec<u8>)> {
    let text = head.headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, encoded) = text.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = STANDARD.decode(encoded.trim()).ok()?;
    let colon = decoded.iter().position(|byte| *byte == b':')?;
    let (user, password) = decoded.split_at_checked(colon)?;
    Some((String::from_utf8(user.to_vec()).ok()?, password.get(1..)?.to_vec()))
}

/// Passwords that were found right, so that each is looked at slowly once. What is kept is no password but a hash under
/// a key that only this filter has; it lives as long as the filter, that is until the Secret changes.
#[derive(Debug, Default)]
struct Known {
    keys: (RandomState, RandomState),
    seen: Mutex<HashSet<(u64, u64)>>,
}

/// Beyond it, all are forgotten, which only costs time.
const MAX_KNOWN: usize = 4096;

impl Known {
    fn mark(&self, user: &str, password: &[u8]) -> (u64, u64) {
        (self.keys.0.hash_one((user, password)), self.keys.1.hash_one((user, password)))
    }

    fn contains(&self, user: &str, password: &[u8]) -> bool {
        let mark = self.mark(user, password);
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).contains(&mark)
    }

    fn insert(&self, user: &str, password: &[u8]) {
        let mark = self.mark(user, password);
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.len() >= MAX_KNOWN {
            seen.clear();
        }
        seen.insert(mark);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::fixtures::{Objects, compile_with, filter, head, prefix, reply, route, scope};

    fn objects() -> Objects {
        let file = "jane:{PLAIN}open\nslow:$apr1$lZL6V/ci$eIMz/iKDkbtys/uU7LEK00\n";
        let secret = |pairs: &[(&str, &str)]| -> BTreeMap<String, Vec<u8>> {
            pairs.iter().map(|(key, value)| ((*key).to_owned(), value.as_bytes().to_vec())).collect()
        };
        let secrets = [
            ("users", secret(&[("auth", file)])),
            ("map", secret(&[("jane", "{PLAIN}open")])),
            ("old", secret(&[("auth", "jane:rqXexS6ZhobKA")])),
            ("other", secret(&[("password", "x")])),
        ];
        let secrets = secrets.into_iter().map(|(name, data)| (name.to_owned(), data)).collect();
        Objects { secrets, ..Objects::default() }
    }

    fn request(user: &str) -> RequestHead {
        let mut head = head("/");
        let value = format!("Basic {}", STANDARD.encode(user));
        head.headers.insert(header::AUTHORIZATION, HeaderValue::try_from(value).expect("valid"));
        head
    }

    const USERS: [(&str, &str); 3] = [(TYPE, "basic"), (SECRET, "users"), (REALM, "Staff")];

    #[test]
    fn the_right_password_passes_and_is_not_passed_on() {
        let map = [(TYPE, "basic"), (SECRET, "map"), (SECRET_TYPE, "auth-map")];
        for pairs in [&USERS, &map] {
            let filter = filter(&compile_with(&Family, pairs, &objects()).expect("valid"));
            let route = route(prefix("/"));
            let mut right = request("jane:open");
            assert!(matches!(filter.on_request(&mut right, &mut scope(&route)), Verdict::Continue));
            assert!(!right.headers.contains_key(header::AUTHORIZATION));
            for user in ["jane:wrong", "john:open", "jane", ":", "jane:open:"] {
                let verdict = filter.on_request(&mut request(user), &mut scope(&route));
                let reply = reply(verdict).expect(user);
                assert_eq!(reply.status, StatusCode::UNAUTHORIZED, "{user}");
                assert!(reply.headers.contains_key(header::WWW_AUTHENTICATE));
            }
        }
    }

    #[test]
    fn a_slow_hash_is_looked_at_elsewhere_and_once() {
        let filter = filter(&compile_with(&Family, &USERS, &objects()).expect("valid"));
        let route = route(prefix("/"));
        let ask = |user: &str| {
            let mut head = request(user);
            match filter.on_request(&mut head, &mut scope(&route)) {
                Verdict::Work(work) => Some(filter.on_answer(&work.run(), &mut head, &mut scope(&route))),
                Verdict::Continue => None,
                other => panic!("{other:?}"),
            }
        };
        assert!(matches!(ask("slow:wrong"), Some(Verdict::Reply(_))));
        assert!(matches!(ask("slow:password"), Some(Verdict::Continue)));
        assert!(ask("slow:password").is_none(), "known now");
        assert!(matches!(ask("slow:wrong"), Some(Verdict::Reply(_))));
    }

    #[test]
    fn what_cannot_be_honoured_closes() {
        for (pairs, key) in [
            (vec![(TYPE, "digest"), (SECRET, "users")], TYPE),
            (vec![(TYPE, "basic")], SECRET),
            (vec![(TYPE, "basic"), (SECRET, "missing")], SECRET),
            (vec![(TYPE, "basic"), (SECRET, "other")], SECRET),
            (vec![(TYPE, "basic"), (SECRET, "old")], SECRET),
            (vec![(TYPE, "basic"), (SECRET, "users"), (SECRET_TYPE, "x")], SECRET_TYPE),
            (vec![(TYPE, "basic"), (SECRET, "users"), (REALM, "a\"b")], REALM),
        ] {
            let invalid = compile_with(&Family, &pairs, &objects()).expect_err(key);
            assert_eq!(invalid.key, key);
            assert!(Family.keys().iter().all(|key| key.on_invalid == OnInvalid::Close));
        }
    }
}

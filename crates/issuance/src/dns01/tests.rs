#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
//! Every provider against a small copy of its API: one zone, one name, the values in memory.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};

use hickory_proto::op::{Message, MessageType, OpCode, ResponseCode};
use hickory_proto::rr::rdata::{CNAME, NS, SOA, TXT};
use hickory_proto::rr::{DNSClass, Name, RData, Record, RecordType};
use http::{Method, Request, Response};
use jamul_acme::{BoxFuture, Transport, TransportError};
use jamul_api::secret_key::SecretKeySelector;
use jamul_pki::{KeyAlgorithm, KeyEncoding, PrivateKey};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::*;

const ZONE: &str = "example.com";
const NAME: &str = "_acme-challenge.www.example.com";

/// Status and body for a request, given the values that are there.
type Answer = fn(&Request<Vec<u8>>, &mut Vec<String>) -> (u16, String);

/// The API of one provider with what it holds at [`NAME`], as it writes values.
struct Copy {
    answer: Answer,
    values: Mutex<Vec<String>>,
}

impl std::fmt::Debug for Copy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Copy")
    }
}

impl Transport for Copy {
    fn send(&self, request: Request<Vec<u8>>) -> BoxFuture<'_, Result<Response<Vec<u8>>, TransportError>> {
        let (status, body) = (self.answer)(&request, &mut self.values.lock().unwrap());
        let response = Response::builder().status(status).body(body.into_bytes()).unwrap();
        Box::pin(async move { Ok(response) })
    }
}

/// Name servers that know one zone, one CNAME, and the values that were written by update.
#[derive(Debug, Default)]
struct Zone {
    values: Mutex<Vec<String>>,
    /// The last update's signature was there.
    was_signed: Mutex<bool>,
    recursive: Vec<SocketAddr>,
}

impl Zone {
    fn answer(&self, message: &Message) -> Message {
        let mut answer = Message::new(message.metadata.id, MessageType::Response, message.metadata.op_code);
        let mut values = self.values.lock().unwrap();
        if message.metadata.op_code == OpCode::Update {
            *self.was_signed.lock().unwrap() = message.signature().is_some();
            for record in &message.authorities {
                let RData::TXT(text) = &record.data else { continue };
                let value = String::from_utf8(text.txt_data.concat()).unwrap();
                values.retain(|one| *one != value);
                if record.dns_class != DNSClass::NONE {
                    values.push(value);
                }
            }
            return answer;
        }
        let query = &message.queries[0];
        let name = query.name().to_ascii().trim_end_matches('.').to_owned();
        let add = |answer: &mut Message, data: RData| {
            answer.add_answer(Record::from_rdata(query.name().clone(), 60, data));
        };
        let host = |text: &str| Name::from_ascii(text).unwrap();
        match (name.as_str(), query.query_type()) {
            (ZONE, RecordType::SOA) => {
                let soa = SOA::new(host("ns.example.com."), host("a.example.com."), 1, 2, 3, 4, 5);
                add(&mut answer, RData::SOA(soa));
            }
            (ZONE, RecordType::NS) => add(&mut answer, RData::NS(NS(host("ns.example.com.")))),
            ("_acme-challenge.alias.example.org", _) => {
                add(&mut answer, RData::CNAME(CNAME(host(&format!("{NAME}.")))));
            }
            ("circle.example.org", _) => add(&mut answer, RData::CNAME(CNAME(host("circle.example.org.")))),
            (NAME, RecordType::TXT) => {
                values.iter().for_each(|value| add(&mut answer, RData::TXT(TXT::new(vec![value.clone()]))));
            }
            _ => answer.metadata.response_code = ResponseCode::NXDomain,
        }
        answer
    }
}

impl Dns for Zone {
    fn exchange<'a>(
        &'a self,
        _server: SocketAddr,
        message: &'a [u8],
        _over: Protocol,
    ) -> BoxFuture<'a, Result<Vec<u8>, DnsError>> {
        let answer = self.answer(&Message::from_vec(message).unwrap()).to_vec().unwrap();
        Box::pin(async move { Ok(answer) })
    }

    fn addresses<'a>(&'a self, _host: &'a str) -> BoxFuture<'a, Result<Vec<IpAddr>, DnsError>> {
        Box::pin(async { Ok(vec!["192.0.2.53".parse().unwrap()]) })
    }

    fn recursive(&self) -> &[SocketAddr] {
        &self.recursive
    }

    fn witnesses(&self) -> Witnesses {
        Witnesses::Authoritative
    }
}

fn zone() -> Arc<Zone> {
    Arc::new(Zone { recursive: vec!["192.0.2.1:53".parse().unwrap()], ..Zone::default() })
}

/// Whatever the examples name.
#[derive(Debug)]
struct AllSecrets;

impl Secrets for AllSecrets {
    fn value(&self, selector: &SecretKeySelector) -> Option<Vec<u8>> {
        Some(match selector.name.as_str() {
            "tsig" => b"c2VjcmV0".to_vec(),
            "acme-dns" => {
                let account = json!({"username": "u", "password": "p", "fulldomain": "f", "subdomain": "s"});
                json!({"www.example.com": account}).to_string().into_bytes()
            }
            "google" => {
                let key = PrivateKey::generate(KeyAlgorithm::Rsa { bits: 2048 }).unwrap();
                let key = key.to_pem(KeyEncoding::Pkcs8).unwrap();
                json!({"client_email": "a@b", "private_key": key, "token_uri": "https://oauth2.test/token"})
                    .to_string()
                    .into_bytes()
            }
            _ => b" secret\n".to_vec(),
        })
    }
}

fn record(value: &str) -> TxtRecord {
    TxtRecord {
        domain: "www.example.com".to_owned(),
        name: NAME.to_owned(),
        zone: ZONE.to_owned(),
        value: value.to_owned(),
    }
}

fn provider(name: &str, http: &Arc<dyn Transport>, dns: &Arc<dyn Dns>) -> Box<dyn Dns01Provider> {
    let kind = DNS01_PROVIDERS.iter().find(|kind| kind.name() == name).unwrap();
    kind.build(&kind.example(), &surroundings(http, dns)).unwrap()
}

/// On a cluster whose API server is scripted as the provider's API is.
fn surroundings<'a>(http: &'a Arc<dyn Transport>, dns: &'a Arc<dyn Dns>) -> Surroundings<'a> {
    Surroundings { secrets: &AllSecrets, http, dns, api_server: Some(http), namespace: "here" }
}

/// The contract of [`Dns01Provider`]; `values` yields what is there, without quotation marks.
async fn keeps_the_contract(provider: &dyn Dns01Provider, values: impl Fn() -> Vec<String>) {
    let now = Timestamp::from_second(1_800_000_000).unwrap();
    let (one, two) = (record("one"), record("two"));
    for record in [&one, &two, &one] {
        provider.present(record, now).await.unwrap();
    }
    assert_eq!(BTreeSet::from_iter(values()), BTreeSet::from(["one".to_owned(), "two".to_owned()]));
    assert_eq!(values().len(), 2, "presenting twice adds once");
    for _ in 0..2 {
        provider.clean_up(&one, now).await.unwrap();
        assert_eq!(values(), ["two"], "only the own value goes, and going twice is fine");
    }
    provider.clean_up(&two, now).await.unwrap();
    assert_eq!(values(), [""; 0]);
    provider.clean_up(&two, now).await.unwrap();
}

async fn copy_keeps_the_contract(name: &str, answer: Answer) {
    let copy = Arc::new(Copy { answer, values: Mutex::default() });
    let http: Arc<dyn Transport> = Arc::clone(&copy) as _;
    let dns: Arc<dyn Dns> = zone();
    let plain = || copy.values.lock().unwrap().iter().map(|one| one.trim_matches('"').to_owned()).collect();
    keeps_the_contract(&*provider(name, &http, &dns), plain).await;
}

fn body(request: &Request<Vec<u8>>) -> Value {
    serde_json::from_slice(request.body()).unwrap()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

fn index(path: &str) -> usize {
    path.rsplit('/').next().unwrap().parse().unwrap()
}

#[tokio::test]
async fn cloudflare_writes_records_into_the_nearest_zone() {
    copy_keeps_the_contract("cloudflare", |request, values| {
        assert_eq!(request.headers()["authorization"], "Bearer secret");
        let uri = request.uri().to_string();
        let path = request.uri().path();
        if path == "/client/v4/zones" {
            let zones = if uri.ends_with("?name=example.com") {
                json!([{"id": "z", "name": ZONE}])
            } else {
                json!([])
            };
            return (200, json!({"result": zones}).to_string());
        }
        assert!(path.starts_with("/client/v4/zones/z/dns_records"), "{path}");
        match *request.method() {
            Method::GET => {
                assert!(uri.contains("type=TXT") && uri.contains(NAME), "{uri}");
                let found = values.iter().enumerate();
                let found: Vec<_> =
                    found.map(|(id, content)| json!({"id": id.to_string(), "content": content})).collect();
                (200, json!({"result": found}).to_string())
            }
            Method::POST => {
                assert_eq!(body(request)["name"], NAME);
                values.push(text(&body(request)["content"]));
                (200, "{}".to_owned())
            }
            _ => {
                values.remove(index(path));
                (200, "{}".to_owned())
            }
        }
    })
    .await;
}

#[tokio::test]
async fn digitalocean_writes_relative_names() {
    copy_keeps_the_contract("digitalocean", |request, values| {
        let path = request.uri().path();
        assert!(path.starts_with("/v2/domains/example.com/records"), "{path}");
        match *request.method() {
            Method::GET => {
                let found = values.iter().enumerate();
                let found: Vec<_> = found.map(|(id, data)| json!({"id": id, "data": data})).collect();
                (200, json!({"domain_records": found}).to_string())
            }
            Method::POST => {
                assert_eq!(body(request)["name"], "_acme-challenge.www");
                values.push(text(&body(request)["data"]));
                (201, "{}".to_owned())
            }
            _ => {
                values.remove(index(path));
                (204, String::new())
            }
        }
    })
    .await;
}

#[tokio::test]
async fn route53_changes_the_whole_set() {
    copy_keeps_the_contract("route53", |request, values| {
        assert!(request.headers().contains_key("authorization"));
        let sent = String::from_utf8(request.body().clone()).unwrap();
        let path = request.uri().path();
        if path == "/2013-04-01/hostedzonesbyname" {
            let zone = |id: &str, private: &str| {
                format!(
                    "<HostedZone><Id>/hostedzone/{id}</Id><Name>example.com.</Name><Config>\
                     <PrivateZone>{private}</PrivateZone></Config></HostedZone>"
                )
            };
            return (200, format!("<R>{}{}</R>", zone("INSIDE", "true"), zone("Z1", "false")));
        }
        assert_eq!(path, "/2013-04-01/hostedzone/Z1/rrset");
        if *request.method() == Method::GET {
            // Without a set of its own the list begins with the next one.
            let name = if values.is_empty() { "www" } else { "_acme-challenge.www" };
            let values = values.iter().map(|one| format!("<Value>{}</Value>", one.replace('"', "&quot;")));
            let set = format!(
                "<R><ResourceRecordSet><Name>{name}.example.com.</Name><Type>TXT</Type><TTL>10</TTL>{}\
                 </ResourceRecordSet></R>",
                values.collect::<String>()
            );
            return (200, set);
        }
        let new = sent.split("<Value>").skip(1).map(|part| part.split_once('<').unwrap().0);
        let new: Vec<String> = new.map(|one| one.replace("&quot;", "\"")).collect();
        *values = if sent.contains("<Action>DELETE</Action>") {
            assert_eq!(*values, new, "a set is deleted by its contents");
            Vec::new()
        } else {
            new
        };
        (200, String::new())
    })
    .await;
}

#[tokio::test]
async fn cloud_dns_trades_an_assertion_for_a_token_and_changes_the_whole_set() {
    copy_keeps_the_contract("cloudDNS", |request, values| {
        let path = request.uri().path();
        if path == "/token" {
            let form = String::from_utf8(request.body().clone()).unwrap();
            let assertion = form.split_once("assertion=").unwrap().1;
            assert_eq!(assertion.split('.').count(), 3);
            return (200, json!({"access_token": "t"}).to_string());
        }
        assert_eq!(request.headers()["authorization"], "Bearer t");
        let zones = "/dns/v1/projects/example/managedZones";
        if path == zones {
            let zones =
                json!([{"name": "in", "visibility": "private"}, {"name": "z", "visibility": "public"}]);
            return (200, json!({"managedZones": zones}).to_string());
        }
        if *request.method() == Method::GET {
            assert_eq!(path, format!("{zones}/z/rrsets"));
            let set = json!({"name": format!("{NAME}."), "type": "TXT", "ttl": 60, "rrdatas": values});
            let sets = if values.is_empty() { json!([]) } else { json!([set]) };
            return (200, json!({"rrsets": sets}).to_string());
        }
        let change = body(request);
        let rrdatas = |side: &str| -> Vec<String> {
            let sets = change[side].as_array().unwrap().iter();
            sets.flat_map(|set| set["rrdatas"].as_array().unwrap()).map(text).collect()
        };
        assert_eq!(rrdatas("deletions"), *values, "what is deleted has to be what is there");
        *values = rrdatas("additions");
        (200, "{}".to_owned())
    })
    .await;
}

#[tokio::test]
async fn azure_dns_overwrites_nobody_elses_change() {
    copy_keeps_the_contract("azureDNS", |request, values| {
        let path = request.uri().path();
        if path == "/tenant/oauth2/v2.0/token" {
            return (200, json!({"access_token": "t"}).to_string());
        }
        let expected = "/subscriptions/sub/resourceGroups/group/providers/Microsoft.Network/dnsZones/example.com/TXT/\
                        _acme-challenge.www";
        assert_eq!(path, expected);
        let records: Vec<_> = values.iter().map(|value| json!({"value": [value]})).collect();
        match (request.method(), values.is_empty()) {
            (&Method::GET, true) => return (404, "{}".to_owned()),
            (&Method::GET, false) => {
                let set = json!({"etag": "e1", "properties": {"TTL": 60, "TXTRecords": records}});
                return (200, set.to_string());
            }
            (_, true) => assert_eq!(request.headers()["if-none-match"], "*"),
            (_, false) => assert_eq!(request.headers()["if-match"], "e1"),
        }
        if *request.method() == Method::DELETE {
            values.clear();
            return (200, String::new());
        }
        let new = body(request);
        let new = new["properties"]["TXTRecords"].as_array().unwrap().iter();
        *values = new.map(|txt| text(&txt["value"][0])).collect();
        (200, "{}".to_owned())
    })
    .await;
}

#[tokio::test]
async fn akamai_creates_changes_and_deletes_the_set() {
    copy_keeps_the_contract("akamai", |request, values| {
        let expected = format!("/config-dns/v2/zones/{ZONE}/names/{NAME}/types/TXT");
        assert_eq!(request.uri().path(), expected);
        let authorization = request.headers()["authorization"].to_str().unwrap();
        assert!(authorization.starts_with("EG1-HMAC-SHA256 client_token=secret;"), "{authorization}");
        match *request.method() {
            Method::GET if values.is_empty() => return (404, "{}".to_owned()),
            Method::GET => return (200, json!({"rdata": values}).to_string()),
            Method::POST => assert!(values.is_empty(), "a set that exists is changed by PUT"),
            Method::PUT => assert!(!values.is_empty()),
            _ => {
                values.clear();
                return (204, String::new());
            }
        }
        *values = body(request)["rdata"].as_array().unwrap().iter().map(text).collect();
        (201, "{}".to_owned())
    })
    .await;
}

#[tokio::test]
async fn acme_dns_is_told_the_value_for_the_account_of_the_domain() {
    let copy = Arc::new(Copy {
        answer: |request, values| {
            assert_eq!(request.uri(), "https://auth.example.com/update");
            assert_eq!(request.headers()["x-api-user"], "u");
            assert_eq!(body(request)["subdomain"], "s");
            values.push(text(&body(request)["txt"]));
            (200, "{}".to_owned())
        },
        values: Mutex::default(),
    });
    let http: Arc<dyn Transport> = Arc::clone(&copy) as _;
    let dns: Arc<dyn Dns> = zone();
    let provider = provider("acmeDNS", &http, &dns);
    let now = Timestamp::UNIX_EPOCH;
    provider.present(&record("one"), now).await.unwrap();
    provider.clean_up(&record("one"), now).await.unwrap();
    assert_eq!(*copy.values.lock().unwrap(), ["one"]);
    let other = TxtRecord { domain: "b.example".to_owned(), ..record("one") };
    let error = provider.present(&other, now).await.unwrap_err();
    assert!(error.to_string().contains("none for \"b.example\""), "{error}");
}

#[tokio::test]
async fn a_name_server_is_updated_and_has_to_sign_what_was_signed() {
    let zone = zone();
    let dns: Arc<dyn Dns> = Arc::clone(&zone) as _;
    let http: Arc<dyn Transport> =
        Arc::new(Copy { answer: |_, _| (500, String::new()), values: Mutex::default() });
    let signing = provider("rfc2136", &http, &dns);
    let forged = signing.present(&record("one"), Timestamp::UNIX_EPOCH).await.unwrap_err();
    assert!(matches!(forged, Dns01Error::Dns(error) if error.reason.contains("is not signed")));
    assert!(*zone.was_signed.lock().unwrap());
    zone.values.lock().unwrap().clear();

    let plain = json!({"nameserver": "192.0.2.53"});
    let surroundings = surroundings(&http, &dns);
    let provider = rfc2136::Kind.build(&plain, &surroundings).unwrap();
    keeps_the_contract(&*provider, || zone.values.lock().unwrap().clone()).await;
    let elsewhere = TxtRecord { zone: "other.example".to_owned(), ..record("one") };
    let outside = provider.present(&elsewhere, Timestamp::UNIX_EPOCH).await.unwrap_err();
    assert!(matches!(outside, Dns01Error::Dns(error) if error.reason.contains("not in the zone")));
}

#[tokio::test]
async fn a_webhook_is_asked_through_the_api_server() {
    copy_keeps_the_contract("webhook", |request, values| {
        assert_eq!(request.uri(), "/apis/acme.example.com/v1alpha1/my-provider");
        let payload = body(request);
        assert_eq!((&payload["kind"], request.method()), (&json!("ChallengePayload"), &Method::POST));
        let asked = &payload["request"];
        let value = text(&asked["key"]);
        let expected = json!({
            "uid": value, "action": asked["action"], "type": "dns-01", "dnsName": "www.example.com", "key": value,
            "resourceNamespace": "here", "resolvedFQDN": format!("{NAME}."), "resolvedZone": "example.com.",
            "allowAmbientCredentials": false, "config": {"region": "north"},
        });
        assert_eq!(*asked, expected);
        values.retain(|one| *one != value);
        match text(&asked["action"]).as_str() {
            "Present" => values.push(value),
            "CleanUp" => {}
            other => return (400, other.to_owned()),
        }
        (200, json!({"response": {"uid": asked["uid"], "success": true}}).to_string())
    })
    .await;
}

#[tokio::test]
async fn what_a_webhook_says_is_told_and_a_folder_has_none() {
    let answer = |_: &Request<Vec<u8>>, _: &mut Vec<String>| {
        let status = json!({"message": "no zone for it", "reason": "Failed", "code": 404});
        (200, json!({"response": {"success": false, "status": status}}).to_string())
    };
    let http: Arc<dyn Transport> = Arc::new(Copy { answer, values: Mutex::default() });
    let dns: Arc<dyn Dns> = zone();
    let refused = provider("webhook", &http, &dns).present(&record("a"), Timestamp::UNIX_EPOCH).await;
    assert_eq!(refused.unwrap_err().to_string(), "webhook answered 404: no zone for it");
    let folder = Surroundings { api_server: None, ..surroundings(&http, &dns) };
    let error = webhook::Kind.build(&webhook::Kind.example(), &folder).unwrap_err().to_string();
    assert!(error.contains("the API server of a cluster"), "{error}");
}

#[test]
fn name_servers_of_a_solver_are_addresses() {
    let servers = |list: Value| {
        let solver = Solver { dns01: Some(json!({"nameservers": list})), ..Solver::default() };
        name_servers(&solver)
    };
    let addresses: Vec<SocketAddr> =
        ["192.0.2.1:5353", "[2001:db8::1]:53"].map(|one| one.parse().unwrap()).into();
    assert_eq!(servers(json!(["192.0.2.1:5353", "2001:db8::1"])).unwrap(), addresses);
    let error = servers(json!(["https://dns.example/dns-query"])).unwrap_err().to_string();
    assert!(error.contains("https://dns.example") && error.contains("ADDRESS:PORT"), "{error}");
}

#[tokio::test]
async fn a_refusal_is_told_with_what_the_provider_said() {
    let answer = |_: &Request<Vec<u8>>, _: &mut Vec<String>| (403, "{\"message\":\"bad token\"}".to_owned());
    let http: Arc<dyn Transport> = Arc::new(Copy { answer, values: Mutex::default() });
    let dns: Arc<dyn Dns> = zone();
    let error = provider("digitalocean", &http, &dns).present(&record("a"), Timestamp::UNIX_EPOCH).await;
    let message = error.unwrap_err().to_string();
    assert_eq!(message, "digitalocean answered 403: {\"message\":\"bad token\"}");
}

#[tokio::test]
async fn aliases_are_followed_zones_found_and_every_name_server_of_the_zone_has_to_see_the_record() {
    let zone = zone();
    assert_eq!(follow(&*zone, "_acme-challenge.alias.example.org").await.unwrap(), NAME);
    assert!(follow(&*zone, "circle.example.org").await.unwrap_err().reason.contains("circle"));
    assert_eq!(zone_of(&*zone, NAME).await.unwrap(), ZONE);
    assert!(zone_of(&*zone, "other.test").await.is_err());
    let unseen = unseen_by(&*zone, NAME, "one").await.unwrap().unwrap();
    assert!(unseen.contains("192.0.2.53:53"), "{unseen}");
    zone.values.lock().unwrap().extend(["zero".to_owned(), "one".to_owned()]);
    assert_eq!(unseen_by(&*zone, "_acme-challenge.alias.example.org", "one").await, Ok(None));
}

#[test]
fn providers_have_names_of_their_own_and_examples_that_build() {
    let names: BTreeSet<_> = DNS01_PROVIDERS.iter().map(|kind| kind.name()).collect();
    assert_eq!(names.len(), DNS01_PROVIDERS.len());
    let http: Arc<dyn Transport> =
        Arc::new(Copy { answer: |_, _| (500, String::new()), values: Mutex::default() });
    let dns: Arc<dyn Dns> = zone();
    let surroundings = surroundings(&http, &dns);
    for kind in DNS01_PROVIDERS {
        let block = json!({"cnameStrategy": "Follow", kind.name(): kind.example()});
        let solver = Solver { dns01: Some(block), ..Solver::default() };
        build(&solver, &surroundings).unwrap_or_else(|error| panic!("{}: {error}", kind.name()));
        assert!(follows_aliases(&solver));
    }
    for (block, reason) in [
        (json!({}), "expected exactly one of"),
        (json!({"route53": {}, "cloudflare": {}}), "expected exactly one of"),
        (json!({"nosuch": {}}), "nosuch is not supported"),
        (json!({"webhook": {"groupName": "g", "solverName": "../x"}}), "solverName is \"../x\""),
        (json!({"route53": {"role": "arn"}}), "role cannot be assumed"),
        (json!({"rfc2136": {"nameserver": "a", "tsigKeyName": "k"}}), "go together"),
    ] {
        let solver = Solver { dns01: Some(block), ..Solver::default() };
        let error = build(&solver, &surroundings).unwrap_err().to_string();
        assert!(error.contains(reason), "{error}");
    }
}

//! Filters that ask.

use http::{HeaderMap, HeaderValue, Method, StatusCode};
use jamul_routing::{Answer, Filter, Question, Reply, RequestHead, Scope, Verdict};
use tokio::net::TcpListener;

use crate::clients::{get, status};
use crate::origin::Origin;
use crate::stage::{SnapshotBuilder, Stage, filtered};

/// Lets a request pass if `url` answers 200.
#[derive(Debug)]
struct Guard {
    url: String,
}

impl Filter for Guard {
    fn name(&self) -> &'static str {
        "guard"
    }

    fn on_request(&self, head: &mut RequestHead, _scope: &mut Scope<'_>) -> Verdict {
        let mut headers = HeaderMap::new();
        headers.insert("x-path", HeaderValue::try_from(head.path.as_str()).unwrap());
        Verdict::Ask(Question { method: Method::GET, url: self.url.clone(), headers })
    }

    fn on_answer(&self, answer: &Answer, head: &mut RequestHead, _scope: &mut Scope<'_>) -> Verdict {
        if answer.status != Some(StatusCode::OK) {
            return Verdict::Reply(Reply::status(StatusCode::UNAUTHORIZED));
        }
        let origin = answer.headers.get("x-origin").unwrap();
        head.headers.insert("x-answered-by", origin.clone());
        Verdict::Continue
    }
}

#[tokio::test]
async fn a_filter_decides_by_the_answer_to_its_question() {
    let (origin, auth) = (Origin::start("one").await, Origin::start("auth").await);
    let refused = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let guard = |address| filtered(Guard { url: format!("http://{address}/check") });
    let builder = SnapshotBuilder::default()
        .route_with("a.example", &[origin.address], guard(auth.address))
        .route_with("b.example", &[origin.address], guard(refused));
    let stage = Stage::start(builder);
    let response = get(stage.http, "a.example", "/").await;
    assert!(response.contains("x-answered-by: auth\n"), "{response}");
    assert_eq!(status(&get(stage.http, "b.example", "/").await), 401);
}

//! `configuration-snippet` and `server-snippet` as clients see them.

use crate::annotations::{Objects, annotated};
use crate::clients::{get, send, status};
use crate::origin::Origin;
use crate::stage::{SnapshotBuilder, Stage};

const LEAVE: [(&str, &str); 2] =
    [("allow-snippet-annotations", "true"), ("annotations-risk-level", "Critical")];

fn objects(settings: &[(&str, &str)]) -> Objects {
    let settings = settings.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    Objects { settings, ..Objects::default() }
}

#[tokio::test]
async fn a_snippet_does_what_nginx_would_and_what_is_not_understood_closes() {
    let origin = Origin::start("one").await;
    let snippet = "
        more_set_headers \"X-Id: $req_id\" 'X-Origin: hidden';
        proxy_set_header X-From $remote_addr;
        if ($http_user_agent ~* bot) { return 403 \"no bots\"; }
        rewrite ^/old/(.*) /new/$1 permanent;";
    let understood =
        [("configuration-snippet", snippet), ("server-snippet", "location ~ /\\.git { deny all; }")];
    let strange = [("configuration-snippet", "deny_bots on;")];
    let denied = [("configuration-snippet", "deny 127.0.0.0/8;")];
    let (leave, none) = (objects(&LEAVE), objects(&[]));
    let builder = SnapshotBuilder::default()
        .route_with("a.example", &[origin.address], annotated(&understood, &leave))
        .route_with("denied.example", &[origin.address], annotated(&denied, &leave))
        .route_with("strange.example", &[origin.address], annotated(&strange, &leave))
        .route_with("refused.example", &[origin.address], annotated(&understood, &none))
        .route_with("plain.example", &[origin.address], annotated(&[], &leave));
    let stage = Stage::start(builder);
    let request = "GET /x HTTP/1.1\r\nhost: a.example\r\nconnection: close\r\nx-request-id: r1\r\n\r\n";
    let response = send(stage.http, request).await;
    for text in ["x-id: r1\r", "x-origin: hidden\r", "x-from: 127.0.0.1\n", "one GET /x\n"] {
        assert!(response.contains(text), "{text:?} is missing in {response}");
    }
    assert!(!response.contains("x-origin: one"), "{response}");
    let bot = "GET / HTTP/1.1\r\nhost: a.example\r\nconnection: close\r\nuser-agent: Bot\r\n\r\n";
    let response = send(stage.http, bot).await;
    assert!(status(&response) == 403 && response.ends_with("no bots"), "{response}");
    let response = get(stage.http, "a.example", "/old/a?b").await;
    assert!(
        status(&response) == 301 && response.contains("location: http://a.example/new/a?b\r"),
        "{response}"
    );
    for (host, path, expected) in [
        ("a.example", "/x/.git/config", 403),
        ("a.example", "/x/%2egit", 403),
        ("denied.example", "/", 403),
        ("strange.example", "/", 503),
        ("refused.example", "/", 503),
        ("plain.example", "/", 200),
    ] {
        assert_eq!(status(&get(stage.http, host, path).await), expected, "{host}{path}");
    }
}

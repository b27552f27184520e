//! Alternate chains: a CA may offer more than one (RFC 8555 section 7.4.2), and ours does not.

use std::sync::Arc;

use http::{Request, Response};
use jamul_acme::{BoxFuture, Client, Transport, TransportError};

use crate::fixture::{BASE, World, request_for};

/// The CA with a second chain at `URL/1`.
#[derive(Debug)]
struct TwoChains(World);

impl Transport for TwoChains {
    fn send(&self, request: Request<Vec<u8>>) -> BoxFuture<'_, Result<Response<Vec<u8>>, TransportError>> {
        Box::pin(async move {
            let path = request.uri().path().to_owned();
            if path.ends_with("/1") {
                return Ok(Response::new(OTHER.as_bytes().to_vec()));
            }
            let mut response = self.0.send(request).await?;
            if path.starts_with("/acme/certificate/") {
                let link = format!("<{path}/1>;rel=\"alternate\"").parse().unwrap();
                response.headers_mut().append("link", link);
            }
            Ok(response)
        })
    }
}

#[tokio::test]
async fn the_default_chain_comes_first_and_the_alternates_after_it() {
    let world = World::new();
    let plain = world.session().await;
    let order = world.ready_order(&plain, &["a.localhost"]).await;
    plain.finalize(&order.object.finalize, &request_for(&["a.localhost"]).1).await.unwrap();
    world.work().await;
    let url = plain.order(&order.url).await.unwrap().object.certificate.unwrap();
    let default = plain.certificate(&url).await.unwrap();
    assert_eq!(default.len(), 1);

    let transport = Arc::new(TwoChains(world.clone()));
    let client = Client::discover(transport, &format!("{BASE}/directory")).await.unwrap();
    let both = client.resume(plain.key(), plain.account_url()).certificate(&url).await.unwrap();
    assert_eq!(both, [default[0].as_str(), OTHER]);
}

const OTHER: &str = "-----BEGIN CERTIFICATE-----\nb3RoZXI=\n-----END CERTIFICATE-----\n";

//! An independent client, instant-acme, against the CA.

use std::error::Error;
use std::pin::Pin;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt as _, Full};
use instant_acme::{
    Account, AuthorizationStatus, BodyWrapper, BytesResponse, ChallengeType, HttpClient, Identifier,
    NewAccount, NewOrder, OrderStatus, RetryPolicy, RevocationRequest,
};
use jamul_pki::Certificate;

use crate::fixture::{BASE, World, request_for};

impl HttpClient for World {
    fn request(
        &self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, instant_acme::Error>> + Send>> {
        let world = self.clone();
        Box::pin(async move {
            let (parts, body) = request.into_parts();
            let body = body.collect().await.expect("the body is in memory").to_bytes();
            let response = world.ca().handle(&Request::from_parts(parts, body.to_vec()), world.now());
            Ok(BytesResponse::from(response.map(|body| Full::new(Bytes::from(body)))))
        })
    }
}

#[tokio::test]
async fn instant_acme_gets_a_certificate_renames_itself_and_revokes() -> Result<(), Box<dyn Error>> {
    let world = World::new();
    let contact = ["mailto:admin@example.com"];
    let new = NewAccount { contact: &contact, terms_of_service_agreed: true, only_return_existing: false };
    let builder = Account::builder_with_http(Box::new(world.clone()));
    let (mut account, _) = builder.create(&new, format!("{BASE}/directory"), None).await?;

    let names = [Identifier::Dns("a.localhost".to_owned()), Identifier::Ip("127.0.0.1".parse()?)];
    let mut order = account.new_order(&NewOrder::new(&names)).await?;
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let mut authorization = authorization?;
        assert_eq!(authorization.status, AuthorizationStatus::Pending);
        let mut challenge = authorization.challenge(ChallengeType::Http01).ok_or("no http-01")?;
        let proof = challenge.key_authorization().as_str().to_owned();
        let identifier = jamul_acme::Identifier::from_host(&challenge.identifier().to_string());
        world.site.put(&identifier, &challenge.token, &proof);
        challenge.set_ready().await?;
    }
    world.work().await;
    assert_eq!(order.poll_ready(&RetryPolicy::default()).await?, OrderStatus::Ready);
    order.finalize_csr(&request_for(&["a.localhost", "127.0.0.1"]).1).await?;
    world.work().await;
    let chain = order.poll_certificate(&RetryPolicy::default()).await?;
    let leaf = Certificate::from_pem(&chain)?;
    assert!(leaf.covers("a.localhost") && leaf.covers("127.0.0.1"));

    let _credentials = account.update_key().await?;
    account.update_contacts(&["mailto:other@example.com"]).await?;
    account.revoke(&RevocationRequest { certificate: &leaf.der().into(), reason: None }).await?;
    account.deactivate().await?;
    Ok(())
}

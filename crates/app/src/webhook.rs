//! The port of the webhooks: TLS with a certificate of files, or one that we make, and what `controllers` answers.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use http::{HeaderValue, Request, Response, StatusCode, header};
use jamul_controllers::{Context, Live, Served, ServedCertificate};
use jamul_pki::{Certificate, PrivateKey};
use jamul_proxy::plain::{self, Handler};
use jamul_proxy::{PortCertificate, ServerTls};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// ingress-nginx's limit for a question.
const MAX_QUESTION: usize = 9 * 1024 * 1024;
/// How often files are looked at.
const READ_AGAIN: Duration = Duration::from_secs(60);

/// Where webhooks are answered, and how they prove who they are.
#[derive(Clone, Debug)]
pub(crate) struct WebhookOptions {
    /// Address and port.
    pub(crate) listen: SocketAddr,
    /// `--validating-webhook-certificate` and `--validating-webhook-key`, where those files are there.
    pub(crate) files: Option<(PathBuf, PathBuf)>,
    /// Otherwise.
    pub(crate) served: Served,
}

/// An open port, nothing answered yet.
#[derive(Debug)]
pub(crate) struct Webhooks {
    listener: TcpListener,
    options: WebhookOptions,
}

impl Webhooks {
    /// Takes the port.
    ///
    /// # Errors
    /// It cannot be had.
    pub(crate) fn open(options: WebhookOptions) -> anyhow::Result<Self> {
        let address = options.listen;
        let listener = std::net::TcpListener::bind(address)
            .with_context(|| format!("the webhooks of --validating-webhook cannot listen on {address}"))?;
        listener.set_nonblocking(true)?;
        Ok(Self { listener: TcpListener::from_std(listener)?, options })
    }

    /// Answers from the first Snapshot on, until `shutdown`.
    ///
    /// # Errors
    /// A certificate that cannot be used.
    pub(crate) async fn serve(
        self,
        context: &Arc<Context>,
        shutdown: CancellationToken,
    ) -> anyhow::Result<()> {
        let Self { listener, options } = self;
        let shown = watch::Sender::new(None);
        let keep = async {
            match &options.files {
                Some((certificate, key)) => follow_files(certificate, key, &shown).await,
                None => jamul_controllers::keep_served(context, &options.served, &shown).await,
            }
        };
        let serve = async {
            context.live.is_published().await;
            let mut news = shown.subscribe();
            let first = match news.wait_for(Option::is_some).await {
                Ok(first) => first.clone(),
                Err(_) => None,
            };
            let Some(ServedCertificate { chain, key }) = first else { return Ok(()) };
            let (tls, port) = ServerTls::renewable(chain, key)?;
            let handler = handler(Arc::clone(context));
            tokio::select! {
                () = plain::serve_bodies(listener, Some(tls), handler, MAX_QUESTION, shutdown.clone()) => {}
                () = replace(news, &port) => {}
            }
            Ok(())
        };
        let mut serve = std::pin::pin!(serve);
        tokio::select! {
            () = keep => Ok(()),
            result = &mut serve => result,
            () = early(&context.live, &shutdown) => Ok(()),
        }
    }
}

/// Resolves at a shutdown before anything is served; a server that has begun ends by itself.
async fn early(live: &Live, shutdown: &CancellationToken) {
    shutdown.cancelled().await;
    if *live.published.borrow() > 0 {
        std::future::pending::<()>().await;
    }
}

/// Shows each further certificate.
async fn replace(mut news: watch::Receiver<Option<ServedCertificate>>, port: &PortCertificate) {
    while news.changed().await.is_ok() {
        let Some(ServedCertificate { chain, key }) = news.borrow_and_update().clone() else { continue };
        if let Err(error) = port.replace(chain, key) {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "the webhooks keep their old certificate"
            );
        }
    }
    std::future::pending::<()>().await;
}

/// Reads the files again and again; what cannot be read leaves what was shown before.
async fn follow_files(certificate: &Path, key: &Path, shown: &watch::Sender<Option<ServedCertificate>>) {
    loop {
        match read(certificate, key) {
            Ok(read) => {
                shown.send_if_modified(|before| {
                    let differs = before.as_ref() != Some(&read);
                    *before = Some(read);
                    differs
                });
            }
            Err(error) => tracing::error!("the webhooks' certificate: {error:#}"),
        }
        tokio::time::sleep(READ_AGAIN).await;
    }
}

fn read(certificate: &Path, key: &Path) -> anyhow::Result<ServedCertificate> {
    let text = |file: &Path| {
        std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))
    };
    let chain = Certificate::chain_from_pem(&text(certificate)?)
        .with_context(|| format!("{} holds no certificates", certificate.display()))?;
    let key = PrivateKey::from_pem(&text(key)?).with_context(|| format!("{} holds no key", key.display()))?;
    let chain = chain.iter().map(|one| one.der().to_vec()).collect();
    Ok(ServedCertificate { chain, key: key.pkcs8_der().to_vec() })
}

fn handler(context: Arc<Context>) -> Handler {
    Arc::new(move |request: Request<Vec<u8>>| {
        let context = Arc::clone(&context);
        Box::pin(async move {
            let path = request.uri().path();
            if path == "/healthz" {
                return response(StatusCode::OK, "text/plain", b"ok\n".to_vec());
            }
            match jamul_controllers::answer(&context, path, request.body()).await {
                Ok(Some(review)) => match serde_json::to_vec(&review) {
                    Ok(body) => response(StatusCode::OK, "application/json", body),
                    Err(error) => refusal(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
                },
                Ok(None) => refusal(StatusCode::NOT_FOUND, "no such webhook"),
                Err(error) => {
                    refusal(StatusCode::BAD_REQUEST, &format!("this is no AdmissionReview: {error}"))
                }
            }
        })
    })
}

fn refusal(status: StatusCode, words: &str) -> Response<Vec<u8>> {
    response(status, "text/plain", format!("{words}\n").into_bytes())
}

fn response(status: StatusCode, content_type: &'static str, body: Vec<u8>) -> Response<Vec<u8>> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

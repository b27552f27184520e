//! AWS Signature Version 4, as far as requests to Route 53 need it.

use aws_lc_rs::hmac;
use http::{Method, Request, header};
use jiff::Timestamp;
use sha2::{Digest as _, Sha256};

/// Who signs. `Debug` hides the secret.
#[derive(Clone)]
pub(super) struct Credentials {
    pub(super) access_key: String,
    pub(super) secret_key: String,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials").field("access_key", &self.access_key).finish_non_exhaustive()
    }
}

/// What is asked of whom.
#[derive(Clone, Copy, Debug)]
pub(super) struct Target<'a> {
    pub(super) region: &'a str,
    pub(super) service: &'a str,
    pub(super) host: &'a str,
    pub(super) path: &'a str,
    /// `name=value`, encoded, in any order.
    pub(super) query: &'a [String],
}

impl Credentials {
    /// The signed request over https.
    pub(super) fn sign(
        &self,
        method: &Method,
        target: &Target<'_>,
        body: Vec<u8>,
        now: Timestamp,
    ) -> Result<Request<Vec<u8>>, http::Error> {
        let time = now.strftime("%Y%m%dT%H%M%SZ").to_string();
        let mut query = target.query.to_vec();
        query.sort();
        let query = query.join("&");
        let canonical = format!(
            "{method}\n{}\n{query}\nhost:{}\nx-amz-date:{time}\n\nhost;x-amz-date\n{}",
            target.path,
            target.host,
            hex(&Sha256::digest(&body))
        );
        let (day, _) = time.split_once('T').unwrap_or((&time, ""));
        let scope = format!("{day}/{}/{}/aws4_request", target.region, target.service);
        let to_sign = format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n{}", hex(&Sha256::digest(canonical)));
        let key = [day, target.region, target.service, "aws4_request"]
            .into_iter()
            .fold(format!("AWS4{}", self.secret_key).into_bytes(), |key, part| mac(&key, part));
        let signature = hex(&mac(&key, &to_sign));
        let authorization = format!(
            "AWS4-HMAC-SHA256 Credential={}/{scope}, SignedHeaders=host;x-amz-date, Signature={signature}",
            self.access_key
        );
        let question_mark = if query.is_empty() { "" } else { "?" };
        Request::builder()
            .method(method)
            .uri(format!("https://{}{}{question_mark}{query}", target.host, target.path))
            .header("x-amz-date", time)
            .header(header::AUTHORIZATION, authorization)
            .body(body)
    }
}

fn mac(key: &[u8], message: &str) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), message.as_bytes()).as_ref().to_vec()
}

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The published test suite: get-vanilla and get-vanilla-query-order-key-case.
    #[test]
    fn the_published_vectors_are_reproduced() {
        let credentials = Credentials {
            access_key: "AKIDEXAMPLE".to_owned(),
            secret_key: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".to_owned(),
        };
        let now = "2015-08-30T12:36:00Z".parse().expect("a time");
        let reordered = ["Param2=value2".to_owned(), "Param1=value1".to_owned()];
        for (query, signature) in [
            (&[][..], "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
            (&reordered[..], "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"),
        ] {
            let target = Target {
                region: "us-east-1",
                service: "service",
                host: "example.amazonaws.com",
                path: "/",
                query,
            };
            let request = credentials.sign(&Method::GET, &target, Vec::new(), now).expect("a request");
            let authorization = request.headers()[header::AUTHORIZATION].to_str().expect("text");
            let expected = format!(
                "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, \
                 SignedHeaders=host;x-amz-date, Signature={signature}"
            );
            assert_eq!(authorization, expected);
        }
    }
}

//! Tries out the credentials of an object store by writing a small object to it (contract rest.md
//! §2.17). The request is signed here and sent as every other: to allowed addresses, within the
//! limits of time and size.

use std::time::Duration;

use rusty_s3::{Bucket, Credentials, S3Action, UrlStyle};
use url::Url;

use super::{HookClient, HookError};
use crate::model::BucketCredential;
use crate::model::address_policy::NOT_ALLOWED;

/// Why credentials do not work, or were not tried. The text is for who wrote them: no secrets.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BucketFault {
    #[error("the server has no way to test buckets of {0}")]
    Untested(String),
    #[error("{0} is not usable in the address of a bucket")]
    BadPart(&'static str),
    #[error("endpoint leads to {NOT_ALLOWED}")]
    NotAllowed,
    #[error("the object store cannot be reached: {0}")]
    Unreachable(String),
    #[error("the object store answered {status} {text}")]
    Refused { status: u16, text: String },
}

impl HookClient {
    /// Writes an object of a few bytes; what it held before is gone, and it stays there.
    ///
    /// # Errors
    /// [`BucketFault`], also for vendors whose requests cannot be signed yet.
    pub async fn try_bucket(&self, credential: &BucketCredential) -> Result<(), BucketFault> {
        let url = signed_url(credential)?;
        let (status, answer) = self.put(&url, CONTENT).await.map_err(|error| match error {
            HookError::ForbiddenAddress { .. } => BucketFault::NotAllowed,
            HookError::Connect { fault, .. } => BucketFault::Unreachable(fault.to_string()),
            HookError::Timeout { .. } => BucketFault::Unreachable("no answer in time".into()),
            _ => BucketFault::Unreachable("its answer is not usable".into()),
        })?;
        match status {
            200..300 => Ok(()),
            status => Err(BucketFault::Refused { status, text: told(&answer) }),
        }
    }
}

/// Where the object is written, with a signature that holds for a minute.
fn signed_url(credential: &BucketCredential) -> Result<Url, BucketFault> {
    let part = |name| credential.part(name).unwrap_or_default();
    let region = part("region");
    let (endpoint, region) = match part("vendor") {
        "aws_s3" => (aws_endpoint(region)?, region),
        "s3_compatible" => {
            let endpoint = Url::parse(part("endpoint"));
            let endpoint = endpoint.map_err(|_| BucketFault::BadPart("endpoint"))?;
            (endpoint, if region.is_empty() { DEFAULT_REGION } else { region })
        }
        vendor => return Err(BucketFault::Untested(vendor.to_owned())),
    };
    // In the path, since not every name may stand in a host.
    let (name, region) = (part("name").to_owned(), region.to_owned());
    let bucket = Bucket::new(endpoint, UrlStyle::Path, name, region);
    let bucket = bucket.map_err(|_| BucketFault::BadPart("endpoint"))?;
    let credentials = Credentials::new(part("access_key_id"), part("secret_access_key"));
    Ok(bucket.put_object(Some(&credentials), OBJECT).sign(SIGNATURE_LIFETIME))
}

/// The region becomes part of a host name, and must not become more of it.
fn aws_endpoint(region: &str) -> Result<Url, BucketFault> {
    let is_label = !region.is_empty()
        && region.len() <= 32
        && region.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    let suffix = if region.starts_with("cn-") { ".cn" } else { "" };
    let url = Url::parse(&format!("https://s3.{region}.amazonaws.com{suffix}"));
    url.ok().filter(|_| is_label).ok_or(BucketFault::BadPart("region"))
}

/// The store's own code and message, out of its XML.
fn told(answer: &[u8]) -> String {
    let text = String::from_utf8_lossy(answer);
    let within = |tag: &str| {
        let (_, rest) = text.split_once(&format!("<{tag}>"))?;
        rest.split_once(&format!("</{tag}>")).map(|(inner, _)| inner)
    };
    let parts: Vec<&str> = ["Code", "Message"].into_iter().filter_map(within).collect();
    let told = parts.join(": ");
    told.chars().filter(|c| !c.is_control()).take(MAX_TOLD_CHARS).collect()
}

const OBJECT: &str = "trunkline-test.txt";
const CONTENT: &str = "written to try out the credentials of this bucket\n";
const DEFAULT_REGION: &str = "us-east-1";
const SIGNATURE_LIFETIME: Duration = Duration::from_secs(60);
const MAX_TOLD_CHARS: usize = 300;

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::hook::HookConfig;
    use crate::hook::test_server::{Answer, TestServer};
    use crate::model::AddressPolicy;

    fn credential(value: Value) -> BucketCredential {
        let Value::Object(map) = value else { panic!("an object") };
        BucketCredential::read(map).unwrap().unwrap()
    }

    fn compatible(endpoint: &str) -> BucketCredential {
        credential(json!({
            "vendor": "s3_compatible", "endpoint": endpoint, "name": "my bucket",
            "access_key_id": "AKID", "secret_access_key": "hunter2",
        }))
    }

    fn client() -> HookClient {
        let addresses = AddressPolicy::loopback();
        HookClient::new(&HookConfig { addresses, ..HookConfig::default() }).unwrap()
    }

    #[tokio::test]
    async fn an_object_is_written_with_a_signature() {
        let mut server = TestServer::start(|_| Answer::status(200, "text/plain", "")).await;
        let endpoint = server.url("/store/?x=1");
        assert_eq!(client().try_bucket(&compatible(&endpoint)).await, Ok(()));
        let seen = server.next().await;
        let begin = "PUT /store/my%20bucket/trunkline-test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256";
        assert!(seen.line.starts_with(begin), "{}", seen.line);
        assert!(seen.line.contains("us-east-1") && seen.line.contains("X-Amz-Signature="));
        assert!(!seen.line.contains("hunter2"));
        assert_eq!(seen.body, CONTENT);
        assert_eq!(seen.header("authorization"), None);
    }

    #[tokio::test]
    async fn a_refusal_says_what_the_store_said() {
        let server = TestServer::start(|_| {
            let page = "<?xml version=\"1.0\"?><Error><Code>SignatureDoesNotMatch</Code>\
                        <Message>The\r\nsignature</Message></Error>";
            Answer::status(403, "application/xml", page)
        })
        .await;
        let fault = client().try_bucket(&compatible(&server.url(""))).await.unwrap_err();
        let text = "the object store answered 403 SignatureDoesNotMatch: Thesignature";
        assert_eq!(fault.to_string(), text);
    }

    #[tokio::test]
    async fn a_store_that_is_not_there_or_not_allowed_is_said_so() {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let fault = client().try_bucket(&compatible(&format!("http://{free}"))).await.unwrap_err();
        assert_eq!(fault, BucketFault::Unreachable("refused".into()));
        for endpoint in ["http://169.254.169.254", "http://[::ffff:10.0.0.1]/", "https://10.1/"] {
            let fault = client().try_bucket(&compatible(endpoint)).await.unwrap_err();
            assert_eq!(fault, BucketFault::NotAllowed, "{endpoint}");
        }
        for endpoint in ["ftp://a.example", "a.example", "http://"] {
            let fault = client().try_bucket(&compatible(endpoint)).await.unwrap_err();
            assert_eq!(fault, BucketFault::BadPart("endpoint"), "{endpoint}");
        }
    }

    #[test]
    fn a_region_stays_within_the_host_of_its_vendor() {
        for region in ["", "x.evil.example/", "a/b", "EU", "a@b", "a#", "169.254.169.254"] {
            assert_eq!(aws_endpoint(region), Err(BucketFault::BadPart("region")), "{region}");
        }
        assert_eq!(
            aws_endpoint("eu-west-1").unwrap().as_str(),
            "https://s3.eu-west-1.amazonaws.com/"
        );
        assert_eq!(
            aws_endpoint("cn-north-1").unwrap().domain(),
            Some("s3.cn-north-1.amazonaws.com.cn")
        );
    }

    #[tokio::test]
    async fn what_cannot_be_signed_is_not_said_to_work() {
        for (vendor, part) in [("google", "service_key"), ("azure", "connection_string")] {
            let credential = credential(json!({"vendor": vendor, "name": "b", part: "x"}));
            let fault = client().try_bucket(&credential).await.unwrap_err();
            assert_eq!(fault, BucketFault::Untested(vendor.into()));
        }
    }
}

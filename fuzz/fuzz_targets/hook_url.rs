//! URLs of hooks: what a tenant stores, and what an application answers within a session.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::net::IpAddr;

use trunkline::hook::Base;
use trunkline::model::{AddressPolicy, Hook};

fuzz_target!(|text: &str| {
    let session = Hook {
        username: Some("us".into()),
        password: Some(trunkline::model::Secret("secret".into())),
        ..Hook::post("https://app.example:8443/start?key=1")
    };
    let base = Base::of(&session);
    if let Ok(resolved) = base.resolve(&Hook::post(text)) {
        assert!(matches!(resolved.url.scheme(), "http" | "https"));
        assert!(resolved.url.host_str().is_some());
        assert!(resolved.url.username().is_empty() && resolved.url.password().is_none());
        let own = resolved.url.host_str() == Some("app.example")
            && resolved.url.port() == Some(8443)
            && resolved.url.scheme() == "https";
        let is_ours = resolved.auth.as_ref().is_some_and(|auth| auth.password.0 == "secret");
        assert!(own || !is_ours || text.contains("secret"), "our login goes to a stranger");
        let admitted = AddressPolicy::default().check(&resolved.url).is_ok();
        let host = resolved.url.host_str().unwrap_or_default();
        assert!(!admitted || !is_inside(host), "{host} is let through");
        let mut followed = base.clone();
        followed.follow(&resolved);
    }
    let media = base.resolve_media(text);
    assert!(
        !text.starts_with('/') || media == text || media.starts_with("https://app.example:8443/")
    );
});

/// What must never be let through, told by the host alone and by other means than the policy's.
fn is_inside(host: &str) -> bool {
    let plain = host.trim_start_matches('[').trim_end_matches(']').trim_end_matches('.');
    match plain.parse::<IpAddr>().map(|ip| ip.to_canonical()) {
        Ok(IpAddr::V4(ip)) => {
            ip.is_loopback()
                || ip.is_private()
                || ip.is_link_local()
                || ip.is_unspecified()
                || ip.is_broadcast()
                || ip.is_multicast()
        }
        Ok(IpAddr::V6(ip)) => {
            ip.is_loopback()
                || ip.is_unspecified()
                || ip.is_multicast()
                || ip.is_unicast_link_local()
                || ip.is_unique_local()
        }
        Err(_) => plain.eq_ignore_ascii_case("localhost"),
    }
}

//! URLs of hooks: what a tenant stores, and what an application answers within a session.
#![no_main]

use libfuzzer_sys::fuzz_target;
use trunkline::hook::Base;
use trunkline::model::Hook;

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
        let mut followed = base.clone();
        followed.follow(&resolved);
    }
    let media = base.resolve_media(text);
    assert!(
        !text.starts_with('/') || media == text || media.starts_with("https://app.example:8443/")
    );
});

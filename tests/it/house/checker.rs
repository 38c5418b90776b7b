//! The checks above see what they are meant to see.

use super::judge::{dependencies, foreign_names, foreign_places, names_crate, says};
use super::source::{tokens, without_tests};

const RULES: &[(&str, &[&str])] =
    &[("verb", &["model"]), ("api", &["call::actor", "store"]), ("model", &[])];

fn broken(path: &str, text: &str) -> Vec<String> {
    foreign_names(path, &tokens(&without_tests(text)), RULES)
}

#[test]
fn a_closed_door_is_seen_however_it_is_written() {
    for text in [
        "use crate::store::Store;",
        "use crate::{model::Sid, store};",
        "use crate::model::{self};\nfn f() { crate::store::open() }",
        "use super::super::store::Store;",
        "fn f(x: sip::Uri) {}",
        "pub(crate) use media as sound;",
    ] {
        assert_eq!(broken("src/verb/play.rs", text).len(), 1, "{text}");
    }
    assert_eq!(broken("src/verb.rs", "use super::store::Store;").len(), 1);
    assert_eq!(broken("src/attic/old.rs", "").len(), 1, "a room without a rule");
}

#[test]
fn an_open_door_is_no_fault() {
    for text in [
        "use crate::model::{Sid, call::Headers};\nuse crate::verb::Cx;\nuse super::Step;",
        "//! See crate::store.\nfn f() { g(\"crate::store::x\", '\"', r#\"sip::\"#) }",
        "fn f() { self.media.sip::<u8>(); }\n/* crate::store */",
        "#[cfg(test)]\nmod tests {\n    use crate::store::Store;\n}\n",
    ] {
        assert_eq!(broken("src/verb/play.rs", text), Vec::<String>::new(), "{text}");
    }
    assert!(broken("src/server.rs", "use crate::store::Store;").is_empty());
}

#[test]
fn a_part_of_a_room_is_not_the_room() {
    assert!(broken("src/api/calls.rs", "use crate::call::actor::Hangup;").is_empty());
    assert!(broken("src/api/calls.rs", "use crate::call::{actor::{Hangup, Update}};").is_empty());
    assert_eq!(broken("src/api/calls.rs", "use crate::call::{actor, state};").len(), 1);
    assert_eq!(broken("src/api/calls.rs", "use crate::call;").len(), 1);
    assert_eq!(broken("src/api/calls.rs", "use crate::call::actors::Hangup;").len(), 1);
}

#[test]
fn code_behind_a_test_module_counts() {
    let text = "#[cfg(test)]\nmod tests {\n    mod a {}\n}\n\nuse crate::store::Store;\n";
    assert_eq!(broken("src/verb/play.rs", text).len(), 1);
    let text = "#[cfg(test)]\nmod tests;\n\nuse crate::store::Store;\n";
    assert_eq!(broken("src/verb/mod.rs", text).len(), 1);
}

#[test]
fn clocks_crates_and_manifests_are_recognised() {
    let clock = tokens("let t = std::time::Instant::now();");
    assert!(says(&clock, &["Instant", "::", "now"]) && !says(&clock, &["SystemTime"]));
    assert!(!says(&tokens("// Instant::now\nlet x = \"Instant::now\";"), &["Instant"]));
    assert!(names_crate(&tokens("#[tokio::main]"), "tokio"));
    assert!(names_crate(&tokens("use tokio;"), "tokio"));
    assert!(!names_crate(&tokens("use crate::tokio::x; let tokio = 1;"), "tokio"));
    let manifest = "[dependencies]\na = \"1\"\nb.workspace = true\n[dev-dependencies]\nc = \"1\"\n\
        [target.'cfg(unix)'.dependencies]\nd = { version = \"1\" }\n[build-dependencies]\ne = \"1\"";
    assert_eq!(dependencies(manifest), ["a", "b", "d", "e"]);
}

#[test]
fn machine_paths_and_registries_are_recognised() {
    let home = ["/ho", "me/someone/x"].concat();
    let mirror = ["registry+", "https://mirror.example/index"].concat();
    for text in [home, mirror, ["index = \"sparse+", "https://proxy.example/\""].concat()] {
        assert_eq!(foreign_places(&text).len(), 1, "{text}");
    }
    let default =
        ["source = \"registry+", "https://github.com/rust-lang/crates.io-index\""].concat();
    assert!(foreign_places(&default).is_empty());
    assert!(foreign_places("/homepage and docs/home/").is_empty());
    let rest = concat!("\"/Us", "ers/me\", \"/Us", "ers/{sid}\"; /Us", "ers/1");
    assert!(foreign_places(rest).is_empty());
}

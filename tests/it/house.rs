//! The doors of docs/architecture.md §3, checked: who may name whom, and what the cores may not touch.
//!
//! Reads manifests and sources as text. Comments, strings and test modules do not count. A rule that
//! is in the way is changed here and in §3 in the same commit, with the reason.

use std::collections::BTreeSet;
use std::fs;

mod checker;
mod judge;
mod source;

use judge::{dependencies, foreign_names, foreign_places, names_crate, says};
use source::{files, relative, root, sources};

/// What each room of `src/` may name of the others; a longer entry opens that part of a room only.
const ROOMS: &[(&str, &[&str])] = &[
    ("model", &["hook::Alert", "hook::AlertKind"]),
    ("routing", &["model"]),
    ("verb", &["model"]),
    ("hook", &["model", "verb::event_sid"]),
    ("config", &["model"]),
    ("store", &["model", "config"]),
    ("media_io", &["media"]),
    // Audio out over a socket of `hook`'s, as a verb wants it.
    ("listen", &["media", "model", "verb", "hook"]),
    ("rate", &[]),
    // The one room that writes files of audio, so it asks the system about the disk.
    ("recording", &["media", "media_io::sys", "model", "config", "store"]),
    ("speech", &["media"]),
    ("sip_io", &["sip", "model", "rate", "routing", "store", "call::desk"]),
    ("floor", &["media", "media_io", "model", "verb", "participant::message"]),
    ("participant", &["media", "media_io", "model", "verb", "floor"]),
    (
        "bridge",
        &[
            "media",
            "media_io",
            "model",
            "verb",
            "floor",
            "participant::actor",
            "participant::message",
        ],
    ),
    (
        "conference",
        &[
            "media",
            "media_io",
            "floor",
            "model",
            "verb",
            "hook",
            "directory",
            "participant::actor",
            "participant::message",
            "call::ConferenceTarget",
        ],
    ),
    (
        "call",
        &[
            "media",
            "media_io",
            "sip",
            "sip_io",
            "routing",
            "model",
            "verb",
            "hook",
            "speech",
            "store",
            "listen",
            // A call keeps its recording going; so does the directory with that of a room.
            "recording",
            "config",
            "directory",
            "participant::actor",
            "participant::message",
            // Whom a call talks with alone.
            "bridge",
            // What is played or sent to a member goes to its room.
            "floor::message",
            "conference::actor",
            "conference::message",
            "conference::policy",
            "conference::rules",
            "queue::actor",
            "queue::line",
            "queue::message",
            "queue::news",
        ],
    ),
    // Its actor is told where the agent's call has opened a bridge, and tells the caller's.
    ("queue", &["bridge::actor", "directory", "hook", "model", "verb"]),
    (
        "directory",
        &[
            "media",
            "media_io",
            "model",
            "hook",
            "store",
            "recording",
            "call::CallSnapshot",
            "call::actor",
            "conference::actor",
            "conference::message",
            "conference::news",
            "conference::policy",
            "conference::rules",
            "conference::snapshot",
            "queue::actor",
            "queue::message",
            "queue::news",
            "queue::snapshot",
        ],
    ),
    (
        "api",
        &[
            "model",
            "store",
            "config",
            "verb",
            "directory",
            "hook::payload",
            "rate",
            // The guard of every URL, asked before one is saved, and what handlers fetch through it.
            "hook::HookClient",
            "media_io::quality",
            // What a call is given to do over REST.
            "call::Assignment",
            // Which file a recording is, to be sent and deleted; nothing of how it is made.
            "recording::Archive",
            "recording::delete",
            "call::CallSnapshot",
            "call::actor",
            "call::desk",
            "call::originate",
            "conference::message",
            "conference::policy",
            "conference::snapshot",
            "queue::message",
            "queue::snapshot",
            "sip_io::registrations",
            "sip_io::stack",
            "sip_io::trunks",
        ],
    ),
    ("welcome", &["config", "store"]),
];

/// Rooms that may name every other: the composition root, the program, the list of rooms.
const OPEN: &[&str] = &["server", "main", "lib"];

/// Libraries that one or two parts of the tree keep to themselves.
const KEPT: &[(&str, &[&str])] = &[
    ("rsip", &["sip/src/message/"]),
    ("rtp_rs", &["media/src/rtp/"]),
    ("aes", &["media/src/srtp/"]),
    ("ctr", &["media/src/srtp/"]),
    ("sha1", &["media/src/srtp/"]),
    ("symphonia", &["media/src/source/mp3.rs"]),
    ("ogg", &["media/src/sink/ogg_opus.rs"]),
    ("sqlx", &["src/store/"]),
    ("argon2", &["src/store/password.rs"]),
    ("reqwest", &["src/hook/"]),
    ("hyper", &["src/hook/"]),
    ("rusty_s3", &["src/hook/"]),
    ("rustls", &["src/hook/", "src/sip_io/tls"]),
    ("tokio_rustls", &["src/sip_io/tls", "src/hook/ws_connect"]),
    // A server for browsers, a client of applications.
    ("tokio_tungstenite", &["src/sip_io/ws.rs", "src/hook/ws_connect"]),
    ("hickory_resolver", &["src/sip_io/dns"]),
    ("socket2", &["src/sip_io/listeners.rs"]),
    ("actix_web", &["src/api/"]),
    ("actix_files", &["src/api/"]),
    ("figment", &["src/config"]),
    ("libc", &["src/media_io/sys.rs"]),
];

/// Cores inside the server: they decide and touch nothing.
const DECIDERS: &[&str] = &[
    "src/verb/",
    "src/routing/",
    "src/conference/policy.rs",
    "src/call/state.rs",
    "src/call/state/",
    "src/call/effect.rs",
    "src/call/input.rs",
    "src/call/status.rs",
    "src/call/failure.rs",
    "src/call/in_dialog.rs",
    "src/call/refer.rs",
    "src/call/tries.rs",
    "src/floor/playlist.rs",
    "src/hook/ws/command.rs",
    "src/hook/ws/protocol.rs",
    "src/hook/ws/session.rs",
    "src/queue/line.rs",
    "src/rate.rs",
    "src/speech/cut.rs",
    "src/speech/pieces.rs",
    "src/speech/ssml.rs",
    "src/speech/voices.rs",
    "src/sip_io/trunks/health.rs",
    "src/sip_io/trunks/registration.rs",
];
const NOT_IN_DECIDERS: &[&str] = &["actix", "actix_web", "tokio", "reqwest", "sqlx"];

/// All that the two cores are built on.
const CORE_MANIFESTS: &[(&str, &[&str])] = &[
    (
        "media/Cargo.toml",
        &[
            "aes",
            "base64",
            "ctr",
            "hmac",
            "multiversion",
            "ogg",
            "opus",
            "opusic-sys",
            "ring",
            "rtp-rs",
            "rtrb",
            "sha1",
            "symphonia",
            "thiserror",
        ],
    ),
    ("sip/Cargo.toml", &["bytes", "md-5", "rand", "rsip", "sha2", "thiserror", "tracing"]),
];
/// What no core says, the virtual networks for tests (`sim.rs`) apart.
const NOT_IN_CORES: &[&[&str]] = &[
    &["Instant", "::", "now"],
    &["SystemTime"],
    &["UdpSocket"],
    &["TcpStream"],
    &["TcpListener"],
    &["thread", "::"],
    &["async"],
    &["fs", "::"],
    &["env", "::"],
];

const MAX_LINES: usize = 600;

#[test]
fn rooms_name_only_those_whose_door_is_open() {
    let mut broken = Vec::new();
    for source in sources(&["src"]) {
        broken.extend(foreign_names(&source.path, &source.tokens, ROOMS));
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn libraries_stay_in_their_place() {
    let mut broken = Vec::new();
    for source in sources(&["src", "media/src", "sip/src"]) {
        for (library, places) in KEPT {
            let is_at_home = places.iter().any(|place| source.path.starts_with(place));
            if !is_at_home && names_crate(&source.tokens, library) {
                let places = places.join(" and ");
                broken.push(format!("{} names {library}, which belongs to {places}", source.path));
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn cores_inside_the_server_know_no_runtime() {
    let mut broken = Vec::new();
    let mut seen = BTreeSet::new();
    for source in sources(&["src"]) {
        let Some(place) = DECIDERS.iter().find(|place| source.path.starts_with(**place)) else {
            continue;
        };
        seen.insert(*place);
        for library in NOT_IN_DECIDERS {
            if names_crate(&source.tokens, library) {
                broken.push(format!("{} names {library}", source.path));
            }
        }
        if says(&source.tokens, &["Instant", "::", "now"]) || says(&source.tokens, &["async"]) {
            broken.push(format!("{} reads a clock or waits", source.path));
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
    assert_eq!(seen.len(), DECIDERS.len(), "a place of the list is gone");
}

#[test]
fn core_crates_have_no_clock_socket_thread_or_runtime() {
    let mut broken = Vec::new();
    for source in sources(&["media/src", "sip/src"]) {
        if source.path.ends_with("/sim.rs") {
            continue;
        }
        for words in NOT_IN_CORES {
            if says(&source.tokens, words) {
                broken.push(format!("{} says {}", source.path, words.concat()));
            }
        }
    }
    for (manifest, allowed) in CORE_MANIFESTS {
        let text = fs::read_to_string(root().join(manifest)).unwrap();
        for name in dependencies(&text) {
            if !allowed.contains(&name.as_str()) {
                broken.push(format!("{manifest} depends on {name}"));
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn files_hold_one_noun_and_end_in_time() {
    let mut broken = Vec::new();
    for source in sources(&["src", "media/src", "sip/src", "benches/load/src", "tests/support/src"])
    {
        if source.lines > MAX_LINES {
            broken.push(format!("{} has {} lines, limit {MAX_LINES}", source.path, source.lines));
        }
        if !source.has_module_text {
            broken.push(format!("{} does not begin with its module text", source.path));
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn nothing_names_a_machine_or_a_private_registry() {
    let mut broken = Vec::new();
    for path in files(&root()) {
        let Ok(text) = fs::read_to_string(&path) else { continue };
        let name = relative(&path);
        broken.extend(foreign_places(&text).into_iter().map(|what| format!("{name}: {what}")));
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

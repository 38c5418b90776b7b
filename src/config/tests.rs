//! Tests of the configuration tree.

use super::*;

fn load(file: &str, variables: &[(&str, &str)]) -> Result<Config, Error> {
    let path = std::env::temp_dir().join(format!("trunkline-config-{}.toml", uuid::Uuid::new_v4()));
    std::fs::write(&path, file).unwrap();
    let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let loaded = Config::load_from(Some(&path), variables);
    std::fs::remove_file(&path).unwrap();
    loaded
}

#[test]
fn example_file_shows_every_key_with_its_default() {
    let example = include_str!("../../config/example.toml");
    assert_eq!(load(example, &[]).unwrap(), Config::default());

    let shown: toml::Table = example.parse().unwrap();
    let printed: toml::Table = Config::default().to_masked_toml().parse().unwrap();
    let keys = |table: &toml::Table| -> Vec<String> {
        let mut keys: Vec<_> = table
            .iter()
            .flat_map(|(section, value)| {
                let keys = value.as_table().unwrap().keys().cloned();
                keys.map(move |key| format!("{section}.{key}"))
            })
            .collect();
        keys.sort();
        keys
    };
    assert_eq!(keys(&shown), keys(&printed));
}

#[test]
fn environment_beats_file_beats_defaults() {
    let config = load(
        "[http]\nlisten = \"127.0.0.1:1\"\nworkers = 3\n[rtp]\ninactivity_timeout = \"5s\"\n",
        &[
            ("TRUNKLINE_HTTP_LISTEN", "127.0.0.1:2"),
            ("TRUNKLINE_RTP_PORTS", "30000-30099"),
            ("TRUNKLINE_ADMIN_KEY", "1234567890"),
            ("TRUNKLINE_DATA_DIR", ""),
            ("TRUNKLINE__RTP__INACTIVITY_TIMEOUT", "7s"),
            ("TRUNKLINE__MEDIA__REALTIME_PRIORITY", "false"),
            ("TRUNKLINE__SIP__MAX_CALLS", "17"),
            ("HOME", "/root"),
        ],
    )
    .unwrap();
    assert_eq!(config.http.listen.port(), 2);
    assert_eq!(config.http.workers, 3);
    assert_eq!(config.rtp.ports, PortRange { first: 30_000, last: 30_099 });
    assert_eq!(config.rtp.inactivity_timeout, Duration::from_secs(7));
    assert!(!config.media.realtime_priority);
    assert_eq!(config.sip.max_calls, 17);
    assert_eq!(config.api.admin_key, Some(Secret("1234567890".to_owned())));
    assert_eq!(config.store, Store::default());
}

#[test]
fn wrong_keys_and_values_are_refused_by_name() {
    type Variables = &'static [(&'static str, &'static str)];
    let cases: [(&str, Variables, &str); 24] = [
        ("[http]\nlissen = \"x\"\n", &[], "lissen"),
        ("[telephony]\n", &[], "telephony"),
        ("[rtp]\njitter_start = 20\n", &[], "jitter_start"),
        ("[rtp]\njitter_start = \"2 fortnights\"\n", &[], "jitter_start"),
        ("[rtp]\njitter_start = \"300ms\"\n", &[], "jitter_max"),
        ("[api]\nwire = \"other\"\n", &[], "wire"),
        ("", &[("TRUNKLINE_ADMIN_KEY", "short")], "api.admin_key"),
        ("", &[("TRUNKLINE_STORE_URL", "mysql://me:secret@db/calls")], "store.url"),
        ("", &[("TRUNKLINE_STORE_URL", "postgres://me:secret@db")], "store.url"),
        ("", &[("TRUNKLINE_MEDIA_IP", "0.0.0.0")], "media.ip"),
        ("[sip]\nwss_listen = \"0.0.0.0:443\"\n", &[], "two PEM files"),
        ("[sip]\ntls_cert = \"/c.pem\"\n", &[], "tls_cert and tls_key go together"),
        ("[sip]\nlisteners = [\"sctp://0.0.0.0:1\"]\n", &[], "TRANSPORT://ADDRESS:PORT"),
        ("[hook]\nallowed_networks = [\"10.0.0.0/40\"]\n", &[], "ADDRESS/BITS"),
        ("", &[("TRUNKLINE__HOOK__ALLOWED_NETWORKS", "10.0.0.0/8,home")], "ADDRESS/BITS"),
        ("[sip]\ntrusted = [\"10.0.0.0/40\"]\n", &[], "ADDRESS/BITS"),
        ("[sip]\ntls_require_client_cert = true\n", &[], "sip.tls_client_ca"),
        ("[media]\ncodecs = []\n", &[], "media.codecs"),
        ("[media]\ncodecs = [\"pcmu\", \"pcmu\"]\n", &[], "media.codecs"),
        ("[media]\ncodecs = [\"g729\"]\n", &[], "g729"),
        ("[media]\nptime = \"50ms\"\n", &[], "media.ptime"),
        ("[media.opus]\nbitrate = 5999\n", &[], "media.opus.bitrate"),
        ("[media.opus]\ncomplexity = 11\n", &[], "media.opus.complexity"),
        ("", &[("TRUNKLINE__HTTP__WORKERZ", "1")], "workerz"),
    ];
    for (file, variables, named) in cases {
        let error = load(file, variables).unwrap_err().to_string();
        assert!(error.contains(named), "{error:?} does not name {named}");
    }
    assert!(matches!(
        Config::load_from(Some(Path::new("/nonexistent.toml")), []),
        Err(Error::NoFile { .. })
    ));
}

#[test]
fn secrets_do_not_print() {
    let config = load("", &[("TRUNKLINE_ADMIN_KEY", "very-secret-key")]).unwrap();
    assert!(!config.to_masked_toml().contains("very-secret-key"));
    assert!(!format!("{config:?}").contains("very-secret-key"));
    assert!(config.to_masked_toml().contains("admin_key = \"***\""));
    let config = load("", &[("TRUNKLINE_STORE_URL", "postgres://me:pa55w0rd@db/calls")]).unwrap();
    assert!(!config.to_masked_toml().contains("pa55w0rd"));
    assert!(!format!("{config:?}").contains("pa55w0rd"));
}

#[test]
fn media_address_is_configured_or_the_specific_listen_address() {
    let config = load("", &[("TRUNKLINE_SIP_LISTEN", "10.9.8.7:5060")]).unwrap();
    assert_eq!(config.media_ip().to_string(), "10.9.8.7");
    let config = load("", &[("TRUNKLINE_MEDIA_IP", "203.0.113.9")]).unwrap();
    assert_eq!(config.media_ip().to_string(), "203.0.113.9");
    assert!(config.media_arbiters() >= 1);
}

#[test]
fn peers_are_told_an_address_they_can_reach() {
    let public = |file: &str, bound: &str| {
        let listen: Listen = format!("udp://{bound}").parse().unwrap();
        load(file, &[]).unwrap().public_address(&listen, listen.address).to_string()
    };
    let behind_nat = "[sip]\npublic_ip = \"203.0.113.9\"\n";
    assert_eq!(public("", "10.0.0.5:5060"), "10.0.0.5:5060");
    assert_eq!(public(behind_nat, "10.0.0.5:5060"), "203.0.113.9:5060");
    assert_eq!(public(behind_nat, "0.0.0.0:5070"), "203.0.113.9:5070");
    assert_eq!(public(behind_nat, "127.0.0.1:5060"), "127.0.0.1:5060");
    assert_eq!(public(behind_nat, "[2001:db8::1]:5060"), "[2001:db8::1]:5060");
    assert_eq!(public("[media]\nip = \"10.0.0.7\"\n", "0.0.0.0:5060"), "10.0.0.7:5060");
    assert_eq!(load(behind_nat, &[]).unwrap().media_ip().to_string(), "203.0.113.9");
    let own = "udp://10.0.0.5:5060?public=203.0.113.1:15060".parse::<Listen>().unwrap();
    let config = load(behind_nat, &[]).unwrap();
    assert_eq!(config.public_address(&own, own.address).to_string(), "203.0.113.1:15060");
}

#[test]
fn lists_may_be_given_in_the_environment() {
    let variables = [
        ("TRUNKLINE__SIP__LISTENERS", "udp://[::1]:0, ws://127.0.0.1:0"),
        ("TRUNKLINE__SIP__TRUSTED", "10.0.0.0/8"),
    ];
    let sip = load("", &variables).unwrap().sip;
    assert_eq!(sip.all_listeners().len(), 4);
    assert_eq!(sip.trusted, ["10.0.0.0/8".parse().unwrap()]);
}

#[test]
fn stray_variables_are_told_apart() {
    let names = ["TRUNKLINE_SIP_LISTN", "TRUNKLINE_LOG", "TRUNKLINE__SIP__T1", "PATH"];
    assert_eq!(stray_variables(names.map(str::to_owned)), ["TRUNKLINE_SIP_LISTN"]);
}

#[test]
fn codecs_are_a_list_in_the_file_and_words_in_the_environment() {
    let file = load("[media]\ncodecs = [\"pcma\", \"opus\"]\n", &[]).unwrap();
    assert_eq!(file.media.codecs, [Codec::Pcma, Codec::Opus]);
    let variables =
        [("TRUNKLINE__MEDIA__CODECS", "g722, l16"), ("TRUNKLINE__MEDIA__OPUS__FEC", "false")];
    let environment = load("", &variables).unwrap();
    assert_eq!(environment.media.codecs, [Codec::G722, Codec::L16]);
    assert!(!environment.media.opus.fec);
    let one = load("", &[("TRUNKLINE__MEDIA__CODECS", "pcmu")]).unwrap();
    assert_eq!(one.media.codecs, [Codec::Pcmu]);
}

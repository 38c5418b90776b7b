//! Exchanges one after the other in one session: `tests/data/sdp/secure.txt` and `sequences.txt`.

use std::collections::BTreeSet;
use std::fmt::Write;

use super::tests::rows;
use super::*;
use crate::codec::CodecKind;
use crate::srtp::LocalKeys;

const TABLES: [&str; 2] = [
    include_str!("../../tests/data/sdp/secure.txt"),
    include_str!("../../tests/data/sdp/sequences.txt"),
];

/// One story of a table.
struct Story {
    name: &'static str,
    encryption: Encryption,
    steps: Vec<Step>,
}

struct Step {
    /// `they offer`, `we offer DIRECTION`, `they answer`.
    what: &'static str,
    text: &'static str,
    expected: &'static str,
}

fn stories() -> Vec<Story> {
    let blocks = TABLES.iter().flat_map(|table| table.split("## [").skip(1));
    let story = |block: &'static str| {
        let (head, rest) = block.split_once('\n').unwrap();
        let (encryption, name) = head.split_once("] ").unwrap();
        let encryption = match encryption {
            "off" => Encryption::Off,
            "offered" => Encryption::Offered,
            "required" => Encryption::Required,
            other => panic!("{other}"),
        };
        let steps = rest.split("-- ").skip(1).map(|step| {
            let (what, rest) = step.split_once('\n').unwrap();
            let (text, expected) = rest.split_once("=> ").unwrap_or_else(|| panic!("{name}"));
            Step { what, text, expected: expected.trim_end() }
        });
        Story { name, encryption, steps: steps.collect() }
    };
    blocks.map(story).collect()
}

fn session(encryption: Encryption) -> Session {
    let keys = LocalKeys::from_random([0x5a; LocalKeys::BYTES]);
    Session::new(LocalMedia::new([198, 51, 100, 1].into(), 40_000, 77).encrypted(encryption, keys))
}

/// What was agreed on, in the notation of the tables.
fn agreed(negotiated: &Negotiated) -> String {
    let mut text = format!("{} {}", negotiated.remote_rtp, negotiated.remote_rtcp);
    let dtmf = negotiated.dtmf_payload_type.map_or("-".to_owned(), |number| number.0.to_string());
    let (codec, number) = (negotiated.send.codec.name(), negotiated.payload_type.0);
    write!(text, " {codec} {number} {dtmf} {}", negotiated.direction.name()).unwrap();
    text.push_str(if negotiated.rtcp_mux { " mux" } else { "" });
    if let Some(keys) = negotiated.srtp {
        write!(text, " {}", keys.remote.suite().name()).unwrap();
        assert_eq!(keys.local.suite(), keys.remote.suite());
    }
    text
}

/// Version and the lines of a description of ours that the tables show; keys are left out.
fn description(text: &str) -> (u64, String) {
    let version = text.lines().find_map(|line| line.strip_prefix("o=- 77 "));
    let version = version.and_then(|rest| rest.split(' ').next()).unwrap().parse().unwrap();
    let is_shown = |line: &&str| {
        ["m=", "a=crypto", "a=mid", "a=group"].iter().any(|start| line.starts_with(start))
    };
    let mut shown = String::new();
    for line in text.lines().filter(is_shown) {
        let line = line.split(" inline:").next().unwrap();
        write!(shown, "\n{line}").unwrap();
    }
    (version, shown)
}

#[test]
fn descriptions_follow_one_another_as_the_tables_say() {
    let policy = Policy::new([CodecKind::Pcmu, CodecKind::Pcma]);
    for Story { name, encryption, steps } in stories() {
        let mut session = session(encryption);
        for (index, Step { what, text, expected }) in steps.iter().enumerate() {
            let said = match what.split_once("we offer ") {
                Some((_, direction)) => {
                    session.set_direction(Direction::from_name(direction).unwrap());
                    let (version, lines) = description(&session.offer(&policy));
                    format!("v{version}{lines}")
                }
                None if *what == "they offer" => match session.answer(text.as_bytes(), &policy) {
                    Ok((answer, negotiated)) => {
                        let (version, lines) = description(&answer);
                        format!("v{version} {}{lines}", agreed(&negotiated))
                    }
                    Err(error) => format!("{error:?}"),
                },
                None => {
                    assert_eq!(*what, "they answer", "{name}");
                    match session.accept_answer(text.as_bytes(), &policy) {
                        Ok(negotiated) => agreed(&negotiated),
                        Err(error) => format!("{error:?}"),
                    }
                }
            };
            assert_eq!(said, *expected, "{name}, step {}", index + 1);
        }
    }
}

/// Counted without those that say the same.
#[test]
fn the_tables_hold_200_pairs_and_more() {
    let singles = rows().into_iter().map(|row| row.offer + &row.expected);
    let followed = stories().into_iter().flat_map(|story| {
        let exchanges = story.steps.into_iter().filter(|step| !step.what.starts_with("we "));
        exchanges.map(|step| step.text.to_owned() + step.expected).collect::<Vec<_>>()
    });
    let pairs: BTreeSet<String> = singles.chain(followed).collect();
    assert!(pairs.len() >= 200, "{}", pairs.len());
}

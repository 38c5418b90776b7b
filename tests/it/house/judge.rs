//! Judging: what a file names, what a manifest asks for, what a text gives away.

use std::collections::BTreeSet;

use super::OPEN;

/// What is wrong with the names in one file of `src/`.
pub(super) fn foreign_names(
    path: &str,
    tokens: &[String],
    rules: &[(&str, &[&str])],
) -> Vec<String> {
    let mut parts: Vec<&str> = path.trim_start_matches("src/").split('/').collect();
    let file = parts.pop().unwrap_or_default().trim_end_matches(".rs");
    if file != "mod" {
        parts.push(file);
    }
    let room = parts.first().copied().unwrap_or_default();
    if OPEN.contains(&room) {
        return Vec::new();
    }
    let Some((_, doors)) = rules.iter().find(|(name, _)| *name == room) else {
        return vec![format!("{path}: the room {room} has no rule")];
    };
    let mut named = BTreeSet::new();
    for at in 0..tokens.len() {
        let before = at.checked_sub(1).map(|at| tokens[at].as_str());
        let starts_path = !matches!(before, Some("::" | "."));
        match tokens[at].as_str() {
            "crate" if starts_path => read_tree(&tokens[at + 1..], &[], &mut named),
            "super" if starts_path => {
                let ups = 1 + tokens[at + 1..]
                    .chunks(2)
                    .take_while(|two| matches!(two, [a, b] if a == "::" && b == "super"))
                    .count();
                if ups == parts.len() {
                    read_tree(&tokens[at + 2 * ups - 1..], &[], &mut named);
                }
            }
            "media" | "sip" if names_crate(&tokens[at.saturating_sub(1)..at + 2], &tokens[at]) => {
                named.insert(tokens[at].clone());
            }
            _ => {}
        }
    }
    let is_open = |name: &str| {
        let own = name == room || name.starts_with(&format!("{room}::"));
        let mut doors = doors.iter();
        own || doors.any(|door| name == *door || name.starts_with(&format!("{door}::")))
    };
    let closed = named.iter().filter(|name| !is_open(name));
    closed.map(|name| format!("{path}: {room} has no door to {name}")).collect()
}

/// Reads `::a::{b, c::d}` into `a::b`, `a::c::d`; two names of a path are enough.
fn read_tree(tokens: &[String], path: &[&str], named: &mut BTreeSet<String>) {
    let (mut path, mut rest) = (path.to_vec(), tokens);
    while let [colons, name, after @ ..] = rest {
        if colons != "::" {
            break;
        }
        if name == "{" {
            let mut depth = 1;
            let mut starts = true;
            for (at, token) in after.iter().enumerate() {
                match token.as_str() {
                    "{" => depth += 1,
                    "}" => depth -= 1,
                    "," if depth == 1 => starts = true,
                    "self" if depth == 1 && starts => {
                        named.insert(path.join("::"));
                        starts = false;
                    }
                    name if depth == 1 && starts => {
                        let inner: Vec<&str> = path.iter().copied().chain([name]).collect();
                        read_tree(&after[at + 1..], &inner, named);
                        starts = false;
                    }
                    _ => {}
                }
                if depth == 0 {
                    break;
                }
            }
            return;
        }
        path.push(name);
        rest = after;
    }
    if !path.is_empty() {
        path.truncate(2);
        named.insert(path.join("::"));
    }
}

pub(super) fn names_crate(tokens: &[String], name: &str) -> bool {
    tokens.iter().enumerate().any(|(at, token)| {
        let before = at.checked_sub(1).map(|at| tokens[at].as_str());
        let after = tokens.get(at + 1).map(String::as_str);
        token == name
            && !matches!(before, Some("::" | "."))
            && (after == Some("::") || before == Some("use"))
    })
}

pub(super) fn says(tokens: &[String], words: &[&str]) -> bool {
    tokens.windows(words.len()).any(|window| window.iter().zip(words).all(|(a, b)| a == b))
}

/// What is built in, whatever the platform.
pub(super) fn dependencies(manifest: &str) -> Vec<String> {
    let manifest: toml::Table = manifest.parse().unwrap();
    let of = |table: &toml::Table| -> Vec<String> {
        let sections = ["dependencies", "build-dependencies"];
        let tables = sections.iter().filter_map(|name| table.get(*name)?.as_table());
        tables.flat_map(|table| table.keys().cloned()).collect()
    };
    let targets = manifest.get("target").and_then(toml::Value::as_table);
    let targets = targets.into_iter().flat_map(|all| all.values().filter_map(|t| t.as_table()));
    let mut found = of(&manifest);
    found.extend(targets.flat_map(of));
    found.sort();
    found
}

/// Absolute paths of somebody's machine, and package sources that are not the public default.
pub(super) fn foreign_places(text: &str) -> Vec<&str> {
    let default = concat!("registry+", "https://github.com/rust-lang/crates.io-index");
    let homes = [
        concat!("/ho", "me/"),
        concat!("/ro", "ot/"),
        concat!("/Us", "ers/"),
        concat!("/wo", "rk/"),
    ];
    let sources =
        [concat!("registry", "+http"), concat!("sparse", "+http"), concat!("replace", "-with")];
    let is_home = |line: &str| {
        homes.iter().any(|home| {
            line.match_indices(home).any(|(at, _)| {
                let before = line[..at].chars().next_back();
                let is_start = !before.is_some_and(|c| c.is_alphanumeric() || "-_.}".contains(c));
                // One of them is a path of the REST API as well, which has nothing below the name.
                let is_rest = home.ends_with(concat!("Us", "ers/"))
                    && !line[at + home.len()..].split_once('/').is_some_and(|(name, _)| {
                        name.chars().all(|c| c.is_alphanumeric() || "-_.".contains(c))
                    });
                is_start && !is_rest
            })
        })
    };
    let is_source = |line: &str| {
        let rest = line.replace(default, "");
        sources.iter().any(|source| rest.contains(source))
    };
    text.lines().filter(|line| is_home(line) || is_source(line)).collect()
}

//! Reading: the shipped sources as words and marks, without comments, strings and tests.

use std::fs;
use std::path::{Path, PathBuf};

pub(super) struct Source {
    /// From the root of the repository, with `/`.
    pub(super) path: String,
    pub(super) tokens: Vec<String>,
    /// Without its test module.
    pub(super) lines: usize,
    pub(super) has_module_text: bool,
}

/// The shipped sources under these folders.
pub(super) fn sources(folders: &[&str]) -> Vec<Source> {
    let paths = folders.iter().flat_map(|folder| files(&root().join(folder)));
    let found: Vec<Source> = paths
        .filter(|path| path.extension().is_some_and(|end| end == "rs"))
        .filter(|path| !is_test_file(&relative(path)))
        .map(|path| {
            let text = fs::read_to_string(&path).unwrap();
            let shipped = without_tests(&text);
            Source {
                path: relative(&path),
                lines: shipped.lines().count(),
                has_module_text: text.starts_with("//! "),
                tokens: tokens(&shipped),
            }
        })
        .collect();
    assert!(!found.is_empty(), "no sources in {folders:?}");
    found
}

fn is_test_file(path: &str) -> bool {
    path.contains("/tests/") || path.ends_with("/tests.rs") || path.ends_with("/test_server.rs")
}

pub(super) fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

pub(super) fn relative(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).to_string_lossy().replace('\\', "/")
}

/// All files below, but for what is built, fetched or private to git.
pub(super) fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if IGNORED.contains(&name.as_str()) {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
            } else {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// As in the .gitignore files.
const IGNORED: &[&str] =
    &[".git", "target", "node_modules", ".venv", "corpus", "artifacts", "coverage"];

/// The text without modules that only tests see. rustfmt puts their last brace at the margin.
pub(super) fn without_tests(text: &str) -> String {
    let mut kept = String::new();
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        let next = lines.peek().copied().unwrap_or_default();
        if line != "#[cfg(test)]" || !next.contains("mod ") {
            kept.push_str(line);
            kept.push('\n');
        } else if next.ends_with('{') {
            lines.by_ref().find(|line| *line == "}");
        } else {
            lines.next();
        }
    }
    kept
}

/// Words and marks of Rust code; comments, strings and characters are left out.
pub(super) fn tokens(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |at| at + 2)
        } else if first.is_alphabetic() || first == '_' {
            let word: String =
                rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            let behind = &rest[word.len()..];
            match raw_string(&word, behind) {
                Some(length) => word.len() + length,
                None => {
                    let length = word.len();
                    found.push(word);
                    length
                }
            }
        } else if first == '"' {
            quoted(rest)
        } else if first == '\'' {
            character(rest)
        } else if rest.starts_with("::") {
            found.push("::".to_owned());
            2
        } else {
            if !first.is_whitespace() {
                found.push(first.to_string());
            }
            first.len_utf8()
        };
        rest = &rest[length..];
    }
    found
}

/// The length of `"…"`.
fn quoted(text: &str) -> usize {
    let mut escaped = false;
    let end = text.char_indices().skip(1).find(|(_, c)| {
        let ends = *c == '"' && !escaped;
        escaped = *c == '\\' && !escaped;
        ends
    });
    end.map_or(text.len(), |(at, _)| at + 1)
}

/// The length of `"…"#` behind the `r` or `br` of a raw string.
fn raw_string(word: &str, behind: &str) -> Option<usize> {
    if !matches!(word, "r" | "br") {
        return None;
    }
    let marks = behind.len() - behind.trim_start_matches('#').len();
    let body = behind[marks..].strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(marks));
    Some(body.find(&end).map_or(behind.len(), |at| marks + 1 + at + end.len()))
}

/// The length of `'x'` or `'\x'`; a lifetime is one mark.
fn character(text: &str) -> usize {
    let mut chars = text.char_indices().skip(1);
    match (chars.next(), chars.next()) {
        (Some((_, '\\')), Some((at, c))) => {
            let behind = at + c.len_utf8();
            text[behind..].find('\'').map_or(text.len(), |end| behind + end + 1)
        }
        (Some(_), Some((at, '\''))) => at + 1,
        _ => 1,
    }
}

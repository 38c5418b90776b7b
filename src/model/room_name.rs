//! Names of conferences and queues (contract rest.md §3.1): one grammar for REST and for verbs.

use super::{Fields, Invalid, Patch};

/// Most characters.
pub const MAX: usize = 64;

/// 1 to 64 characters, none of them a control character, `/` or `:`.
///
/// # Errors
/// What is wrong with it, to be read after the property's name.
pub fn check(name: &str) -> Result<(), &'static str> {
    if name.is_empty() || name.chars().count() > MAX {
        return Err("must have 1 to 64 characters");
    }
    if name.chars().any(|c| c.is_control() || matches!(c, '/' | ':')) {
        return Err("must not contain control characters, / or :");
    }
    Ok(())
}

impl Fields {
    /// The `name` of a new conference or queue.
    pub(super) fn room_name(&mut self) -> Result<String, Invalid> {
        if !self.has("name") {
            return Err(Invalid::Missing("name"));
        }
        let refused = |reason| Invalid::Refused { name: "name", reason };
        match self.text("name", MAX)? {
            Patch::Value(name) => check(&name).map(|()| name).map_err(refused),
            Patch::Absent | Patch::Null => Err(refused("must be a string")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_bounded() {
        for good in ["lobby", "a b", "Über%25", &"ä".repeat(64)] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        for bad in ["", "a/b", "a:b", "a\nb", "a\u{7f}", &"x".repeat(65)] {
            assert!(check(bad).is_err(), "{bad}");
        }
    }
}

//! Phone numbers as the API spells them (contract rest.md §1.8): one leading `+` makes no
//! difference to identity, 7 to 15 digits are E.164, anything else is passed through.

/// The spelling numbers are stored and compared in: without one leading `+`.
pub fn canonical(number: &str) -> &str {
    number.strip_prefix('+').unwrap_or(number)
}

/// Whether a canonical number is E.164: 7 to 15 digits.
pub fn is_e164(canonical: &str) -> bool {
    (7..=15).contains(&canonical.len()) && canonical.bytes().all(|b| b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_leading_plus_makes_no_difference() {
        assert_eq!(canonical("+15551234567"), canonical("15551234567"));
        assert_eq!(canonical("++1"), "+1");
    }

    #[test]
    fn e164_is_seven_to_fifteen_digits() {
        for (text, e164) in [
            ("1234567", true),
            ("123456789012345", true),
            ("123456", false),
            ("1234567890123456", false),
            ("1234567a", false),
            ("alice", false),
        ] {
            assert_eq!(is_e164(text), e164, "{text}");
        }
    }
}

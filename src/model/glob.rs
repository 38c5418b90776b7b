//! Patterns with wildcards, as the list of queues is searched with (contract rest.md §1.7): `*` is any
//! text, `?` any character, `[a-z]` one of a class, `[^a-z]` none of it, `\` takes the next
//! character as it is. Everything else stands for itself.

/// A pattern, read once for many texts: a list is long, and reading a class at every character of every
/// name would hold up a server.
#[derive(Clone, Debug)]
pub struct Glob(Vec<Piece>);

#[derive(Clone, Debug)]
enum Piece {
    Star,
    Any,
    Literal(char),
    Class {
        negated: bool,
        /// First and last character of each.
        ranges: Vec<(char, char)>,
    },
}

impl Glob {
    /// Every text is a pattern.
    pub fn new(pattern: &str) -> Self {
        let pattern: Vec<char> = pattern.chars().collect();
        let (mut pieces, mut rest) = (Vec::new(), &pattern[..]);
        while let Some((piece, after)) = first(rest) {
            pieces.push(piece);
            rest = after;
        }
        Self(pieces)
    }

    /// Whether `text` is what the pattern says. Takes at most the product of both lengths.
    pub fn matches(&self, text: &str) -> bool {
        let text: Vec<char> = text.chars().collect();
        let (mut at, mut place) = (0, 0);
        // The last star met, and where the text went on after it.
        let mut star: Option<(usize, usize)> = None;
        while let Some(c) = text.get(place) {
            match (self.0.get(at), star) {
                (Some(Piece::Star), _) => {
                    at += 1;
                    star = Some((at, place));
                }
                (Some(piece), _) if piece.is(*c) => {
                    at += 1;
                    place += 1;
                }
                // The star takes one character more.
                (_, Some((after, from))) => {
                    (at, place) = (after, from + 1);
                    star = Some((after, from + 1));
                }
                (_, None) => return false,
            }
        }
        self.0.iter().skip(at).all(|piece| matches!(piece, Piece::Star))
    }
}

impl Piece {
    /// Whether it stands for this one character.
    fn is(&self, c: char) -> bool {
        match self {
            Self::Star => false,
            Self::Any => true,
            Self::Literal(literal) => *literal == c,
            Self::Class { negated, ranges } => {
                ranges.iter().any(|(from, to)| (*from..=*to).contains(&c)) != *negated
            }
        }
    }
}

/// The first piece of a pattern, and what follows it.
fn first(pattern: &[char]) -> Option<(Piece, &[char])> {
    match pattern {
        [] => None,
        ['*', rest @ ..] => Some((Piece::Star, rest)),
        ['?', rest @ ..] => Some((Piece::Any, rest)),
        // One that is never closed is a bracket like any other character.
        ['[', rest @ ..] => Some(class(rest).unwrap_or((Piece::Literal('['), rest))),
        ['\\', literal, rest @ ..] | [literal, rest @ ..] => Some((Piece::Literal(*literal), rest)),
    }
}

/// The class that begins after its `[`, and what follows its `]`.
fn class(pattern: &[char]) -> Option<(Piece, &[char])> {
    let (negated, mut rest) = match pattern {
        ['^', rest @ ..] => (true, rest),
        rest => (false, rest),
    };
    let mut ranges = Vec::new();
    loop {
        let (range, after) = match rest {
            [] => return None,
            [']', after @ ..] => return Some((Piece::Class { negated, ranges }, after)),
            ['\\', literal, after @ ..] => ((*literal, *literal), after),
            [from, '-', to, after @ ..] if *to != ']' => ((*from, *to), after),
            [literal, after @ ..] => ((*literal, *literal), after),
        };
        ranges.push(range);
        rest = after;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_stand_for_what_they_should() {
        for (pattern, yes, no) in [
            ("sales", &["sales"][..], &["sale", "sales2", "Sales", ""][..]),
            ("sales*", &["sales", "sales-eu"], &["sale", "a sales"]),
            ("*", &["", "a", "äö"], &[]),
            ("*a*b", &["ab", "xaxb", "aab b"], &["ba", "abc"]),
            ("s?les", &["sales", "süles"], &["sles", "saales"]),
            ("q[0-9]", &["q0", "q7"], &["q", "qa", "q10"]),
            ("q[^0-9]", &["qa"], &["q1", "q"]),
            ("q[ab-]", &["qa", "q-"], &["qc"]),
            ("q[", &["q["], &["q"]),
            ("q[]x", &[], &["qx", "q"]),
            (r"a\*", &["a*"], &["ab"]),
            (r"a\", &[r"a\"], &["a"]),
            ("", &[""], &["a"]),
        ] {
            for text in yes {
                assert!(Glob::new(pattern).matches(text), "{pattern} is not {text}");
            }
            for text in no {
                assert!(!Glob::new(pattern).matches(text), "{pattern} is {text}");
            }
        }
    }

    #[test]
    fn many_stars_do_not_take_forever() {
        let pattern = "*a".repeat(200) + "b";
        assert!(!Glob::new(&pattern).matches(&"a".repeat(2_000)));
    }

    #[test]
    fn brackets_that_are_never_closed_do_not_take_forever() {
        let pattern = format!("*{}x", "[".repeat(2_000));
        assert!(!Glob::new(&pattern).matches(&"[".repeat(4_000)));
    }
}

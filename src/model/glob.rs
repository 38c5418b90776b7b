//! Patterns with wildcards, as the list of queues is searched with (contract rest.md §1.7): `*` is any
//! text, `?` any character, `[a-z]` one of a class, `[^a-z]` none of it, `\` takes the next
//! character as it is. Everything else stands for itself.

/// Whether `text` is what `pattern` says. Takes at most the product of both lengths.
pub fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) =
        (pattern.chars().collect(), text.chars().collect());
    let (mut at, mut place) = (0, 0);
    // The last star met, and where the text went on after it.
    let mut star: Option<(usize, usize)> = None;
    while let Some(c) = text.get(place) {
        let rest = pattern.get(at..).unwrap_or_default();
        if rest.first() == Some(&'*') {
            at += 1;
            star = Some((at, place));
        } else if let Some(taken) = one(rest, *c) {
            at += taken;
            place += 1;
        } else if let Some((after, from)) = star {
            // The star takes one character more.
            (at, place) = (after, from + 1);
            star = Some((after, from + 1));
        } else {
            return false;
        }
    }
    pattern.get(at..).unwrap_or_default().iter().all(|c| *c == '*')
}

/// How much of the pattern stands for the character `c`; `None` when it does not.
fn one(pattern: &[char], c: char) -> Option<usize> {
    match pattern {
        [] => None,
        ['?', ..] => Some(1),
        ['\\', literal, ..] => (*literal == c).then_some(2),
        ['[', rest @ ..] => match class(rest, c) {
            Some((is_in, length)) => is_in.then_some(length + 1),
            // Never closed: a bracket like any other character.
            None => (c == '[').then_some(1),
        },
        [literal, ..] => (*literal == c).then_some(1),
    }
}

/// Whether `c` is in the class that begins after its `[`, and the length of that with the `]`.
fn class(pattern: &[char], c: char) -> Option<(bool, usize)> {
    let negated = matches!(pattern, ['^', ..]);
    let (mut at, mut found) = (usize::from(negated), false);
    loop {
        let rest = pattern.get(at..)?;
        let taken = match rest {
            [] => return None,
            [']', ..] => return Some((found != negated, at + 1)),
            ['\\', literal, ..] => {
                found |= *literal == c;
                2
            }
            [from, '-', to, ..] if *to != ']' => {
                found |= (*from..=*to).contains(&c);
                3
            }
            [literal, ..] => {
                found |= *literal == c;
                1
            }
        };
        at += taken;
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
                assert!(matches(pattern, text), "{pattern} is not {text}");
            }
            for text in no {
                assert!(!matches(pattern, text), "{pattern} is {text}");
            }
        }
    }

    #[test]
    fn many_stars_do_not_take_forever() {
        let pattern = "*a".repeat(200) + "b";
        assert!(!matches(&pattern, &"a".repeat(2_000)));
    }
}

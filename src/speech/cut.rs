//! Where a long text may be cut so that nobody hears it: at the end of a sentence, else of a word.

/// Characters of one piece, about a minute of speech.
pub(super) const PIECE_CHARS: usize = 900;

/// The byte at which to cut so that at most `limit` characters stand before it; `None` if all of
/// `text` fits. `Some(0)`: there is no good place that early.
pub(super) fn place(text: &str, limit: usize) -> Option<usize> {
    let end = text.char_indices().nth(limit)?.0;
    let (mut sentence, mut word) = (None, None);
    let mut before = ' ';
    for (at, c) in text.char_indices().take_while(|(at, _)| *at <= end) {
        if at > 0 && (ends_sentence(before) && c.is_whitespace() || is_full_stop(before)) {
            sentence = Some(at);
        }
        if c == '\n' && before == '\n' {
            sentence = Some(at);
        }
        if c.is_whitespace() {
            word = Some(at);
        }
        before = c;
    }
    Some(sentence.or(word).unwrap_or(0))
}

/// Followed by white space it ends a sentence; `3.14` and `example.com` go on.
fn ends_sentence(c: char) -> bool {
    matches!(c, '.' | '!' | '?' | '…' | '؟' | '۔' | '।')
}

/// Ends a sentence whatever follows.
fn is_full_stop(c: char) -> bool {
    matches!(c, '。' | '！' | '？' | '｡')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn before(text: &str, limit: usize) -> Option<&str> {
        place(text, limit).map(|at| &text[..at])
    }

    #[test]
    fn a_text_is_cut_behind_its_last_sentence_that_fits() {
        for (text, limit, first) in [
            ("One. Two. Three.", 16, None),
            ("One. Two. Three.", 15, Some("One. Two.")),
            ("One. Two. Three.", 9, Some("One. Two.")),
            ("One. Two. Three.", 8, Some("One.")),
            ("Pi is 3.14 and example.com is a name", 20, Some("Pi is 3.14 and")),
            ("Really? Yes! No", 12, Some("Really? Yes!")),
            ("一。二。三。四", 5, Some("一。二。")),
            ("ما اسمك؟ أنا علي", 10, Some("ما اسمك؟")),
            ("first\n\nsecond third", 12, Some("first\n")),
            ("nothing to cut at", 9, Some("nothing")),
            ("unbreakable", 5, Some("")),
        ] {
            assert_eq!(before(text, limit), first, "{text:?} at {limit}");
        }
    }
}

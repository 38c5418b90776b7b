//! A text in the pieces in which it is spoken: each short enough to be made in a moment, played one
//! behind the other without a gap.

use super::cut::{PIECE_CHARS, place};
use super::ssml::{self, Token};

/// What the engine is given at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    pub text: String,
    /// Markup, with nothing in it but what [`ssml`] lets through.
    pub is_markup: bool,
}

/// Cuts a text near 900 characters, at the ends of sentences if there are any. Empty if there is
/// nothing to say. Elements that are open where markup is cut go on in the next piece.
pub fn pieces(text: &str) -> Vec<Piece> {
    if ssml::is_markup(text) { marked(text) } else { plain(text) }
}

fn plain(text: &str) -> Vec<Piece> {
    let text = tamed(text);
    let mut pieces = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        let (piece, behind) = rest.split_at(cut(rest, PIECE_CHARS).unwrap_or(rest.len()));
        if says_something(piece) {
            pieces.push(Piece { text: piece.trim().to_owned(), is_markup: false });
        }
        rest = behind.trim_start();
    }
    pieces
}

fn marked(text: &str) -> Vec<Piece> {
    let mut writer = Writer::default();
    for token in ssml::read(text) {
        match token {
            Token::Text(text) => writer.text(&tamed(&text)),
            Token::Open(name, tag) => {
                writer.body.push_str(&tag);
                writer.open.push((name, tag));
            }
            Token::Close(name) => {
                writer.body.push_str(&format!("</{name}>"));
                writer.open.pop();
            }
            Token::Empty(tag) => {
                writer.body.push_str(&tag);
                writer.is_heard = true;
            }
        }
    }
    writer.finish()
}

#[derive(Default)]
struct Writer {
    pieces: Vec<Piece>,
    body: String,
    /// Characters in `body` that are spoken.
    chars: usize,
    /// There is something in `body` that takes time.
    is_heard: bool,
    open: Vec<(&'static str, String)>,
}

impl Writer {
    fn text(&mut self, text: &str) {
        let mut rest = text;
        while let Some(at) = place(rest, PIECE_CHARS.saturating_sub(self.chars)) {
            // A text without a good place goes on in the next piece, or is cut anywhere.
            let at = if at == 0 && self.chars == 0 { byte_at(rest, PIECE_CHARS) } else { at };
            let (part, behind) = rest.split_at(at);
            self.append(part);
            self.turn_over();
            rest = behind.trim_start();
        }
        self.append(rest);
    }

    fn append(&mut self, text: &str) {
        self.body.push_str(&ssml::escaped(text));
        self.chars += text.chars().count();
        self.is_heard |= says_something(text);
    }

    /// Ends this piece and begins the next one inside the same elements.
    fn turn_over(&mut self) {
        let mut body = std::mem::take(&mut self.body);
        for (name, _) in self.open.iter().rev() {
            body.push_str(&format!("</{name}>"));
        }
        self.body = self.open.iter().map(|(_, tag)| tag.as_str()).collect();
        self.chars = 0;
        if std::mem::take(&mut self.is_heard) {
            self.pieces.push(Piece { text: format!("<speak>{body}</speak>"), is_markup: true });
        }
    }

    fn finish(mut self) -> Vec<Piece> {
        self.turn_over();
        self.pieces
    }
}

fn cut(text: &str, limit: usize) -> Option<usize> {
    match place(text, limit)? {
        0 => Some(byte_at(text, limit)),
        at => Some(at),
    }
}

fn byte_at(text: &str, chars: usize) -> usize {
    text.char_indices().nth(chars).map_or(text.len(), |(at, _)| at)
}

/// Without what the engine takes for orders: control characters, and `[[` before phonemes.
fn tamed(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c == '[' && out.ends_with('[') {
            out.push(' ');
        }
        out.push(if c.is_control() && !matches!(c, '\n' | '\t') { ' ' } else { c });
    }
    out
}

fn says_something(text: &str) -> bool {
    text.chars().any(|c| !c.is_whitespace())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn texts(text: &str) -> Vec<String> {
        pieces(text).into_iter().map(|piece| piece.text).collect()
    }

    #[test]
    fn a_long_text_is_cut_at_sentences() {
        let sentence = "This is a sentence of some length, said again and again. ";
        let text = sentence.repeat(50);
        let pieces = pieces(&text);
        assert_eq!(pieces.len(), 4);
        for piece in &pieces {
            assert!(piece.text.chars().count() <= PIECE_CHARS && piece.text.ends_with("again."));
        }
        let again: Vec<_> = pieces.iter().map(|piece| piece.text.as_str()).collect();
        assert_eq!(again.join(" "), text.trim());
    }

    #[test]
    fn what_says_nothing_makes_no_piece() {
        for text in ["", "  \n ", "<speak></speak>", "<speak> <p> </p></speak>", "\u{1}\u{0}"] {
            assert_eq!(pieces(text), [], "{text:?}");
        }
        assert_eq!(texts("<speak><break time=\"1s\"/></speak>").len(), 1, "a pause is something");
    }

    #[test]
    fn orders_to_the_engine_are_text() {
        assert_eq!(texts("say [[h@l@U]] \u{1}50S"), ["say [ [h@l@U]]  50S"]);
        assert_eq!(texts("a [[[[b"), ["a [ [ [ [b"]);
    }

    #[test]
    fn markup_is_cut_with_its_elements_open() {
        let text = format!(
            "<speak><prosody rate=\"slow\">{}</prosody> the <p>end</p></speak>",
            "Again & again. ".repeat(100)
        );
        let pieces = texts(&text);
        assert_eq!(pieces.len(), 2);
        for piece in &pieces {
            assert!(piece.starts_with("<speak>") && piece.ends_with("</speak>"), "{piece}");
            assert!(piece.contains("<prosody rate=\"slow\">Again &amp; again."), "{piece}");
            assert_eq!(piece.matches("<prosody").count(), piece.matches("</prosody>").count());
        }
        assert!(pieces[1].ends_with("</prosody> the <p>end</p> </speak>"), "{}", pieces[1]);
    }

    proptest! {
        #[test]
        fn no_word_is_lost_and_no_piece_too_long(words in proptest::collection::vec("[a-z]{1,12}[.,]?|[一-三]{1,1000}。?", 0..12)) {
            let text = words.join(" ");
            let pieces = texts(&text);
            prop_assert!(pieces.iter().all(|piece| piece.chars().count() <= PIECE_CHARS));
            let letters = |text: &str| text.chars().filter(|c| !c.is_whitespace()).collect::<String>();
            prop_assert_eq!(letters(&pieces.concat()), letters(&text));
        }

        #[test]
        fn any_markup_is_cut_without_a_panic(text in "(<p>|</p>|<s>|[a-z ]{1,400}|\\. |&|<|.){0,60}") {
            for piece in pieces(&format!("<speak>{text}")) {
                prop_assert!(piece.is_markup);
                prop_assert_eq!(piece.text.matches("<p>").count(), piece.text.matches("</p>").count());
            }
        }
    }
}

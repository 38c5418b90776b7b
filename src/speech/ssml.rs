//! Speech markup (SSML 1.1), read leniently and written anew with nothing but what is known.
//!
//! The engine opens files and runs a shell where `<audio>` tells it to, and the text is a tenant's. So no
//! markup passes as it came: elements that are not in [`KEPT`] are dropped and their text is kept, of
//! those that are, known attributes with plain values. Never a failure: what is no markup is text.

/// One step of a marked-up text. Texts are plain: entities are resolved, nothing is escaped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token {
    Text(String),
    /// The tag as it is written, and the element's name.
    Open(&'static str, String),
    Close(&'static str),
    /// An element without content, as it is written.
    Empty(String),
}

/// Elements that the engine understands and that do no harm, with their attributes.
const KEPT: [(&str, &[&str]); 5] = [
    ("p", &[]),
    ("s", &[]),
    ("emphasis", &["level"]),
    ("prosody", &["rate", "pitch", "volume", "range"]),
    ("say-as", &["interpret-as", "format"]),
];

/// The longest `<break>`: more is a pause, and a verb of its own.
const MAX_BREAK_MS: f64 = 10_000.0;
const MAX_VALUE_CHARS: usize = 24;
/// Open elements at a time; deeper ones are dropped as if they were unknown.
const MAX_DEPTH: usize = 32;

/// Whether a text says of itself that it is markup.
pub(super) fn is_markup(text: &str) -> bool {
    text.trim_start().starts_with("<speak")
}

/// Reads a text. What is opened is closed, in order.
pub(super) fn read(text: &str) -> Vec<Token> {
    let mut reader = Reader::default();
    let mut rest = text;
    while let Some(at) = rest.find('<') {
        let (plain, tail) = rest.split_at(at);
        reader.text(&resolved(plain));
        rest = reader.tag(tail);
    }
    reader.text(&resolved(rest));
    reader.finish()
}

/// Text inside markup.
pub(super) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[derive(Default)]
struct Reader {
    tokens: Vec<Token>,
    open: Vec<&'static str>,
    /// Inside `<sub alias>`, whose own text is not said; so many of them.
    substituted: usize,
}

impl Reader {
    fn text(&mut self, text: &str) {
        if text.is_empty() || self.substituted > 0 {
            return;
        }
        match self.tokens.last_mut() {
            Some(Token::Text(before)) => before.push_str(text),
            _ => self.tokens.push(Token::Text(text.to_owned())),
        }
    }

    /// Takes what `text`, which begins with `<`, begins with; gives the rest.
    fn tag<'a>(&mut self, text: &'a str) -> &'a str {
        for (start, end, is_text) in
            [("<!--", "-->", false), ("<![CDATA[", "]]>", true), ("<?", "?>", false)]
        {
            if let Some(body) = text.strip_prefix(start)
                && let Some((inside, rest)) = body.split_once(end)
            {
                if is_text {
                    self.text(inside);
                }
                return rest;
            }
        }
        let Some(Tag { name, attributes, kind, rest }) = Tag::read(text) else {
            self.text("<");
            return text.get(1..).unwrap_or_default();
        };
        match kind {
            Kind::Close => self.close(name),
            Kind::Open => self.open(name, attributes),
            Kind::Empty => self.empty(name, attributes),
        }
        rest
    }

    fn open(&mut self, name: &str, attributes: &str) {
        if name == "break" {
            self.empty(name, attributes);
        } else if name == "sub" {
            self.empty(name, attributes);
            self.substituted += 1;
        } else if let Some((name, known)) = KEPT.iter().find(|(kept, _)| *kept == name)
            && self.open.len() < MAX_DEPTH
            && self.substituted == 0
        {
            let mut tag = format!("<{name}");
            for attribute in *known {
                let value = value_of(attributes, attribute).map(|value| resolved(&value));
                if let Some(value) = value.filter(|value| is_plain(value)) {
                    tag.push_str(&format!(" {attribute}=\"{value}\""));
                }
            }
            tag.push('>');
            self.open.push(name);
            self.tokens.push(Token::Open(name, tag));
        } else {
            self.between_words(name);
        }
    }

    fn close(&mut self, name: &str) {
        if name == "sub" {
            self.substituted = self.substituted.saturating_sub(1);
        } else if self.substituted == 0
            && let Some(at) = self.open.iter().rposition(|open| *open == name)
        {
            for name in self.open.drain(at..).rev() {
                self.tokens.push(Token::Close(name));
            }
        } else {
            self.between_words(name);
        }
    }

    fn empty(&mut self, name: &str, attributes: &str) {
        match name {
            "break" if self.substituted == 0 => self.tokens.push(Token::Empty(pause(attributes))),
            "sub" => {
                let alias = value_of(attributes, "alias").map(|alias| resolved(&alias));
                self.text(&alias.unwrap_or_default());
            }
            _ => self.between_words(name),
        }
    }

    /// What stood for a line or a sound keeps the words around it apart.
    fn between_words(&mut self, name: &str) {
        if matches!(name, "audio" | "br" | "speak" | "div" | "voice") {
            self.text(" ");
        }
    }

    fn finish(mut self) -> Vec<Token> {
        while let Some(name) = self.open.pop() {
            self.tokens.push(Token::Close(name));
        }
        self.tokens
    }
}

enum Kind {
    Open,
    Close,
    Empty,
}

struct Tag<'a> {
    /// Without its namespace.
    name: &'a str,
    attributes: &'a str,
    kind: Kind,
    rest: &'a str,
}

impl<'a> Tag<'a> {
    /// Reads `<name a="b">`, `</name>` or `<name/>`; `None` if it is none, or has no end.
    fn read(text: &'a str) -> Option<Self> {
        let body = text.strip_prefix('<')?;
        let (body, is_close) = match body.strip_prefix('/') {
            Some(body) => (body, true),
            None => (body, false),
        };
        if !body.starts_with(|c: char| c.is_ascii_alphabetic()) && !body.starts_with('!') {
            return None;
        }
        let end = end_of_tag(body)?;
        let (inside, rest) = (body.get(..end)?, body.get(end + 1..)?);
        let (inside, is_empty) = match inside.strip_suffix('/') {
            Some(inside) => (inside, true),
            None => (inside, false),
        };
        let at = inside.find(|c: char| c.is_whitespace()).unwrap_or(inside.len());
        let (name, attributes) = inside.split_at(at);
        let name = name.rsplit(':').next().unwrap_or(name);
        let kind = match (is_close, is_empty) {
            (true, _) => Kind::Close,
            (false, true) => Kind::Empty,
            (false, false) => Kind::Open,
        };
        Some(Self { name, attributes, kind, rest })
    }
}

/// Where the `>` stands that is not inside quotes.
fn end_of_tag(body: &str) -> Option<usize> {
    let mut quote = None;
    for (at, c) in body.char_indices() {
        match (quote, c) {
            (None, '>') => return Some(at),
            // Not closed before this: a sign for less than.
            (None, '<') => return None,
            (None, '"' | '\'') => quote = Some(c),
            (Some(open), c) if c == open => quote = None,
            _ => {}
        }
    }
    None
}

/// The value of an attribute, as it is written.
fn value_of(attributes: &str, name: &str) -> Option<String> {
    let mut rest = attributes;
    while let Some((key, tail)) = rest.split_once('=') {
        let tail = tail.trim_start();
        let quote = tail.chars().next().filter(|c| matches!(c, '"' | '\''))?;
        let (value, tail) = tail.get(1..)?.split_once(quote)?;
        let key = key.trim();
        if key.rsplit(':').next() == Some(name) {
            return Some(value.to_owned());
        }
        rest = tail;
    }
    None
}

/// Words, numbers and units: `+10%`, `x-slow`, `tts:char`. Nothing that could end an attribute.
fn is_plain(value: &str) -> bool {
    value.len() <= MAX_VALUE_CHARS
        && value.chars().all(|c| c.is_ascii_alphanumeric() || "+-.%:_ ".contains(c))
}

fn pause(attributes: &str) -> String {
    if let Some(ms) = value_of(attributes, "time").as_deref().and_then(milliseconds) {
        return format!("<break time=\"{}ms\"/>", ms.clamp(0.0, MAX_BREAK_MS).round());
    }
    match value_of(attributes, "strength") {
        Some(strength) if is_plain(&strength) => format!("<break strength=\"{strength}\"/>"),
        _ => "<break/>".to_owned(),
    }
}

fn milliseconds(time: &str) -> Option<f64> {
    let time = time.trim();
    let (number, factor) = match time.strip_suffix("ms") {
        Some(number) => (number, 1.0),
        None => (time.strip_suffix('s')?, 1000.0),
    };
    number.trim().parse::<f64>().ok().filter(|ms| ms.is_finite()).map(|ms| ms * factor)
}

/// Text with its entities replaced by what they stand for.
fn resolved(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((plain, tail)) = rest.split_once('&') {
        out.push_str(plain);
        // None is longer than `&#x10ffff;`.
        let entity = tail.split_once(';').filter(|(name, _)| name.len() <= 8);
        match entity.and_then(|(name, behind)| Some((character(name)?, behind))) {
            Some((c, behind)) => {
                out.push(c);
                rest = behind;
            }
            None => {
                out.push('&');
                rest = tail;
            }
        }
    }
    out.push_str(rest);
    out
}

fn character(entity: &str) -> Option<char> {
    match entity {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        "nbsp" => Some(' '),
        _ => {
            let number = entity.strip_prefix('#')?;
            let code = match number.strip_prefix(['x', 'X']) {
                Some(hex) => u32::from_str_radix(hex, 16),
                None => number.parse(),
            };
            code.ok().and_then(char::from_u32)
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(text: &str) -> String {
        let write = |token: Token| match token {
            Token::Text(text) => escaped(&text),
            Token::Open(_, tag) | Token::Empty(tag) => tag,
            Token::Close(name) => format!("</{name}>"),
        };
        read(text).into_iter().map(write).collect()
    }

    #[test]
    fn known_markup_is_kept_and_everything_else_is_its_text() {
        for (text, expected) in [
            ("<speak>Hello</speak>", " Hello "),
            (
                "<speak version=\"1.1\" xml:lang=\"en\"><p>One <s>two</s></p></speak>",
                " <p>One <s>two</s></p> ",
            ),
            (
                "a<break time='1.5s'/>b<break time=\"99s\"/>",
                "a<break time=\"1500ms\"/>b<break time=\"10000ms\"/>",
            ),
            ("<break strength=\"weak\"></break><break/>", "<break strength=\"weak\"/><break/>"),
            (
                "<prosody rate=\"+10%\" onclick=\"x\">fast</prosody>",
                "<prosody rate=\"+10%\">fast</prosody>",
            ),
            ("<prosody rate='1\" x=\"'>q</prosody>", "<prosody>q</prosody>"),
            (
                "<say-as interpret-as=\"characters\">abc</say-as>",
                "<say-as interpret-as=\"characters\">abc</say-as>",
            ),
            ("<sub alias=\"World &amp; Web\">WWW</sub>!", "World &amp; Web!"),
            ("<mstts:express-as style=\"sad\">oh</mstts:express-as>", "oh"),
            ("one<audio src=\"/etc/passwd\"/>two", "one two"),
            ("<audio src='/etc/passwd'>text</audio>", " text "),
            ("<voice name=\"../../x\">who</voice>", " who "),
            ("<phoneme alphabet=\"ipa\" ph=\"x\">tomato</phoneme>", "tomato"),
            ("a<!-- b -->c<?d e?>f<![CDATA[<g>]]>", "acf&lt;g&gt;"),
            ("<!DOCTYPE x [<!ENTITY y SYSTEM \"/x\">]>&y;", "&lt;!DOCTYPE x []&gt;&amp;y;"),
            (
                "1 < 2 &lt; 3 & 4 &amp; 5 &#65;&#x42; &nope;",
                "1 &lt; 2 &lt; 3 &amp; 4 &amp; 5 AB &amp;nope;",
            ),
            (
                "<p>not closed <emphasis level=\"strong\">here",
                "<p>not closed <emphasis level=\"strong\">here</emphasis></p>",
            ),
            ("</p><p>in</s> wrong</p></p> order", "<p>in wrong</p> order"),
            ("cut off <break time=\"1", "cut off &lt;break time=\"1"),
            ("<P>names are as they are</P>", "names are as they are"),
        ] {
            assert_eq!(written(text), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn nothing_but_known_elements_ever_comes_out(
            parts in proptest::collection::vec(
                prop_oneof![
                    Just("<speak>".to_owned()), Just("</speak>".to_owned()), Just("<audio src=\"/x\"".to_owned()),
                    Just("<p>".to_owned()), Just("</p>".to_owned()), Just("<sub alias='<audio>'>".to_owned()),
                    Just("</sub>".to_owned()), Just("<break time='".to_owned()), Just("'/>".to_owned()),
                    Just(">".to_owned()), Just("<".to_owned()), Just("\"".to_owned()), Just("<![CDATA[".to_owned()),
                    Just("]]>".to_owned()), Just("&lt;audio&gt;".to_owned()), ".{0,6}",
                ],
                0..40,
            )
        ) {
            let text: String = parts.concat();
            let out = written(&text);
            let mut rest = out.as_str();
            let mut depth = 0i32;
            while let Some((_, tail)) = rest.split_once('<') {
                let (tag, behind) = tail.split_once('>').expect("tags are complete");
                let name = tag.trim_start_matches('/').split([' ', '/']).next().unwrap();
                prop_assert!(name == "break" || KEPT.iter().any(|(kept, _)| *kept == name), "{out}");
                depth += i32::from(name != "break") * if tag.starts_with('/') { -1 } else { 1 };
                prop_assert!(depth >= 0);
                rest = behind;
            }
            prop_assert_eq!(depth, 0);
        }
    }
}

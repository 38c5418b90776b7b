//! Closed sets of words that stored resources use, spelled the same on the wire, in columns and in
//! the configuration.

macro_rules! words {
    ($($(#[$doc:meta])* $name:ident { $($(#[$of:meta])* $variant:ident = $text:literal),+ $(,)? })+) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
        pub enum $name {
            $($(#[$of])* #[serde(rename = $text)] $variant,)+
        }

        impl $name {
            pub const WORDS: &'static [&'static str] = &[$($text),+];

            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)+
                }
            }

            pub fn parse(text: &str) -> Option<Self> {
                match text {
                    $($text => Some(Self::$variant),)+
                    _ => None,
                }
            }
        }
        impl utoipa::PartialSchema for $name {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
                use utoipa::openapi::schema::{ObjectBuilder, Type};
                let text = ObjectBuilder::new().schema_type(Type::String);
                text.enum_values(Some(Self::WORDS.iter().copied())).into()
            }
        }

        impl utoipa::ToSchema for $name {}
    )+};
}

pub(super) use words;

#[cfg(test)]
mod tests {
    use crate::model::{DigestAlgorithm, Encryption};

    #[test]
    fn a_word_is_the_same_everywhere() {
        for (word, text) in [
            (Encryption::Off, "off"),
            (Encryption::Offered, "offered"),
            (Encryption::Required, "required"),
        ] {
            assert_eq!((word.as_str(), Encryption::parse(text)), (text, Some(word)));
            assert_eq!(serde_json::to_value(word).unwrap(), text);
        }
        assert_eq!(
            serde_json::from_str::<DigestAlgorithm>("\"SHA-256\"").unwrap().as_str(),
            "SHA-256"
        );
        assert_eq!(Encryption::parse("OFF"), None);
        assert_eq!(DigestAlgorithm::parse("md5"), None);
    }
}

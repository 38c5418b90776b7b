//! The numbers by which the mixer knows the tags of members.

use media::mixer::Tag;

use crate::conference::policy::Member;

/// A name has its number as long as a member wears it or speaks to it; then another may have it.
#[derive(Default)]
pub(super) struct Tags(Vec<Option<String>>);

impl Tags {
    /// Whether no member ever had any.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The number of a tag among these members, one of whom has it.
    pub(super) fn number(&mut self, tag: &str, members: &[Member]) -> Tag {
        let known = self.0.iter().position(|name| name.as_deref() == Some(tag));
        let at = known.unwrap_or_else(|| {
            let is_used = |name: &str| {
                let of = |tag: &Option<String>| tag.as_deref() == Some(name);
                members.iter().any(|member| of(&member.tag) || of(&member.speak_only_to))
            };
            for name in &mut self.0 {
                name.take_if(|name| !is_used(name));
            }
            let free = self.0.iter().position(Option::is_none).unwrap_or(self.0.len());
            match self.0.get_mut(free) {
                Some(place) => *place = Some(tag.to_owned()),
                None => self.0.push(Some(tag.to_owned())),
            }
            free
        });
        // There are fewer names than members, twice.
        Tag(u32::try_from(at).unwrap_or(u32::MAX))
    }
}

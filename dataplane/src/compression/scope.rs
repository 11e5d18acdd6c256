//! What may be compressed of an exchange, and why not the rest. Said by the role that has read the head.

macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident = $word:literal;)*) => {
        /// Why something is not compressed.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Why {
            $($(#[$doc])* $name,)*
        }

        impl Why {
            /// Every reason, in the order of its number.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The word for metrics and logs.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => $word,)* }
            }
        }
    };
}

reasons! {
    /// The request has Cookie or Authorization: the lengths of its answer could tell them (BREACH).
    Credentials = "credentials";
    /// The answer sets a cookie.
    SetCookie = "set_cookie";
    /// A rule says so.
    Rule = "rule";
    /// The body has a content coding already.
    Encoded = "encoded";
    /// The body is of a type that is compressed in itself.
    Media = "media";
    /// Plain TCP or a WebSocket: nobody knows what is in it.
    Opaque = "opaque";
    /// The asker does not want the answer compressed: its own rules, or its flag.
    Asker = "asker";
    /// The peer cannot read it.
    Peer = "peer";
    /// It was tried, and too little was gained: it looks random.
    Random = "random";
    /// It comes in pieces so small that nothing is gained.
    Tiny = "tiny";
}

impl Why {
    /// The inverse of `self as u8`.
    pub fn from_u8(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number)).copied()
    }
}

/// What may be compressed of what is said next on one half.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Nothing.
    Nothing(Why),
    /// The head alone: what is said next at once.
    Head(Why),
    /// Everything.
    All,
}

impl Scope {
    /// Why not everything.
    pub const fn why(self) -> Option<Why> {
        match self {
            Self::Nothing(why) | Self::Head(why) => Some(why),
            Self::All => None,
        }
    }
}

/// What an asker says with its opening.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// Of what it says itself.
    pub own: Scope,
    /// Whether the answer may be compressed.
    pub answer_may: bool,
}

impl Terms {
    /// Nothing at all.
    pub const fn nothing(why: Why) -> Self {
        Self { own: Scope::Nothing(why), answer_may: false }
    }

    /// For the rings between cores.
    pub const fn to_u32(self) -> u32 {
        let (kind, why) = match self.own {
            Scope::Nothing(why) => (0, why as u32),
            Scope::Head(why) => (1, why as u32),
            Scope::All => (2, 0),
        };
        kind | (self.answer_may as u32) << 2 | why << 8
    }

    /// The inverse of `to_u32`, for what it wrote.
    pub fn from_u32(word: u32) -> Self {
        let why = Why::from_u8((word >> 8) as u8).unwrap_or(Why::Opaque);
        let own = match word & 3 {
            0 => Scope::Nothing(why),
            1 => Scope::Head(why),
            _ => Scope::All,
        };
        Self { own, answer_may: word & 4 != 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terms_return() {
        for why in Why::ALL {
            assert_eq!(Why::from_u8(*why as u8), Some(*why));
            for own in [Scope::Nothing(*why), Scope::Head(*why), Scope::All] {
                for answer_may in [false, true] {
                    let terms = Terms { own, answer_may };
                    assert_eq!(Terms::from_u32(terms.to_u32()), terms);
                }
            }
        }
    }
}

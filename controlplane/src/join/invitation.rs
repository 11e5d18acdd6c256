//! Invitations: who has one may join, once, until it ends, with roles that it names. The holder keeps them; the guest gets one
//! line that says where the holder is, which key it has, and a secret.

use core::net::SocketAddr;
use dataplane::tmp::key::PublicKey;
use dataplane::tmp::random::Random;
use serde_json::{Value, json};

/// Bytes of an invitation's number.
const ID_BYTES: usize = 8;
/// Bytes of its secret.
pub const SECRET_BYTES: usize = 32;
/// Begins the guest's line.
const WORD: &str = "longhaul-invitation";

/// The number of an invitation, and the name of its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvitationId([u8; ID_BYTES]);

impl InvitationId {
    /// Reads 16 hexadecimal digits, which no path escapes from.
    pub fn read(text: &str) -> Option<Self> {
        hex_bytes(text).map(Self)
    }

    /// The digits.
    pub fn text(&self) -> String {
        hex(&self.0)
    }
}

/// An invitation, as the holder keeps it.
#[derive(Clone, PartialEq, Eq)]
pub struct Invitation {
    /// Which.
    pub id: InvitationId,
    /// What the guest proves.
    pub secret: [u8; SECRET_BYTES],
    /// Roles that it may take.
    pub roles: Vec<String>,
    /// The name that it must take, if one is given.
    pub name: Option<String>,
    /// The key that it must have, if one is given.
    pub key: Option<PublicKey>,
    /// Probes that look at it from then on.
    pub probes: Vec<String>,
    /// Unix seconds of its end.
    pub until_s: u64,
}

impl core::fmt::Debug for Invitation {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Invitation({} for {:?} until {})", self.id.text(), self.roles, self.until_s)
    }
}

impl Invitation {
    /// A new one.
    pub fn new(roles: Vec<String>, until_s: u64, random: &mut dyn Random) -> Self {
        let (mut id, mut secret) = ([0; ID_BYTES], [0; SECRET_BYTES]);
        random.fill(&mut id);
        random.fill(&mut secret);
        Self { id: InvitationId(id), secret, roles, name: None, key: None, probes: Vec::new(), until_s }
    }

    /// As the holder writes it down.
    pub fn to_json(&self) -> String {
        let key = self.key.as_ref().map(PublicKey::to_text);
        let value = json!({ "id": self.id.text(), "secret": hex(&self.secret), "roles": self.roles, "name": self.name,
            "public_key": key, "probes": self.probes, "until": self.until_s });
        format!("{value:#}\n")
    }

    /// Reads that; `None` if it is none.
    pub fn from_json(text: &str) -> Option<Self> {
        let value: Value = serde_json::from_str(text).ok()?;
        let word = |key: &str| value.get(key).and_then(Value::as_str);
        let words = |key: &str| -> Option<Vec<String>> {
            value.get(key)?.as_array()?.iter().map(|word| word.as_str().map(str::to_owned)).collect()
        };
        let key = match word("public_key") {
            Some(text) => Some(PublicKey::from_text(text).ok()?),
            None => None,
        };
        Some(Self {
            id: InvitationId::read(word("id")?)?,
            secret: hex_bytes(word("secret")?)?,
            roles: words("roles")?,
            probes: words("probes")?,
            name: word("name").map(str::to_owned),
            key,
            until_s: value.get("until")?.as_u64()?,
        })
    }
}

/// An invitation, as the guest has it.
#[derive(Clone, PartialEq, Eq)]
pub struct Ticket {
    /// Which.
    pub id: InvitationId,
    /// What the guest proves.
    pub secret: [u8; SECRET_BYTES],
    /// The holder's key.
    pub holder: PublicKey,
    /// Where the holder is, to be tried in order.
    pub at: Vec<SocketAddr>,
}

impl core::fmt::Debug for Ticket {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Ticket({} of {} at {:?})", self.id.text(), self.holder, self.at)
    }
}

impl Ticket {
    /// The guest's line.
    pub fn text(&self) -> String {
        let at: Vec<String> = self.at.iter().map(ToString::to_string).collect();
        format!("{WORD} {} {} {} {}", self.id.text(), hex(&self.secret), self.holder, at.join(","))
    }

    /// Reads it; `None` if it is none.
    pub fn read(text: &str) -> Option<Self> {
        let [WORD, id, secret, holder, at] = text.split_whitespace().collect::<Vec<_>>()[..] else {
            return None;
        };
        let at = at.split(',').map(|at| at.parse().ok()).collect::<Option<Vec<_>>>()?;
        Some(Self {
            id: InvitationId::read(id)?,
            secret: hex_bytes(secret)?,
            holder: PublicKey::from_text(holder).ok()?,
            at,
        })
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn hex_bytes<const N: usize>(text: &str) -> Option<[u8; N]> {
    if text.len() != 2 * N || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let mut bytes = [0; N];
    for (place, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * place..2 * place + 2)?, 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use dataplane::tmp::key::PrivateKey;
    use dataplane::tmp::random::PredictableRandom;

    #[test]
    fn both_sides_of_an_invitation_come_back_as_they_went() {
        let mut random = PredictableRandom::new(3);
        let key = PrivateKey::generate(&mut random).public();
        let mut invitation =
            Invitation::new(vec!["front".into(), "probe".into()], 1_800_000_000, &mut random);
        assert_eq!(Invitation::from_json(&invitation.to_json()).as_ref(), Some(&invitation));
        (invitation.name, invitation.key) = (Some("fra2".into()), Some(key));
        invitation.probes = vec!["web".into()];
        assert_eq!(Invitation::from_json(&invitation.to_json()).as_ref(), Some(&invitation));
        let at = vec!["192.0.2.1:7355".parse().unwrap(), "[2001:db8::1]:7355".parse().unwrap()];
        let ticket = Ticket { id: invitation.id, secret: invitation.secret, holder: key, at };
        assert_eq!(Ticket::read(&format!("{}\n", ticket.text())).as_ref(), Some(&ticket));
        let secret = hex(&ticket.secret);
        assert!(!format!("{ticket:?} {invitation:?}").contains(&secret), "secrets are not shown");
    }

    #[test]
    fn what_is_none_is_none() {
        let text = Invitation::new(Vec::new(), 1, &mut PredictableRandom::new(3)).to_json();
        for wrong in
            ["", "{}", "[1]", &text.replace("roles", "rolls"), &text.replace("\"until\": 1", "\"until\": -1")]
        {
            assert!(Invitation::from_json(wrong).is_none(), "{wrong}");
        }
        for wrong in ["", "longhaul-invitation a b c d", "x 0011223344556677 00 00 192.0.2.1:1"] {
            assert!(Ticket::read(wrong).is_none(), "{wrong}");
        }
        assert!(
            InvitationId::read("../../etc/passw").is_none()
                && InvitationId::read("é0112233445566é").is_none()
        );
    }
}

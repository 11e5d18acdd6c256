//! What is said in the conversation: the guest's request and the holder's answer, as JSON, and how long texts are cut into
//! messages: the first four bytes of a text are its length.

use core::net::{IpAddr, SocketAddr};
use serde_json::{Value, json};

/// Names the use of the conversation, and its version.
pub const LABEL: &[u8] = b"longhaul join 1";
/// Bytes of a request at most.
pub const REQUEST_BYTES_MAX: usize = 16 << 10;
/// Bytes of an answer at most: a tree of ten thousand sites.
pub const ANSWER_BYTES_MAX: usize = 16 << 20;
/// Addresses of a list at most.
const LIST_MAX: usize = 16;
/// Bytes of a text at most.
const TEXT_BYTES_MAX: usize = 200;

/// Who wants to join.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Request {
    /// The name that it wants.
    pub name: String,
    /// The roles that it wants.
    pub roles: Vec<String>,
    /// Where it stands.
    pub pop: Option<String>,
    /// Its public addresses.
    pub addresses: Vec<IpAddr>,
    /// Where it listens for users, as a front-end.
    pub listen: Vec<String>,
    /// Where it listens for tunnels, as a back-end.
    pub listen_tunnels: Vec<SocketAddr>,
    /// The name that is its own, as a front-end.
    pub url: Option<String>,
    /// The file with its private key, on itself.
    pub key: String,
}

impl Request {
    /// As it is sent.
    pub fn to_json(&self) -> String {
        let Self { name, roles, pop, addresses, listen, listen_tunnels, url, key } = self;
        let texts = |all: Vec<String>| all;
        json!({
            "name": name, "roles": roles, "pop": pop, "listen": listen, "url": url, "key": key,
            "addresses": texts(addresses.iter().map(ToString::to_string).collect()),
            "listen_tunnels": texts(listen_tunnels.iter().map(ToString::to_string).collect()),
        })
        .to_string()
    }

    /// Reads it, within bounds; else what is wrong with it.
    pub fn from_json(text: &[u8]) -> Result<Self, String> {
        let value: Value = serde_json::from_slice(text).map_err(|_| "the request is no JSON".to_owned())?;
        let fits = |text: &&str| text.len() <= TEXT_BYTES_MAX && !text.chars().any(char::is_control);
        let wrong = |key: &str| format!("the request has a wrong {key}");
        let word = |key: &str| match value.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(text) => {
                text.as_str().filter(fits).map(|text| Some(text.to_owned())).ok_or_else(|| wrong(key))
            }
        };
        let words = |key: &str| -> Result<Vec<String>, String> {
            let all = value.get(key).and_then(Value::as_array).filter(|all| all.len() <= LIST_MAX);
            let all = all.ok_or_else(|| wrong(key))?;
            all.iter()
                .map(|one| one.as_str().filter(fits).map(str::to_owned).ok_or_else(|| wrong(key)))
                .collect()
        };
        fn parsed<T: core::str::FromStr>(words: Vec<String>, wrong: String) -> Result<Vec<T>, String> {
            words.iter().map(|word| word.parse().map_err(|_| wrong.clone())).collect()
        }
        Ok(Self {
            name: word("name")?.ok_or_else(|| wrong("name"))?,
            roles: words("roles")?,
            pop: word("pop")?,
            addresses: parsed(words("addresses")?, wrong("addresses"))?,
            listen: words("listen")?,
            listen_tunnels: parsed(words("listen_tunnels")?, wrong("listen_tunnels"))?,
            url: word("url")?,
            key: word("key")?.ok_or_else(|| wrong("key"))?,
        })
    }
}

/// What the holder says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It is in the tree.
    Joined(Joined),
    /// It is not, and why.
    Refused(String),
}

/// What a machine needs that has joined.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Joined {
    /// The tree.
    pub tree: String,
    /// The file of its key of reports, by name and text, if the network has one.
    pub report_key: Option<(String, String)>,
    /// The file of the secret of all pairs, likewise.
    pub psk: Option<(String, String)>,
}

impl Answer {
    /// As it is sent.
    pub fn to_json(&self) -> String {
        match self {
            Self::Refused(why) => json!({ "refused": why }).to_string(),
            Self::Joined(Joined { tree, report_key, psk }) => {
                json!({ "tree": tree, "report_key": report_key, "psk": psk }).to_string()
            }
        }
    }

    /// Reads it; `None` if it is none.
    pub fn from_json(text: &[u8]) -> Option<Self> {
        let value: Value = serde_json::from_slice(text).ok()?;
        if let Some(why) = value.get("refused") {
            return why.as_str().map(|why| Self::Refused(why.to_owned()));
        }
        let file = |key: &str| match value.get(key).and_then(Value::as_array).map(Vec::as_slice) {
            Some([name, text]) => Some((name.as_str()?.to_owned(), text.as_str()?.to_owned())),
            _ => None,
        };
        let tree = value.get("tree")?.as_str()?.to_owned();
        Some(Self::Joined(Joined { tree, report_key: file("report_key"), psk: file("psk") }))
    }
}

/// A text's pieces, each of `most` bytes at most, its length before it.
pub fn pieces(text: &str, most: usize) -> Vec<Vec<u8>> {
    let whole = [&(text.len() as u32).to_be_bytes()[..], text.as_bytes()].concat();
    whole.chunks(most).map(<[u8]>::to_vec).collect()
}

/// A text is longer than it may be, or than it said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLong;

/// Puts pieces together.
#[derive(Debug)]
pub struct Gathering {
    bytes: Vec<u8>,
    most: usize,
}

impl Gathering {
    /// For a text of at most so many bytes.
    pub fn new(most: usize) -> Self {
        Self { bytes: Vec::new(), most }
    }

    /// Takes a piece; the text once it is whole. An error if it becomes too long, or is longer than it said.
    pub fn take(&mut self, piece: &[u8]) -> Result<Option<&[u8]>, TooLong> {
        self.bytes.extend_from_slice(piece);
        let Some((length, text)) = self.bytes.split_first_chunk() else { return Ok(None) };
        let length = u32::from_be_bytes(*length) as usize;
        match text.len() {
            _ if length > self.most => Err(TooLong),
            got if got > length => Err(TooLong),
            got => Ok((got == length).then_some(text)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request() -> Request {
        Request {
            name: "fra2".into(),
            roles: vec!["front".into()],
            pop: Some("fra".into()),
            addresses: vec!["192.0.2.1".parse().unwrap(), "2001:db8::1".parse().unwrap()],
            listen: vec!["0.0.0.0:80,proxy".into()],
            listen_tunnels: vec!["0.0.0.0:7000".parse().unwrap()],
            url: None,
            key: "fra2.key".into(),
        }
    }

    #[test]
    fn requests_and_answers_come_back_as_they_went() {
        assert_eq!(Request::from_json(request().to_json().as_bytes()), Ok(request()));
        let joined = Joined { tree: "a = 1\n".into(), report_key: Some(("a".into(), "b".into())), psk: None };
        for answer in [Answer::Refused("no".into()), Answer::Joined(joined)] {
            assert_eq!(Answer::from_json(answer.to_json().as_bytes()), Some(answer));
        }
    }

    #[test]
    fn what_is_wrong_in_a_request_is_named() {
        let good = request().to_json();
        for (old, new, due) in [
            ("{", "", "no JSON"),
            ("\"fra2\"", "7", "name"),
            ("\"fra\"", "\"f\\n\"", "pop"),
            ("[\"front\"]", "\"front\"", "roles"),
            ("192.0.2.1", "192.0.2", "addresses"),
            ("0.0.0.0:7000", "x", "listen_tunnels"),
        ] {
            let wrong = Request::from_json(good.replacen(old, new, 1).as_bytes()).unwrap_err();
            assert!(wrong.contains(due), "{new}: {wrong}");
        }
        let many = Request { roles: vec!["front".into(); LIST_MAX + 1], ..request() };
        assert!(Request::from_json(many.to_json().as_bytes()).is_err());
        let long = Request { name: "x".repeat(TEXT_BYTES_MAX + 1), ..request() };
        assert!(Request::from_json(long.to_json().as_bytes()).is_err());
    }

    #[test]
    fn pieces_are_put_together_within_bounds() {
        let text = "x".repeat(1_000);
        for most in [1, 3, 4, 5, 999, 1_004, 5_000] {
            let mut gathering = Gathering::new(1_000);
            let pieces = pieces(&text, most);
            let (last, before) = pieces.split_last().unwrap();
            assert!(before.iter().all(|piece| gathering.take(piece) == Ok(None)));
            assert_eq!(gathering.take(last), Ok(Some(text.as_bytes())));
        }
        let mut gathering = Gathering::new(999);
        assert_eq!(gathering.take(&pieces(&text, 5_000)[0]), Err(TooLong));
        let mut gathering = Gathering::new(9);
        assert_eq!(gathering.take(&[0, 0, 0, 1, 7, 7]), Err(TooLong));
        assert_eq!(Gathering::new(9).take(&pieces("", 9)[0]), Ok(Some(&[][..])));
    }
}

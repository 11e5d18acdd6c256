//! The numbers of the protocol by their names: types, classes, response codes, extended errors.
//!
//! Source: the IANA registries "Domain Name System (DNS) Parameters". Types are plain numbers here, because any number may
//! be asked for; text forms come from the `domain` crate.

use domain::base::iana::Rtype;

/// Types of records.
pub mod rtype {
    /// An IPv4 address.
    pub const A: u16 = 1;
    /// A name server.
    pub const NS: u16 = 2;
    /// An alias.
    pub const CNAME: u16 = 5;
    /// The start of a zone.
    pub const SOA: u16 = 6;
    /// A pointer.
    pub const PTR: u16 = 12;
    /// A host's kind; what ANY is answered with (RFC 8482).
    pub const HINFO: u16 = 13;
    /// A mail exchanger.
    pub const MX: u16 = 15;
    /// Text.
    pub const TXT: u16 = 16;
    /// An IPv6 address.
    pub const AAAA: u16 = 28;
    /// A service.
    pub const SRV: u16 = 33;
    /// Another name for a tree of names; not served (it would need synthesis).
    pub const DNAME: u16 = 39;
    /// The pseudo record of EDNS(0).
    pub const OPT: u16 = 41;
    /// A delegation's signer, which the parent answers for.
    pub const DS: u16 = 43;
    /// Where and how a service is reached.
    pub const SVCB: u16 = 64;
    /// The same for HTTPS.
    pub const HTTPS: u16 = 65;
    /// A transaction's signature.
    pub const TSIG: u16 = 250;
    /// An incremental transfer.
    pub const IXFR: u16 = 251;
    /// A transfer of a whole zone.
    pub const AXFR: u16 = 252;
    /// All types.
    pub const ANY: u16 = 255;
    /// Certification authorities.
    pub const CAA: u16 = 257;
    /// Not a type on the wire (reserved by IANA): marks a name that a policy answers for, inside the catalog only.
    pub const POLICY: u16 = 65_535;
}

/// Class IN.
pub const CLASS_IN: u16 = 1;
/// Class CH, in which servers tell about themselves.
pub const CLASS_CHAOS: u16 = 3;

/// How a request ended (RFC 1035 §4.1.1, RFC 6895 §2.3). Values over 15 need EDNS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResponseCode {
    /// Answered, perhaps with nothing.
    NoError = 0,
    /// The request could not be read.
    FormErr = 1,
    /// We could not do our part.
    ServFail = 2,
    /// The name does not exist.
    NxDomain = 3,
    /// Not something that we do.
    NotImp = 4,
    /// Not something that we do for you.
    Refused = 5,
    /// Signed with a key that we do not have.
    NotAuth = 9,
    /// A version of EDNS that we do not speak.
    BadVers = 16,
    /// Ask again with this cookie.
    BadCookie = 23,
}

impl ResponseCode {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 9] = [
        Self::NoError,
        Self::FormErr,
        Self::ServFail,
        Self::NxDomain,
        Self::NotImp,
        Self::Refused,
        Self::NotAuth,
        Self::BadVers,
        Self::BadCookie,
    ];

    /// The field's name for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::NoError => "NOERROR",
            Self::FormErr => "FORMERR",
            Self::ServFail => "SERVFAIL",
            Self::NxDomain => "NXDOMAIN",
            Self::NotImp => "NOTIMP",
            Self::Refused => "REFUSED",
            Self::NotAuth => "NOTAUTH",
            Self::BadVers => "BADVERS",
            Self::BadCookie => "BADCOOKIE",
        }
    }

    /// Its place in [`ALL`](Self::ALL).
    pub fn index(self) -> usize {
        Self::ALL.iter().position(|code| *code == self).unwrap_or(0)
    }
}

/// Why, in more words than the response code has (RFC 8914).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExtendedError {
    /// Something else; the text says what.
    Other = 0,
    /// The answer is older than it should be.
    StaleAnswer = 3,
    /// The answer was made for a policy's reasons.
    Forged = 4,
    /// We were told not to.
    Prohibited = 18,
    /// We do not answer for this name.
    NotAuthoritative = 20,
    /// We do not do this.
    NotSupported = 21,
    /// There is nothing that we could say.
    NoReachableAuthority = 22,
}

/// A type as text: `AAAA`, `TYPE1234`.
pub fn type_name(rtype: u16) -> String {
    Rtype::from_int(rtype).to_string()
}

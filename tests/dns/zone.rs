//! A zone with one of everything.

/// Its text; the apex is `example.test`.
pub(crate) const TEXT: &str = r#"$TTL 300
@       SOA   ns1 hostmaster 7 3600 600 86400 60
@       NS    ns1
@       NS    ns2.elsewhere.test.
@       MX    10 mail
@       MX    20 mail.elsewhere.test.
@       TXT   "v=spf1 -all" "two"
@       CAA   0 issue "ca.example"
@       HTTPS 1 . alpn=h2,h3 ipv4hint=192.0.2.1
@       A     192.0.2.1
ns1     A     192.0.2.53
ns1     AAAA  2001:db8::53
mail    A     192.0.2.25
www     A     192.0.2.80
www     A     192.0.2.81
www     AAAA  2001:db8::80
svc     SVCB  1 www port=8443
alias   CNAME www
chain   CNAME alias
out     CNAME www.elsewhere.test.
gone    CNAME nowhere
to-wild CNAME x.wild
to-kid  CNAME www.kid
*.wild  A     192.0.2.99
*.wild  TXT   "wild"
*.wild  MX    5 mail
a.b.wild A    192.0.2.98
*.walias CNAME www
_sip._tcp SRV 1 2 5060 www
ptr     PTR   www
kid     NS    ns.kid
kid     NS    ns1
ns.kid  A     192.0.2.54
ns.kid  AAAA  2001:db8::54
far     NS    ns.elsewhere.test.
deep.empty.under A 192.0.2.7
big     TXT   "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789"
big     TXT   "1123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789"
big     TXT   "2123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789"
big     TXT   "3123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789"
big     TXT   "4123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789"
"#;

/// Labels that names are made of: those of the zone, and some that lead nowhere.
pub(crate) const LABELS: &[&str] = &[
    "ns1", "mail", "www", "svc", "alias", "chain", "out", "gone", "to-wild", "to-kid", "wild", "*", "a", "b",
    "walias", "_sip", "_tcp", "ptr", "kid", "ns", "far", "deep", "empty", "under", "big", "nowhere", "x",
    "WwW",
];

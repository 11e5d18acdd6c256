//! Tests of the access record: what is encoded comes back, what is too long is cut and flagged, bytes of any
//! other kind are refused without a panic.

use super::*;
use crate::access::outcome::{Refusal, Wait};
use crate::access::record::{Decision, Timings};
use proptest::prelude::*;

fn full() -> AccessRecord<'static> {
    AccessRecord {
        site: b"www.example.org",
        method: b"GET",
        target: b"/a?b=c",
        version: Version::Http11,
        status: 200,
        request_body_bytes: 7,
        response_body_bytes: 1 << 40,
        saved_bytes: 1 << 33,
        class: 4,
        route: b"transatlantic",
        redirected_to: b"nyc1",
        origin: b"origin-1",
        origin_address: Some("[2001:db8::1]:8080".parse().unwrap()),
        timings: Timings {
            queue_us: Some(0),
            tunnel_us: None,
            origin_first_byte_us: Some(1_500),
            total_us: Some(99),
        },
        ended: Ended::TimedOut(Wait::OriginBody),
        decision: Decision {
            id: u64::MAX,
            rule: Rule::SiteWildcard,
            attempts: 2,
            reroutes: 1,
            connection_reused: true,
            compress: Some(false),
            cache: None,
        },
        ..AccessRecord::blank(1_700_000_000_123, 3, Kind::Http, "192.0.2.1:5555".parse().unwrap())
    }
}

#[test]
fn a_record_comes_back_as_it_went() {
    let mut slot = [0xaa; SLOT_BYTES];
    let used = full().encode(&mut slot);
    assert_eq!(AccessRecord::decode(&slot[..used]), Some(full()));
}

#[test]
fn every_ending_comes_back() {
    let plain = [
        Ended::Complete,
        Ended::ClientAborted,
        Ended::OriginUnreachable,
        Ended::OriginInvalid,
        Ended::OriginTruncated,
        Ended::TunnelLost,
        Ended::Stopped,
    ];
    let waits = Wait::ALL.iter().map(|wait| Ended::TimedOut(*wait));
    let refusals = Refusal::ALL.iter().map(|refusal| Ended::Refused(*refusal));
    for ended in plain.into_iter().chain(waits).chain(refusals) {
        assert_eq!(Ended::from_codes(ended.codes()), Some(ended));
    }
}

#[test]
fn what_is_too_long_is_cut_and_said_so() {
    let long = [b'x'; 4096];
    let mut slot = [0; SLOT_BYTES];
    let record = AccessRecord {
        site: &long,
        method: &long,
        target: &long,
        route: &long,
        origin: &long,
        class_rule: &long,
        redirected_to: &long,
        ..full()
    };
    let used = record.encode(&mut slot);
    assert_eq!(used, SLOT_BYTES);
    let back = AccessRecord::decode(&slot).unwrap();
    assert!(back.target_cut && back.text_cut);
    assert_eq!((back.site.len(), back.target.len()), (SITE_BYTES_MAX, TARGET_BYTES_MIN));
}

#[test]
fn a_long_target_takes_the_room_that_others_leave() {
    let long = [b'x'; 4096];
    let mut slot = [0; SLOT_BYTES];
    let used = AccessRecord { target: &long, ..full() }.encode(&mut slot);
    let back = AccessRecord::decode(&slot[..used]).unwrap();
    assert!(back.target_cut && !back.text_cut && back.target.len() > TARGET_BYTES_MIN);
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..SLOT_BYTES)) {
        let _ = AccessRecord::decode(&bytes);
    }

    #[test]
    fn a_damaged_record_never_panics(at in 0..200_usize, byte: u8, cut in 0..200_usize) {
        let mut slot = [0; SLOT_BYTES];
        let used = full().encode(&mut slot);
        slot[at.min(used - 1)] = byte;
        let _ = AccessRecord::decode(&slot[..used - cut.min(used)]);
    }
}

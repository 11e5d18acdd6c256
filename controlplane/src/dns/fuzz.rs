//! What must hold for any bytes that come as a request; the fuzz target and a test call it.

use crate::dns::cookie::{Secret, Secrets};
use crate::dns::engine::{Asked, Engine, Known, Settings, Transport};
use crate::dns::limits::{HEADER_BYTES, MESSAGE_BYTES_MAX, UDP_BYTES_MIN};
use crate::dns::load::{Loading, ZoneSource, ZoneText};
use crate::dns::name::Name;
use crate::dns::policy::steering::Steering;
use crate::dns::rate::Rate;
use crate::dns::subnets::Subnets;
use dataplane::time::Instant;
use domain::base::Message;
use std::cell::RefCell;
use std::sync::Arc;

/// A zone with what makes answers differ.
const ZONE: &str = "$TTL 300\n@ SOA a b 1 1 1 1 1\n@ NS a\na A 192.0.2.1\n@ MX 1 a\nc CNAME d\nd CNAME c\n*.w TXT x\n\
                    k NS n.k\nn.k A 192.0.2.2\nx.y.z A 192.0.2.3\n";

struct Bench {
    engine: Engine,
    catalog: crate::dns::catalog::Catalog,
    steering: Steering,
    out: Vec<u8>,
}

impl Bench {
    fn new() -> Self {
        let apex = Name::from_text("t").unwrap_or(Name::ROOT);
        let mut loading = Loading::default();
        loading.zone(&ZoneSource { apex, text: ZoneText::Inline(ZONE.to_owned(), "zone".to_owned()) });
        let Ok(loaded) = loading.finish() else { panic!("the zone is good") };
        let settings = Settings {
            udp_bytes_max: 1_232,
            nsid: b"n".to_vec(),
            secrets: Some(Secrets { current: Secret([7; 16]), other: None }),
            rate: Rate { per_second: 0, slip: 0 },
            rate_exempt: Subnets::default(),
            rate_key: [1; 16],
            keepalive_ds: 100,
        };
        let engine = Engine::new(Arc::new(settings), Arc::default());
        let steering = Steering::default();
        Self { engine, catalog: loaded.catalog, steering, out: vec![0; MESSAGE_BYTES_MAX] }
    }

    fn hold(&mut self, request: &[u8]) {
        for transport in [Transport::Udp, Transport::Tcp] {
            let asked = Asked {
                message: request,
                from: core::net::IpAddr::V4(core::net::Ipv4Addr::LOCALHOST),
                transport,
                now: Instant::from_us(1),
                unix_s: 1_700_000_000,
            };
            let known = Known { catalog: &self.catalog, steering: &self.steering, generation: 1 };
            let outcome = self.engine.answer(known, &asked, &mut self.out);
            let answer = &self.out[..outcome.bytes];
            if answer.is_empty() {
                assert!(request.len() < HEADER_BYTES || request[2] & 0x80 != 0, "silence has two reasons");
                continue;
            }
            assert!(transport == Transport::Tcp || answer.len() <= 1_232, "no longer than allowed");
            let has_options = answer[11] != 0 || answer[10] != 0;
            assert!(
                transport == Transport::Tcp || has_options || answer.len() <= UDP_BYTES_MIN,
                "no longer than announced"
            );
            assert_eq!(
                (answer[0], answer[1], answer[2] & 0xf8),
                (request[0], request[1], 0x80 | request[2] & 0x78)
            );
            let Ok(message) = Message::from_octets(answer) else { panic!("an answer has a header") };
            assert!(message.iter().all(|record| record.is_ok()), "every record can be read");
        }
    }
}

/// Any bytes as a request, over UDP and over TCP: no panic; silence only where it is due; the answer is a message that
/// another reader takes whole, with the request's id and opcode, no longer than allowed.
pub fn fuzz_request(bytes: &[u8]) {
    thread_local!(static BENCH: RefCell<Bench> = RefCell::new(Bench::new()));
    BENCH.with_borrow_mut(|bench| bench.hold(bytes));
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::path::Path;

    /// The committed corpus and some thousand seeded changes of it.
    #[test]
    fn the_corpus_and_its_neighbours_hold() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus/dns_request");
        let mut seed = 1u64;
        let mut seen = 0;
        for entry in fs::read_dir(folder).unwrap() {
            let input = fs::read(entry.unwrap().path()).unwrap();
            fuzz_request(&input);
            for _ in 0..500 {
                let mut changed = input.clone();
                for _ in 0..1 + seed % 3 {
                    seed =
                        seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                    let length = changed.len().max(1);
                    if let Some(byte) = changed.get_mut((seed >> 33) as usize % length) {
                        *byte = (seed >> 24) as u8;
                    }
                }
                changed.truncate(changed.len().saturating_sub((seed >> 60) as usize));
                fuzz_request(&changed);
            }
            seen += 1;
        }
        assert!(seen >= 10, "the corpus is there");
    }
}

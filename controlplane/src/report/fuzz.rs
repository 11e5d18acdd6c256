//! What must hold for any bytes that come as a report; the fuzz target and a test call it.

use crate::report::key::{CODE_BYTES, ReportKey, Secret};
use crate::report::wire::{ReportWriter, Unproven};

/// Any bytes, once as they are and once signed: no panic; what is not signed is not believed; what is read can be written
/// and is read again as the same.
pub fn fuzz_report(bytes: &[u8]) {
    let key = Secret::new([1; 32]).of_node("fra1");
    if let Some(report) = Unproven::read(bytes) {
        assert!(report.proven(&key).is_none(), "nobody guesses a code");
    }
    let signed = [bytes, key.code(bytes).as_ref()].concat();
    assert_eq!(signed.len(), bytes.len() + CODE_BYTES);
    hold(&signed, &key);
}

fn hold(datagram: &[u8], key: &ReportKey) {
    let Some(report) = Unproven::read(datagram) else { return };
    let Some(entries) = report.proven(key) else { panic!("its code is good") };
    let mut writer = ReportWriter::new(&report.head);
    let read: Vec<_> = entries.map_while(Result::ok).filter(|entry| writer.put(entry)).collect();
    let again = writer.finish(key);
    let Some(entries) = Unproven::read(&again).and_then(|report| report.proven(key)) else {
        panic!("what is written is a report")
    };
    assert!(entries.map_while(Result::ok).eq(read), "what is written is read");
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::path::Path;

    /// The committed corpus and some thousand seeded changes of it.
    #[test]
    fn the_corpus_and_its_neighbours_hold() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus/report");
        let mut random = dataplane::stdx::prng::Prng::new(1);
        let mut seen = 0;
        for entry in fs::read_dir(folder).unwrap() {
            let input = fs::read(entry.unwrap().path()).unwrap();
            fuzz_report(&input);
            for _ in 0..2_000 {
                let mut changed = input.clone();
                for _ in 0..random.between(1, 4) {
                    let length = changed.len().max(1) as u64;
                    if let Some(byte) = changed.get_mut(random.below(length) as usize) {
                        *byte = random.next_u64() as u8;
                    }
                }
                changed.truncate(changed.len() - (random.below(4) as usize).min(changed.len()));
                fuzz_report(&changed);
            }
            seen += 1;
        }
        assert!(seen >= 4, "the corpus is there");
    }
}

//! Every input that a fuzzer was given or has found, through the same bodies that it attacks.
#![cfg(test)]

use std::path::PathBuf;

/// A fuzz target and its body; `fuzz/fuzz_targets` has one file for each.
type Target = (&'static str, fn(&[u8]));

const TARGETS: [Target; 10] = [
    ("claims", iso8583d::clearing::claim::fuzz_claims),
    ("frame_split", iso8583d::framing::fuzz_frame_split),
    ("decode_encode_decode", iso8583d::codec::fuzz_decode_encode_decode),
    ("dialect_text", iso8583d::dialect::fuzz_dialect_text),
    ("import_jpos", iso8583d::tools::fuzz_import_jpos),
    ("import_moov", iso8583d::tools::fuzz_import_moov),
    ("import_pyiso8583", iso8583d::tools::fuzz_import_pyiso8583),
    ("journal_blob", iso8583d::record::fuzz_records),
    ("messages_shown", iso8583d::tools::fuzz_messages_shown),
    ("tools_input", iso8583d::tools::input::fuzz_tools_input),
];

fn fuzz() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fuzz")
}

#[test]
fn the_corpus_passes() {
    // Side by side: some take much longer than others.
    std::thread::scope(|scope| {
        for target in TARGETS {
            scope.spawn(move || replay(target));
        }
    });
}

fn replay((target, body): Target) {
    let mut inputs = 0;
    for entry in std::fs::read_dir(fuzz().join("corpus").join(target)).unwrap() {
        let input = std::fs::read(entry.unwrap().path()).unwrap();
        body(&input);
        // What is cut or changed must be refused or read as well as what is whole.
        for cut in 0..input.len() {
            body(&input[..cut]);
            let mut flipped = input.clone();
            flipped[cut] ^= 1 << (cut % 8);
            body(&flipped);
        }
        inputs += 1;
    }
    assert!(inputs > 0, "no corpus for {target}");
}

#[test]
fn each_target_is_replayed() {
    let mut files: Vec<String> = std::fs::read_dir(fuzz().join("fuzz_targets"))
        .unwrap()
        .map(|entry| entry.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned())
        .collect();
    files.sort();
    let mut targets = TARGETS.map(|(target, _)| target);
    targets.sort_unstable();
    assert_eq!(files, targets);
}

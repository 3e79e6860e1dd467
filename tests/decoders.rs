//! Every decoder of untrusted bytes takes any bytes.
//!
//! The bodies of the fuzz targets are run here over their seeds in `corpus/fuzz` and over random
//! bytes from a fixed seed, so that a machine without a fuzzer still runs them. A fuzzer guided by
//! coverage goes deeper: `.ci/run`.
#![expect(
    clippy::disallowed_methods,
    reason = "the seeds are files of the source tree"
)]

#[path = "../fuzz/src/lib.rs"]
mod targets;

use std::fs;
use std::path::Path;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Runs a target over its seeds and over so many random inputs.
fn run(name: &str, inputs: usize, bytes_max: usize, check: impl Fn(&[u8])) {
    let seeds = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("corpus/fuzz")
        .join(name);
    if seeds.exists() {
        for seed in fs::read_dir(&seeds).expect("the seeds can be listed") {
            check(&fs::read(seed.expect("the seeds can be listed").path()).expect("a seed"));
        }
    }
    check(&[]);
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    for _ in 0..inputs {
        let mut bytes = vec![0; rng.random_range(0..=bytes_max)];
        rng.fill(&mut bytes[..]);
        check(&bytes);
    }
}

/// codec [I1], as each test of this file: a panic fails it.
#[test]
fn headers_of_segments() {
    run("segment_header", 20_000, 200, targets::header::check);
}

#[test]
fn headers_of_frames() {
    run("frame_header", 20_000, 100, targets::frame::check);
}

#[test]
fn records() {
    run("records", 20_000, 100, targets::records::check);
}

#[test]
fn superblocks() {
    run("superblock", 20_000, 200, targets::superblock::check);
}

#[test]
fn plans_of_recovery() {
    run("recovery_plan", 20_000, 1_000, targets::recovery::check);
}

#[test]
fn openings_of_logs() {
    run("log_open", 5_000, 1_000, targets::opening::check);
}

#[test]
fn salvages_of_logs() {
    run("log_salvage", 5_000, 1_000, targets::salvage::check);
}

#[test]
fn records_of_stores() {
    run(
        "store_record",
        20_000,
        200,
        targets::store_bytes::check_records,
    );
}

#[test]
fn manifests() {
    run(
        "store_manifest",
        20_000,
        300,
        targets::store_bytes::check_manifests,
    );
}

#[test]
fn blocks_of_tables() {
    run(
        "store_block",
        20_000,
        400,
        targets::store_bytes::check_blocks,
    );
}

#[test]
fn stores_of_changed_bytes() {
    run("store_files", 300, 40, targets::store_files::check);
}

#[test]
fn operations_on_stores() {
    run("store_ops", 40, 400, targets::store_ops::check);
}

#[test]
fn texts_of_cases() {
    run("case_text", 5_000, 500, targets::case::check_text);
}

/// Random bytes are no case; kept ones with a few bytes changed, or a piece left out or doubled,
/// nearly are, or are others.
#[test]
fn damaged_texts_of_kept_cases() {
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus/cases/commitlog");
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    let mut files: Vec<_> = fs::read_dir(cases)
        .expect("the cases can be listed")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    files.sort();
    assert!(files.len() > 50, "{} cases", files.len());
    for file in files {
        let text = fs::read(file).expect("a case");
        targets::case::check_text(&text);
        for _ in 0..20 {
            let mut damaged = text.clone();
            let at = rng.random_range(0..damaged.len());
            let end = (at + rng.random_range(1..40)).min(damaged.len());
            match rng.random_range(0..3) {
                0 => damaged[at] = b"0123456789,()"[rng.random_range(0..13)],
                1 => drop(damaged.drain(at..end)),
                _ => {
                    let piece = damaged[at..end].to_vec();
                    damaged.splice(at..at, piece);
                }
            }
            targets::case::check_text(&damaged);
        }
    }
}

#[test]
fn choices_of_simulations() {
    run("case_bytes", 20, 500, targets::case::check_choices);
}

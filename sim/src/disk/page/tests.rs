//! Contents against a plain vector of bytes.

use super::{BLOCK_PAGES, Content, PAGE, Written};
use crate::call::mix64;

const BYTES: u64 = (3 * BLOCK_PAGES * PAGE) as u64;

/// The same changes to contents and to bytes: both read alike after each.
#[test]
fn contents_are_what_was_written() {
    let (mut content, mut bytes) = (Content::default(), vec![0; BYTES as usize]);
    for step in 0..400u64 {
        let draw = |salt: u64, below: u64| mix64(step * 16 + salt) % below;
        let edge = [1, 512, PAGE as u64, (BLOCK_PAGES * PAGE) as u64][draw(0, 4) as usize];
        let from = draw(1, BYTES) / edge * edge;
        let to = (from + draw(2, 3 * PAGE as u64) + 1).min(BYTES);
        let range = from as usize..to as usize;
        let new: Vec<u8> = range
            .clone()
            .map(|at| (at as u64 + step) as u8 | 1)
            .collect();
        match draw(3, 8) {
            0 => {
                content.zero(from, to - from);
                bytes[range].fill(0);
            }
            1 => {
                content.cut(from);
                bytes[from as usize..].fill(0);
            }
            2..5 => {
                let written = Written::new(from, &new);
                let middle = from + (to - from) / 3;
                content.write_part(&written, middle, to);
                content.write_part(&written, from, middle);
                bytes[range].copy_from_slice(&new);
            }
            _ => {
                content.write(from, &new);
                bytes[range].copy_from_slice(&new);
            }
        }
        let mut shown = vec![7; BYTES as usize];
        content.read(0, &mut shown);
        assert!(shown == bytes, "after step {step}");
        let needed = content.pages_needed(0, BYTES);
        assert_eq!(
            needed,
            BYTES / PAGE as u64 - content.allocated(),
            "after step {step}"
        );
        let mut anew = Content::default();
        anew.write(0, &bytes);
        assert_eq!(content.hash(), anew.hash(), "after step {step}");
    }
}

/// A hash tells one byte, wherever it is; a clone is another content.
#[test]
fn hashes_tell_contents_apart() {
    let places = [0, 1, PAGE, BLOCK_PAGES * PAGE, 2 * BLOCK_PAGES * PAGE - 1];
    let mut hashes = vec![Content::default().hash()];
    let mut all = Content::default();
    for place in places {
        let mut one = Content::default();
        one.write(place as u64, &[1]);
        hashes.push(one.hash());
        let before = all.clone();
        let known = before.hash();
        all.write(place as u64, &[1]);
        assert_eq!(before.hash(), known, "a clone has changed");
        hashes.push(all.hash());
    }
    hashes.sort_unstable();
    hashes.dedup();
    // The first byte alone is both one content and the first of all.
    assert_eq!(hashes.len(), 2 * places.len());
}

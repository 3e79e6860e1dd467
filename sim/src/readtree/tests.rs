//! What runs leave in a tree, and what does not fit.

use std::path::Path;

use blackstart_vfs::{FileExt, Fs, OpenOptions};

use super::*;
use crate::disk::{Budget, DiskConfig, SimFs};

const RW: OpenOptions = OpenOptions::new().read().write().create();

/// Images of a file of two units that may each be written, and of a length.
fn images() -> Vec<Image> {
    let fs = SimFs::new(DiskConfig::default());
    fs.create_root().expect("the root");
    let file = fs.open(Path::new("a"), RW).expect("opens");
    file.write_all_at(&[1; 1_024], 0).expect("writes");
    file.sync_all().expect("syncs");
    fs.sync_dir(Path::new("")).expect("syncs");
    file.write_all_at(&[2; 1_024], 0).expect("writes");
    let images = fs.images(&Budget::up_to(100));
    images.into_iter().map(|(_, image)| image).collect()
}

/// A run: it reads the first byte, and the last one only if the first is new.
fn run(image: &Image) -> (Vec<Question>, u8) {
    let fs = SimFs::of_image(image, &DiskConfig::default());
    fs.note_questions();
    let file = fs.open(Path::new("a"), RW).expect("opens");
    let mut byte = [0];
    file.read_exact_at(&mut byte, 0).expect("reads");
    // What the run has written is not asked for.
    file.write_all_at(&[9; 8], 100).expect("writes");
    let mut own = [0; 8];
    file.read_exact_at(&mut own, 100).expect("reads");
    if byte == [2] {
        file.read_exact_at(&mut byte, 1_023).expect("reads");
        byte[0] += 10;
    }
    let asks = fs.take_questions().expect("all was written down");
    (asks.questions, byte[0])
}

#[test]
fn images_that_look_alike_lead_to_one_leaf() {
    let images = images();
    assert_eq!(images.len(), 4, "each unit old or new");
    let mut tree: ReadTree<u8> = ReadTree::new(false);
    let mut ran = 0;
    for image in &images {
        let shape = image.shape();
        let (questions, outcome) = run(image);
        match tree.find(image, &shape) {
            Some(leaf) => assert_eq!(tree.leaf(leaf), Some(&outcome)),
            None => {
                ran += 1;
                let leaf = tree.insert(image, &shape, &questions, outcome);
                assert_eq!(tree.find(image, &shape), leaf.ok());
            }
        }
    }
    // Old; new and old; new and new. The last byte of the first kind is never looked at.
    assert_eq!(ran, 3);
}

#[test]
fn other_names_are_another_root_and_other_lengths_another_answer() {
    let images = images();
    let fs = SimFs::of_image(&images[0], &DiskConfig::default());
    let shape = |fs: &SimFs| fs.crash_model().kill_image().shape().hash;
    let before = shape(&fs);
    assert_eq!(before, images[1].shape().hash, "contents are not in it");
    fs.hard_link(Path::new("a"), Path::new("b")).expect("links");
    let linked = shape(&fs);
    fs.remove_file(Path::new("b")).expect("removes");
    let file = fs.open(Path::new("b"), RW).expect("opens");
    assert_ne!(linked, shape(&fs), "two files are not two names");
    let short = shape(&fs);
    assert!(before != linked && before != short);
    file.set_len(1_024).expect("grows");
    assert_eq!(short, shape(&fs), "lengths are not in it");
    let image = fs.crash_model().kill_image();
    let asked = SimFs::of_image(&image, &DiskConfig::default());
    asked.note_questions();
    // A file that is emptied at once may have had any length.
    let emptied = asked.open(Path::new("b"), RW.truncate()).expect("opens");
    assert_eq!(emptied.len().expect("a length"), 0);
    emptied.write_all_at(&[1; 10], 0).expect("writes");
    let file = asked.open(Path::new("a"), RW).expect("opens");
    assert_eq!(file.len().expect("a length"), 1_024);
    let asks = asked.take_questions().expect("all was written down");
    assert_eq!(format!("{:?}", asks.questions), "[Len(0)]");
    assert_eq!(image.answer(&image.shape(), &asks.questions[0]), 1_024);
}

#[test]
fn a_run_that_asks_otherwise_is_refused() {
    let images = images();
    let shape = images[0].shape();
    let (questions, outcome) = run(&images[0]);
    let mut tree = ReadTree::new(false);
    assert_eq!(tree.insert(&images[0], &shape, &questions, outcome), Ok(0));
    assert_eq!(tree.insert(&images[0], &shape, &questions, outcome), Ok(0));
    let shorter = tree.insert(&images[0], &shape, &[], outcome);
    assert_eq!(shorter, Err(Contradiction));
    let mut longer = questions.clone();
    longer.extend(questions.clone());
    let longer = tree.insert(&images[0], &shape, &longer, outcome);
    assert_eq!(longer, Err(Contradiction));
}

#[test]
fn what_cannot_be_written_down_is_void() {
    let image = &images()[0];
    let config = DiskConfig {
        capacity_bytes: Some(1 << 20),
        ..DiskConfig::default()
    };
    let limited = SimFs::of_image(image, &config);
    limited.note_questions();
    assert!(limited.take_questions().is_none());
    let looked_at = SimFs::of_image(image, &DiskConfig::default());
    looked_at.note_questions();
    let _ = looked_at.crash_model();
    assert!(looked_at.take_questions().is_none());
}

#[test]
fn two_runs_ask_what_neither_knows_or_has_written() {
    let image = images().remove(0);
    let first = SimFs::of_image(&image, &DiskConfig::default());
    first.note_questions();
    let file = first.open(Path::new("a"), RW).expect("opens");
    file.read_exact_at(&mut [0; 100], 0).expect("reads");
    file.write_all_at(&[7; 100], 200).expect("writes");
    let own = first.open(Path::new("b"), RW).expect("opens");
    own.write_all_at(&[8; 100], 0).expect("writes");
    let left = first.seen();
    let asks = first.take_questions().expect("all was written down");
    let second = SimFs::of_image(&left, &DiskConfig::default());
    second.note_questions();
    let file = second.open(Path::new("a"), RW).expect("opens");
    file.read_exact_at(&mut [0; 400], 0).expect("reads");
    let own = second.open(Path::new("b"), RW).expect("opens");
    own.read_exact_at(&mut [0; 100], 0).expect("reads");
    let then = second.take_questions().expect("all was written down");
    let told = |questions: &[Question]| format!("{questions:?}");
    let all = asks.followed_by(&left.shape(), &then.questions);
    let piece =
        |from: u16, to: u16| format!("Piece(Piece {{ file: 0, page: 0, from: {from}, to: {to} }})");
    let len = "Len(0)".to_owned();
    let wanted = [len, piece(0, 100), piece(100, 200), piece(300, 400)];
    assert_eq!(told(&all), format!("[{}]", wanted.join(", ")));
}

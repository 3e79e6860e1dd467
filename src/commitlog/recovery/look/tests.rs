//! What is told is all that is used.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::rc::Rc;

use super::*;
use crate::codec::Corrupt;
use crate::commitlog::Durability;
use crate::commitlog::recovery::{Planned, plan};
use crate::commitlog::report::LogEnd;
use crate::commitlog::source::{LogSource, SourceFile};
use crate::commitlog::testing::{Scratch, commit, options, tx};

type Files = BTreeMap<String, Vec<u8>>;
/// Names, and hashes of what was used of the files.
type Used = Rc<RefCell<Vec<(String, u64, u64)>>>;

/// Files in memory that note what of them is used.
struct Noting<'a> {
    files: &'a Files,
    used: Used,
}

struct NotingFile {
    name: String,
    bytes: Vec<u8>,
    used: Used,
}

impl ReadAt for NotingFile {
    fn read_at(&self, buffer: &mut [u8], at: u64) -> Result<usize, LogError> {
        Ok(Bytes::read_at(&self.bytes, buffer, at))
    }
}

impl SourceFile for NotingFile {
    fn len(&self) -> Result<u64, LogError> {
        Ok(self.bytes.len() as u64)
    }

    fn concludes(&self, look: Look) {
        let conclusion = look.conclude(&self.bytes);
        self.used
            .borrow_mut()
            .push((self.name.clone(), look.id(), conclusion));
    }
}

impl LogSource for Noting<'_> {
    fn names(&self) -> Result<Option<Vec<String>>, LogError> {
        Ok(Some(self.files.keys().cloned().collect()))
    }

    fn open(&self, name: &str) -> Result<Box<dyn SourceFile>, LogError> {
        // All of it counts.
        let mut hasher = DefaultHasher::new();
        self.files[name].hash(&mut hasher);
        self.used
            .borrow_mut()
            .push((name.to_owned(), 0, hasher.finish()));
        self.open_to_look(name)
    }

    fn open_to_look(&self, name: &str) -> Result<Box<dyn SourceFile>, LogError> {
        Ok(Box::new(NotingFile {
            name: name.to_owned(),
            bytes: self.files[name].clone(),
            used: self.used.clone(),
        }))
    }
}

/// What was planned, but for what a defect was found to hold; and what was used for it.
fn planned(files: &Files) -> (Vec<(String, u64, u64)>, String) {
    let used = Used::default();
    let source = Noting {
        files,
        used: used.clone(),
    };
    let planned = match plan(&source, None) {
        Ok(Planned::Log(mut plan)) => {
            if let LogEnd::Tail(tail) = &mut plan.end {
                tail.defect = plain(tail.defect);
            }
            format!("{plan:?}")
        }
        Err(LogError::Corrupt { corrupt, evidence }) => {
            let Corrupt { file, defect } = corrupt;
            format!("{file} {:?} {evidence:?}", plain(defect))
        }
        other => format!("{other:?}"),
    };
    let lengths = files
        .iter()
        .map(|(name, bytes)| (name.clone(), 1, bytes.len() as u64));
    let used = lengths.chain(used.take()).collect();
    (used, planned)
}

fn plain(defect: Defect) -> Defect {
    let nothing = crate::codec::Value::Number(0);
    Defect {
        expected: nothing,
        found: nothing,
        ..defect
    }
}

/// A log of two sealed segments and a newest one, which a loss of power ended; another whose fork
/// has an uncut predecessor.
fn logs() -> Vec<Files> {
    let scratch = Scratch::new();
    let files = || -> Files {
        let names = scratch.names().into_iter();
        names
            .map(|name| (name.clone(), scratch.read(&name)))
            .collect()
    };
    let (log, _) = scratch.open();
    commit(&log, &["a", "b"]);
    log.rotate().unwrap();
    commit(&log, &["c", "d"]);
    log.rotate().unwrap();
    commit(&log, &["e", "f"]);
    assert_eq!(log.retain_from(tx(2)).unwrap(), tx(2));
    for record in ["g", "h", "i", "j"] {
        log.commit(&[record], Durability::Os).unwrap();
    }
    let running = files();
    drop(log);
    drop(scratch.open_with(options()).unwrap());
    let mut forked = files();
    for (name, bytes) in &running {
        // What the opening has cut is whole again.
        forked
            .entry(name.clone())
            .and_modify(|cut| cut.clone_from(bytes));
    }
    vec![running, forked]
}

#[test]
fn equal_conclusions_lead_to_equal_plans() {
    for log in logs() {
        let mut known = BTreeMap::new();
        let (mut tried, mut again) = (0, 0);
        let mut check = |files: &Files| {
            let (used, planned) = planned(files);
            tried += 1;
            match known.get(&used) {
                Some(before) => {
                    assert_eq!(before, &planned);
                    again += 1;
                }
                None => drop(known.insert(used, planned)),
            }
        };
        for once in damaged_in(&log, 47) {
            // A second place in the same files.
            for mut twice in damaged_in(&once, 2) {
                check(&twice);
                // And something behind it.
                for more in [[0x81; 70].as_slice(), &[0; 7]] {
                    let newest = twice.values_mut().next_back();
                    newest.expect("there are segments").extend(more);
                    check(&twice);
                }
            }
        }
        assert!(again * 3 > tried, "{again} of {tried} plans were known");
        assert!(known.len() > 20, "{} plans", known.len());
    }
}

/// A log as it is, and with one byte changed: every so many-th one.
fn damaged_in(log: &Files, step: usize) -> Vec<Files> {
    let mut all = vec![log.clone()];
    for (name, bytes) in log {
        for at in (0..bytes.len()).step_by(step) {
            let mut files = log.clone();
            files
                .entry(name.clone())
                .and_modify(|bytes| bytes[at] ^= 0x41);
            all.push(files);
        }
    }
    all
}

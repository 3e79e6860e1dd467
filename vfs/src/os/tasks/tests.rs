//! Threads: names, ends, panics.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use super::OsTasks;
use crate::{TaskPanicked, Tasks};

fn ended(body: impl FnOnce() + Send + 'static) -> Result<(), TaskPanicked> {
    OsTasks::new()
        .spawn("worker", Box::new(body))
        .unwrap()
        .join()
}

fn panicked(message: &str) -> Result<(), TaskPanicked> {
    Err(TaskPanicked {
        task: "worker".to_owned(),
        message: message.to_owned(),
    })
}

#[test]
fn a_task_runs_under_its_name_and_is_joined() {
    let ran = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&ran);
    let result = ended(move || {
        flag.store(std::thread::current().name() == Some("worker"), SeqCst);
    });
    assert_eq!(result, Ok(()));
    assert!(ran.load(SeqCst));
}

#[test]
fn a_panic_is_told_by_join() {
    assert_eq!(ended(|| panic!("plain")), panicked("plain"));
    assert_eq!(ended(|| panic!("number {}", 7)), panicked("number 7"));
    assert_eq!(
        ended(|| std::panic::panic_any(7_u8)),
        panicked("(a payload that is not text)")
    );
}

#[test]
fn a_name_the_system_cannot_hold_is_refused() {
    let result = OsTasks::new().spawn("a\0b", Box::new(|| ()));
    let errno = result.map(|_| ()).unwrap_err().raw_os_error();
    assert_eq!(errno, Some(rustix::io::Errno::INVAL.raw_os_error()));
}

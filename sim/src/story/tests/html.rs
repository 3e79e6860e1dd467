//! Whether a page is well formed: every element that is opened is closed, in order.

/// Elements that have no end.
const VOID: [&str; 1] = ["meta"];

/// Fails where an element is not closed, or where text was not escaped.
#[track_caller]
pub fn check(page: &str) {
    let mut open: Vec<&str> = Vec::new();
    let mut rest = page
        .strip_prefix("<!doctype html>")
        .expect("a page of HTML");
    while let Some(start) = rest.find('<') {
        let text = &rest[..start];
        if open.last() != Some(&"style") {
            assert!(!text.contains('>'), "a stray `>` in {text:?}");
        }
        rest = &rest[start + 1..];
        let end = rest.find('>').expect("a tag ends");
        let tag = &rest[..end];
        assert!(
            tag.matches('"').count().is_multiple_of(2),
            "quotes in {tag:?}"
        );
        match tag.strip_prefix('/') {
            Some(name) => assert_eq!(open.pop(), Some(name), "closed by {tag:?}"),
            None => {
                let name = tag.split_whitespace().next().expect("a name");
                assert!(
                    name.chars().all(|letter| letter.is_ascii_alphanumeric()),
                    "{tag:?}"
                );
                if !VOID.contains(&name) {
                    open.push(name);
                }
            }
        }
        rest = &rest[end + 1..];
    }
    assert!(open.is_empty(), "not closed: {open:?}");
    assert!(page.contains("lang=\"en\"") && page.contains("width=device-width"));
}

/// Text without the codes of colors.
pub fn without_colors(text: &str) -> String {
    let mut plain = String::new();
    let mut parts = text.split('\u{1b}');
    plain.push_str(parts.next().unwrap_or_default());
    for part in parts {
        plain.push_str(part.split_once('m').map_or("", |(_, rest)| rest));
    }
    plain
}

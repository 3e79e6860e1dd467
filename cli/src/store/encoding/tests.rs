//! Tests of the encodings.

use super::Encoding;

#[test]
fn all_bytes_come_back_in_every_encoding() {
    let all: Vec<u8> = (0..=255).collect();
    let texts: [&[u8]; 6] = [
        b"",
        b"a",
        b"ab",
        b"abc",
        "\u{e9}\\\n\t\u{7f}".as_bytes(),
        &all,
    ];
    for encoding in [Encoding::Text, Encoding::Hex, Encoding::Base64] {
        for bytes in texts {
            let encoded = encoding.encode(bytes);
            assert!(encoded.chars().all(|own| !own.is_control()), "{encoded:?}");
            assert_eq!(encoding.decode(&encoded).as_deref(), Ok(bytes), "{encoded}");
        }
    }
}

#[test]
fn each_looks_as_people_know_it() {
    let bytes = b"key \xff\n\\";
    assert_eq!(Encoding::Text.encode(bytes), r"key \xff\n\\");
    assert_eq!(Encoding::Hex.encode(bytes), "6b657920ff0a5c");
    assert_eq!(Encoding::Base64.encode(bytes), "a2V5IP8KXA==");
}

#[test]
fn what_is_none_is_refused_with_its_name() {
    let check = |encoding: Encoding, text: &str| {
        let error = encoding.decode(text).expect_err(text).to_string();
        assert!(
            error.contains(text) && error.contains(" is not "),
            "{error}"
        );
    };
    for text in [r"\", r"\x1", r"\xg0", r"\q"] {
        check(Encoding::Text, text);
    }
    for text in ["a", "0g", "abc"] {
        check(Encoding::Hex, text);
    }
    for text in ["a", "ab=c", "a===", "====", "QQ==QQ==", "QR==", "Q Q="] {
        check(Encoding::Base64, text);
    }
}

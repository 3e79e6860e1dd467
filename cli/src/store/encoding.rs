//! Keys and values as characters, and back.

use clap::ValueEnum;

/// How the bytes of keys and values are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Encoding {
    /// As they are; `\xNN` for what is no printable character, `\\` for a backslash
    #[default]
    Text,
    /// Two digits a byte
    Hex,
    /// The alphabet of RFC 4648, with padding
    Base64,
}

/// What no encoding writes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not {wanted}")]
pub(crate) struct Malformed {
    text: String,
    wanted: &'static str,
}

const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

impl Encoding {
    pub fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Hex => "hex",
            Self::Base64 => "base64",
        }
    }

    pub fn encode(self, bytes: &[u8]) -> String {
        match self {
            Self::Text => text(bytes),
            Self::Hex => bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
            Self::Base64 => base64(bytes),
        }
    }

    pub fn decode(self, text: &str) -> Result<Vec<u8>, Malformed> {
        let (decoded, wanted) = match self {
            Self::Text => (
                of_text(text),
                "text with escapes such as \\x00, \\n and \\\\",
            ),
            Self::Hex => (of_hex(text), "hexadecimal: two digits a byte"),
            Self::Base64 => (of_base64(text), "base64 with padding"),
        };
        decoded.ok_or_else(|| Malformed {
            text: text.to_owned(),
            wanted,
        })
    }
}

fn text(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            match character {
                '\\' => text.push_str("\\\\"),
                '\n' => text.push_str("\\n"),
                '\t' => text.push_str("\\t"),
                character if character.is_control() => {
                    let mut bytes = [0; 4];
                    for byte in character.encode_utf8(&mut bytes).bytes() {
                        text.push_str(&format!("\\x{byte:02x}"));
                    }
                }
                character => text.push(character),
            }
        }
        for byte in chunk.invalid() {
            text.push_str(&format!("\\x{byte:02x}"));
        }
    }
    text
}

fn of_text(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'\\' {
            bytes.push(byte);
            continue;
        }
        bytes.push(match rest.next()? {
            b'\\' => b'\\',
            b'n' => b'\n',
            b't' => b'\t',
            b'x' => digit(rest.next()?)? << 4 | digit(rest.next()?)?,
            _ => return None,
        });
    }
    Some(bytes)
}

fn digit(byte: u8) -> Option<u8> {
    let digit = char::from(byte).to_digit(16)?;
    u8::try_from(digit).ok()
}

fn of_hex(text: &str) -> Option<Vec<u8>> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if !rest.is_empty() {
        return None;
    }
    let bytes = pairs
        .iter()
        .map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?));
    bytes.collect()
}

fn base64(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let mut three = [0; 3];
        three[..chunk.len()].copy_from_slice(chunk);
        let [one, two, three] = three.map(u32::from);
        let number = one << 16 | two << 8 | three;
        for place in 0..4 {
            match place <= chunk.len() {
                true => {
                    let digit = number >> (18 - 6 * place) & 63;
                    text.push(char::from(BASE64[digit as usize]));
                }
                false => text.push('='),
            }
        }
    }
    text
}

fn of_base64(text: &str) -> Option<Vec<u8>> {
    let (fours, rest) = text.as_bytes().as_chunks::<4>();
    if !rest.is_empty() {
        return None;
    }
    let mut bytes = Vec::with_capacity(fours.len() * 3);
    for (at, four) in fours.iter().enumerate() {
        let padding = four.iter().rev().take_while(|byte| **byte == b'=').count();
        if padding > 2 || (padding > 0 && at + 1 < fours.len()) {
            return None;
        }
        let mut number = 0_u32;
        for byte in &four[..4 - padding] {
            let digit = BASE64.iter().position(|own| own == byte)?;
            number = number << 6 | u32::try_from(digit).ok()?;
        }
        number <<= 6 * padding;
        let [_, three @ ..] = number.to_be_bytes();
        let (kept, cut) = three.split_at(3 - padding);
        // Of every text there is one spelling.
        if cut.iter().any(|byte| *byte != 0) {
            return None;
        }
        bytes.extend_from_slice(kept);
    }
    Some(bytes)
}

#[cfg(test)]
mod tests;

//! Lines for a terminal: colors, widths, and nothing that a terminal would obey.

use anstyle::{AnsiColor, Style};

/// What a piece of text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ink {
    Plain,
    Dim,
    Title,
    Headline,
    Good,
    Pending,
    Torn,
    Lost,
}

/// Text in its color.
pub(super) fn paint(text: &str, ink: Ink) -> String {
    let style = match ink {
        Ink::Plain => return text.to_owned(),
        Ink::Dim => Style::new().dimmed(),
        Ink::Title => Style::new().bold(),
        Ink::Headline => AnsiColor::Red.on_default().bold(),
        Ink::Good => AnsiColor::Green.on_default(),
        Ink::Pending => AnsiColor::Yellow.on_default(),
        Ink::Torn => AnsiColor::Magenta.on_default(),
        Ink::Lost => AnsiColor::Red.on_default(),
    };
    format!("{style}{text}{style:#}")
}

/// Text without control characters: names come from the program under test.
pub(super) fn clean(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter.is_control() {
            true => clean.extend(letter.escape_default()),
            false => clean.push(letter),
        }
    }
    clean
}

/// Text of at most so many columns; what is too long ends in `…`.
pub(super) fn cut(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let mut text: String = text.chars().take(width.saturating_sub(1)).collect();
    text.push('…');
    text
}

/// Text in lines of at most so many columns, broken between words where that is possible.
pub(super) fn wrap(text: &str, width: usize) -> Vec<String> {
    let width = width.max(1);
    let mut lines: Vec<String> = Vec::new();
    let mut line = String::new();
    let mut used = 0;
    for word in text.split(' ') {
        let len = word.chars().count();
        if used > 0 && used + 1 + len > width {
            lines.push(std::mem::take(&mut line));
            used = 0;
        } else if !line.is_empty() {
            line.push(' ');
            used += 1;
        }
        for letter in word.chars() {
            if used == width {
                lines.push(std::mem::take(&mut line));
                used = 0;
            }
            line.push(letter);
            used += 1;
        }
    }
    lines.push(line);
    lines
}

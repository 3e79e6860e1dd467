//! A Rust file as text, as a flat row of tokens, and as the paths it names.
//!
//! Tokens are those of the compiler's own lexer: comments and strings cannot be taken for code,
//! and the inside of a macro call is seen too.

use proc_macro2::{Delimiter, TokenStream, TokenTree};

use super::Violation;

/// Keywords that a path from the root of all crates (`::std`) may follow.
const BEFORE_A_PATH: [&str; 12] = [
    "as", "break", "dyn", "else", "for", "if", "impl", "in", "match", "mut", "return", "use",
];

/// One token and its line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    pub text: String,
    pub line: usize,
}

/// `a::b::c` as it is named somewhere, with the groups of `use` written out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedPath {
    pub parts: Vec<String>,
    pub line: usize,
}

impl NamedPath {
    pub fn starts_with(&self, parts: &[&str]) -> bool {
        self.parts.len() >= parts.len()
            && self.parts.iter().zip(parts).all(|(own, part)| own == part)
    }
}

/// A function with a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Function {
    pub name: String,
    pub first_line: usize,
    pub last_line: usize,
}

/// A Rust file.
pub struct Source {
    pub path: String,
    pub text: String,
    pub tokens: Vec<Token>,
    stream: TokenStream,
}

impl Source {
    pub fn new(path: impl Into<String>, text: impl Into<String>) -> Self {
        let (path, text) = (path.into(), text.into());
        let stream: TokenStream = match text.parse() {
            Ok(stream) => stream,
            Err(error) => panic!("{path}: {error}"),
        };
        let mut tokens = Vec::new();
        flatten(stream.clone(), &mut tokens);
        Self {
            path,
            text,
            tokens,
            stream,
        }
    }

    pub fn violation(&self, line: usize, what: impl Into<String>) -> Violation {
        Violation {
            path: self.path.clone(),
            line,
            what: what.into(),
        }
    }

    /// Whether the tokens from `at` on read so.
    pub fn reads(&self, at: usize, texts: &[&str]) -> bool {
        let tokens = self.tokens.get(at..).unwrap_or_default();
        tokens.len() >= texts.len()
            && tokens
                .iter()
                .zip(texts)
                .all(|(token, text)| token.text == *text)
    }

    /// The lines at which the tokens read so.
    pub fn lines_of(&self, texts: &[&str]) -> Vec<usize> {
        let lines = self.tokens.iter().enumerate();
        lines
            .filter(|&(at, _)| self.reads(at, texts))
            .map(|(_, token)| token.line)
            .collect()
    }

    /// Every path of two parts or more that the file names.
    pub fn named_paths(&self) -> Vec<NamedPath> {
        let mut paths = Vec::new();
        let mut at = 0;
        while at < self.tokens.len() {
            let begins = self.is_name(at) && self.reads(at + 1, &[":", ":"]);
            let continues =
                at >= 2 && self.reads(at - 2, &[":", ":"]) && self.follows_a_part(at - 2);
            at = match begins && !continues {
                true => self.collect_paths(at, &mut Vec::new(), &mut paths),
                false => at + 1,
            };
        }
        paths
    }

    /// Whether a name stands there that may be part of a path.
    fn is_name(&self, at: usize) -> bool {
        let starts_name = |text: &str| text.starts_with(|c: char| c.is_alphabetic() || c == '_');
        self.tokens.get(at).is_some_and(|token| {
            starts_name(&token.text) && !BEFORE_A_PATH.contains(&token.text.as_str())
        })
    }

    /// Whether a `::` at `at` continues a path; otherwise it stands for the crates (`::std`).
    fn follows_a_part(&self, at: usize) -> bool {
        at > 0 && (self.is_name(at - 1) || self.reads(at - 1, &[">"]))
    }

    /// Collects the paths of the tree that starts at `at`; returns where it ends.
    fn collect_paths(
        &self,
        at: usize,
        before: &mut Vec<String>,
        paths: &mut Vec<NamedPath>,
    ) -> usize {
        let line = self.tokens[at].line;
        before.push(self.tokens[at].text.clone());
        let mut end = at + 1;
        if !self.reads(end, &[":", ":"]) {
            paths.push(NamedPath {
                parts: before.clone(),
                line,
            });
        } else if self.is_name(end + 2) || self.reads(end + 2, &["*"]) {
            end = self.collect_paths(end + 2, before, paths);
        } else if self.reads(end + 2, &["{"]) {
            end += 3;
            while !self.reads(end, &["}"]) && end < self.tokens.len() {
                end = match self.is_name(end) || self.reads(end, &["*"]) {
                    true => self.collect_paths(end, before, paths),
                    false => end + 1,
                };
            }
            end += 1;
        } else {
            // A turbofish, or the start of something else.
            paths.push(NamedPath {
                parts: before.clone(),
                line,
            });
        }
        before.pop();
        end
    }

    /// Every function with a body, those inside of macro calls and of other functions included.
    pub fn functions(&self) -> Vec<Function> {
        let mut functions = Vec::new();
        collect_functions(self.stream.clone(), &mut functions);
        functions
    }
}

fn flatten(stream: TokenStream, tokens: &mut Vec<Token>) {
    for tree in stream {
        let line = tree.span().start().line;
        match tree {
            TokenTree::Group(group) => {
                let (open, close) = match group.delimiter() {
                    Delimiter::Parenthesis => ("(", ")"),
                    Delimiter::Brace => ("{", "}"),
                    Delimiter::Bracket => ("[", "]"),
                    Delimiter::None => ("", ""),
                };
                tokens.push(Token {
                    text: open.to_owned(),
                    line,
                });
                flatten(group.stream(), tokens);
                let line = group.span_close().start().line;
                tokens.push(Token {
                    text: close.to_owned(),
                    line,
                });
            }
            other => tokens.push(Token {
                text: other.to_string(),
                line,
            }),
        }
    }
}

fn collect_functions(stream: TokenStream, functions: &mut Vec<Function>) {
    let trees: Vec<TokenTree> = stream.into_iter().collect();
    for (at, tree) in trees.iter().enumerate() {
        match tree {
            TokenTree::Group(group) => collect_functions(group.stream(), functions),
            TokenTree::Ident(word) if word == "fn" => {
                let Some(TokenTree::Ident(name)) = trees.get(at + 1) else {
                    continue;
                };
                if let Some(last_line) = body_end(&trees[at + 2..]) {
                    let (name, first_line) = (name.to_string(), word.span().start().line);
                    functions.push(Function {
                        name,
                        first_line,
                        last_line,
                    });
                }
            }
            _ => {}
        }
    }
}

/// The last line of the body in what follows a function's name; `None` without a body.
fn body_end(trees: &[TokenTree]) -> Option<usize> {
    for (at, tree) in trees.iter().enumerate() {
        match tree {
            TokenTree::Punct(punct) if punct.as_char() == ';' => return None,
            TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => {
                // The braces of a generic constant are followed by more of the signature.
                let goes_on = matches!(trees.get(at + 1), Some(TokenTree::Punct(next))
                    if matches!(next.as_char(), '>' | ','));
                if !goes_on {
                    return Some(group.span_close().start().line);
                }
            }
            _ => {}
        }
    }
    None
}

#[test]
fn paths_are_written_out() {
    let text = "use std::{fs::{self, File}, io::*};\nuse ::core::fmt as f;\n\
        fn main() { let x = crate::a::b::<u8>(<T as D>::new()); vec![std::thread::spawn]; }\n\
        // std::net\nconst S: &str = \"std::env\";";
    let paths: Vec<String> = Source::new("x.rs", text)
        .named_paths()
        .into_iter()
        .map(|path| format!("{}:{}", path.parts.join("::"), path.line))
        .collect();
    let expected = [
        "std::fs::self:1",
        "std::fs::File:1",
        "std::io::*:1",
        "core::fmt:2",
        "crate::a::b:3",
        "std::thread::spawn:3",
    ];
    assert_eq!(paths, expected);
}

#[test]
fn functions_are_found_with_their_lines() {
    let text = "fn one() {}\ntrait T { fn none(&self); fn two() -> A<{ 1 }>\n{\n} }\n\
        m! { fn three() where X: Y {\n fn inner() {} } }\ntype F = fn(u8) -> u8;";
    let functions: Vec<(String, usize, usize)> = Source::new("x.rs", text)
        .functions()
        .into_iter()
        .map(|function| (function.name, function.first_line, function.last_line))
        .collect();
    let expected = [
        ("one", 1, 1),
        ("two", 2, 4),
        ("three", 5, 6),
        ("inner", 6, 6),
    ];
    assert_eq!(
        functions,
        expected.map(|(name, first, last)| (name.to_owned(), first, last))
    );
}

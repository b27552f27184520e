//! nginx's words: separated by blanks, ended by `;`, `{` and `}`, quoted or not; `#` begins a comment.

use super::Refusal;

/// A piece of a snippet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) line: usize,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Word(String),
    Semicolon,
    Open,
    Close,
}

/// Longest snippet that is read.
const MOST: usize = 64 * 1024;

/// Reads `text`.
///
/// # Errors
/// A quote that does not end, or a snippet that is too long.
pub(super) fn tokens(text: &str) -> Result<Vec<Token>, Refusal> {
    if text.len() > MOST {
        return Err(Refusal::new(1, format!("the snippet is longer than {MOST} bytes")));
    }
    let (mut tokens, mut line) = (Vec::new(), 1);
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        let kind = match letter {
            '\n' => {
                line += 1;
                continue;
            }
            letter if letter.is_whitespace() => continue,
            '#' => {
                while letters.next_if(|letter| *letter != '\n').is_some() {}
                continue;
            }
            ';' => Kind::Semicolon,
            '{' => Kind::Open,
            '}' => Kind::Close,
            quote @ ('"' | '\'') => {
                let begun = line;
                let word = quoted(&mut letters, quote, &mut line)
                    .ok_or_else(|| Refusal::new(begun, format!("a text in {quote} does not end")))?;
                tokens.push(Token { kind: Kind::Word(word), line: begun });
                continue;
            }
            letter => Kind::Word(bare(letter, &mut letters)),
        };
        tokens.push(Token { kind, line });
    }
    Ok(tokens)
}

type Letters<'a> = std::iter::Peekable<std::str::Chars<'a>>;

fn quoted(letters: &mut Letters<'_>, quote: char, line: &mut usize) -> Option<String> {
    let mut word = String::new();
    loop {
        match letters.next()? {
            letter if letter == quote => return Some(word),
            '\\' => {
                let escaped = letters.next()?;
                // As nginx: other backslashes stay, so that expressions need none doubled.
                match escaped {
                    '"' | '\'' | '\\' => word.push(escaped),
                    't' => word.push('\t'),
                    other => word.extend(['\\', other]),
                }
            }
            '\n' => {
                *line += 1;
                word.push('\n');
            }
            letter => word.push(letter),
        }
    }
}

/// A word without quotes. `${name}` does not open a block.
fn bare(first: char, letters: &mut Letters<'_>) -> String {
    let mut word = String::from(first);
    while let Some(&letter) = letters.peek() {
        let is_brace = letter == '{' && word.ends_with('$');
        let is_closing = letter == '}'
            && word.rfind("${").is_some_and(|at| !word.get(at..).unwrap_or_default().contains('}'));
        if letter.is_whitespace()
            || letter == ';'
            || (matches!(letter, '{' | '}') && !is_brace && !is_closing)
        {
            break;
        }
        letters.next();
        word.push(letter);
        if letter == '\\'
            && let Some(escaped) = letters.next_if(|letter| *letter != '\n')
        {
            word.push(escaped);
        }
    }
    word
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_quotes_comments_and_lines_are_told_apart() {
        let found = tokens("a 'b;c' # d;\n  \"e\\\"f\" ${g}x{ ^/h\\.i$; }").expect("well formed");
        let words: Vec<_> = found.iter().map(|token| (token.kind.clone(), token.line)).collect();
        let word = |text: &str, line| (Kind::Word(text.to_owned()), line);
        let expected = [
            word("a", 1),
            word("b;c", 1),
            word("e\"f", 2),
            word("${g}x", 2),
            (Kind::Open, 2),
            word("^/h\\.i$", 2),
            (Kind::Semicolon, 2),
            (Kind::Close, 2),
        ];
        assert_eq!(words, expected);
        assert_eq!(tokens("\n'a").expect_err("no end").line, 2);
    }
}

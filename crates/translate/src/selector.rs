//! Label selectors, as `kubectl -l` and `--watch-namespace-selector` write them.

use std::collections::BTreeMap;

/// Requirements on labels, all of which must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selector(Vec<Requirement>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Requirement {
    key: String,
    test: Test,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Test {
    Exists,
    Missing,
    In(Vec<String>),
    /// Also where the label is missing, as Kubernetes has it.
    NotIn(Vec<String>),
}

impl Selector {
    /// Reads `a=b,c!=d,e in (f,g),h notin (i),j,!k`.
    ///
    /// # Errors
    /// What is no requirement, and what one looks like.
    pub fn parse(text: &str) -> Result<Self, String> {
        split(text)
            .into_iter()
            .map(|part| Requirement::parse(part.trim()))
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// Whether all requirements hold for `labels`.
    #[must_use]
    pub fn takes(&self, labels: Option<&BTreeMap<String, String>>) -> bool {
        self.0.iter().all(|requirement| {
            let value = labels.and_then(|labels| labels.get(&requirement.key));
            match &requirement.test {
                Test::Exists => value.is_some(),
                Test::Missing => value.is_none(),
                Test::In(values) => value.is_some_and(|value| values.contains(value)),
                Test::NotIn(values) => value.is_none_or(|value| !values.contains(value)),
            }
        })
    }
}

impl Requirement {
    fn parse(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!("{text:?} is no requirement, such as app=web, app!=web, app in (web,api), app or !app")
        };
        let set = |word: &str| {
            let (key, values) = text.split_once(word)?;
            let values = values.trim().strip_prefix('(')?.strip_suffix(')')?;
            Some((key, values.split(',').map(|value| value.trim().to_owned()).collect::<Vec<_>>()))
        };
        let one = |value: &str| vec![value.trim().to_owned()];
        let (key, test) = if let Some((key, values)) = set(" notin ") {
            (key, Test::NotIn(values))
        } else if let Some((key, values)) = set(" in ") {
            (key, Test::In(values))
        } else if let Some((key, value)) = text.split_once("!=") {
            (key, Test::NotIn(one(value)))
        } else if let Some((key, value)) = text.split_once("==").or_else(|| text.split_once('=')) {
            (key, Test::In(one(value)))
        } else if let Some(key) = text.strip_prefix('!') {
            (key, Test::Missing)
        } else {
            (text, Test::Exists)
        };
        let key = key.trim();
        let is_label = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./".contains(&byte);
        if key.is_empty() || !key.bytes().all(is_label) {
            return Err(wrong());
        }
        let values = match &test {
            Test::Exists | Test::Missing => &[][..],
            Test::In(values) | Test::NotIn(values) => values,
        };
        if values.iter().any(|value| !value.bytes().all(is_label)) {
            return Err(wrong());
        }
        Ok(Self { key: key.to_owned(), test })
    }
}

/// At commas outside parentheses.
fn split(text: &str) -> Vec<&str> {
    let mut depth = 0_u32;
    text.split(|character| {
        match character {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        character == ',' && depth == 0
    })
    .filter(|part| !part.trim().is_empty())
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn takes(selector: &str, labels: &[(&str, &str)]) -> bool {
        let labels = labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        Selector::parse(selector).expect("a selector").takes(Some(&labels))
    }

    #[test]
    fn requirements_are_kubernetes_own() {
        let labels = [("team", "a"), ("env", "prod")];
        for yes in [
            "",
            "team=a",
            "team==a,env",
            "team in (a, b)",
            "env notin (dev)",
            "x!=y",
            "!x",
            "team in (a),env!=dev",
        ] {
            assert!(takes(yes, &labels), "{yes}");
        }
        for no in ["team=b", "x", "!env", "team in (b,c)", "env notin (prod,dev)", "x=y"] {
            assert!(!takes(no, &labels), "{no}");
        }
        assert!(Selector::parse("a").is_ok_and(|selector| !selector.takes(None)));
    }

    #[test]
    fn what_is_none_is_refused() {
        for wrong in ["=a", "a b", "a in b", "a=b c", "a in (b"] {
            assert!(Selector::parse(wrong).is_err(), "{wrong}");
        }
    }
}

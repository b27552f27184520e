//! The report as one HTML page that needs nothing else.

use super::report::{Finding, Report, Summary, Verdict};

pub(super) fn render(report: &Report) -> String {
    let Summary { honoured, without_effect, refused } = report.summary;
    let mut rows = String::new();
    for finding in &report.findings {
        rows.push_str(&row(finding));
    }
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<title>Moving to Jamul</title>\n<style>{STYLE}</style>\n\
         <h1>Moving to Jamul</h1>\n<p class=\"sum\"><b class=\"h\">{honoured}</b> honoured <b class=\"w\">{without_effect}</b> \
         accepted without effect <b class=\"r\">{refused}</b> refused</p>\n<table>\n<thead><tr><th>Verdict<th>Object<th>Key\
         <th>Value<th>What to do<th>Where</tr></thead>\n<tbody>\n{rows}</tbody>\n</table>\n</html>\n"
    )
}

fn row(finding: &Finding) -> String {
    let Finding { verdict, kind: _, object, key, value, advice, source } = finding;
    let class = match verdict {
        Verdict::Refused => "r",
        Verdict::WithoutEffect => "w",
        Verdict::Honoured => "h",
    };
    let [object, key, value, advice, source] = [object, key, value, advice, source].map(|text| escape(text));
    format!(
        "<tr><td><b class=\"{class}\">{}</b><td>{object}<td><code>{key}</code><td><code>{value}</code><td>{advice}\
         <td>{source}</tr>\n",
        verdict.name()
    )
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;margin:2rem;color-scheme:light dark}\
table{border-collapse:collapse}th,td{text-align:left;vertical-align:top;padding:.35rem .9rem .35rem 0;\
border-bottom:1px solid #8884}code{overflow-wrap:anywhere}.sum b{margin-left:1rem}b.h{color:#178a5a}b.w{color:#a06a00}\
b.r{color:#d03a30}";

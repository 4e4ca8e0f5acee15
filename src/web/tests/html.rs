//! A reader of the HTML that our templates write: enough of it to find what must not be there. Templates close all tags and
//! quote all attributes, so a strict reader does.

use std::collections::{BTreeMap, BTreeSet};

use regex::Regex;

const VOID: [&str; 5] = ["meta", "link", "input", "br", "img"];

struct Element {
    name: String,
    attributes: BTreeMap<String, String>,
    /// Index of the element it stands in.
    parent: Option<usize>,
}

impl Element {
    fn get(&self, attribute: &str) -> &str {
        self.attributes.get(attribute).map_or("", String::as_str)
    }

    fn has(&self, attribute: &str) -> bool {
        self.attributes.contains_key(attribute)
    }
}

/// Everything wrong with a page.
pub(super) fn problems(html: &str, lang: &str) -> Vec<String> {
    let mut problems = Vec::new();
    let elements = read(html, &mut problems);
    structure(&elements, lang, html, &mut problems);
    ids(&elements, &mut problems);
    forms(&elements, &mut problems);
    content_security(&elements, &mut problems);
    problems
}

fn read(html: &str, problems: &mut Vec<String>) -> Vec<Element> {
    let tag = Regex::new(r#"<(/?)([a-zA-Z][a-zA-Z0-9]*)((?:\s+[a-zA-Z:-]+(?:="[^"]*")?)*)\s*(/?)>"#).unwrap();
    let attribute = Regex::new(r#"([a-zA-Z:-]+)(?:="([^"]*)")?"#).unwrap();
    let mut elements: Vec<Element> = Vec::new();
    let mut open: Vec<usize> = Vec::new();
    for found in tag.captures_iter(html) {
        let name = found[2].to_owned();
        if &found[1] == "/" {
            match open.pop() {
                Some(top) if elements[top].name == name => {}
                top => problems.push(format!("`</{name}>` closes {:?}", top.map(|at| &elements[at].name))),
            }
            continue;
        }
        let attributes: BTreeMap<String, String> = attribute
            .captures_iter(&found[3])
            .map(|pair| (pair[1].to_owned(), pair.get(2).map_or("", |value| value.as_str()).to_owned()))
            .collect();
        elements.push(Element { name: name.clone(), attributes, parent: open.last().copied() });
        if &found[4] != "/" && !VOID.contains(&name.as_str()) {
            open.push(elements.len() - 1);
        }
    }
    if !open.is_empty() {
        problems.push(format!("never closed: {:?}", open.iter().map(|at| &elements[*at].name).collect::<Vec<_>>()));
    }
    let tags = tag.find_iter(html).count() + 1; // and the doctype
    if html.matches('<').count() != tags {
        problems.push(format!("{} `<` for {tags} tags", html.matches('<').count()));
    }
    elements
}

fn structure(elements: &[Element], lang: &str, html: &str, problems: &mut Vec<String>) {
    let count = |name: &str| elements.iter().filter(|element| element.name == name).count();
    for name in ["h1", "main", "title"] {
        if count(name) != 1 {
            problems.push(format!("{} `{name}`", count(name)));
        }
    }
    if elements.first().map(|html| html.get("lang")) != Some(lang) {
        problems.push("the language is not declared".to_owned());
    }
    if html.contains("<title> ·") || html.contains("<h1></h1>") {
        problems.push("a heading or title is empty".to_owned());
    }
}

fn ids(elements: &[Element], problems: &mut Vec<String>) {
    let mut ids = BTreeSet::new();
    for element in elements.iter().filter(|element| element.has("id")) {
        if !ids.insert(element.get("id")) {
            problems.push(format!("two `#{}`", element.get("id")));
        }
    }
    for element in elements {
        for reference in ["for", "aria-describedby", "aria-labelledby", "list"] {
            for id in element.get(reference).split_whitespace().filter(|id| !ids.contains(id)) {
                problems.push(format!("`{reference}` names `#{id}`, which is not there"));
            }
        }
    }
}

fn forms(elements: &[Element], problems: &mut Vec<String>) {
    let within = |mut at: usize, form: usize| {
        while let Some(parent) = elements[at].parent {
            if parent == form {
                return true;
            }
            at = parent;
        }
        false
    };
    for (at, form) in elements.iter().enumerate().filter(|(_, element)| element.name == "form") {
        let fields: Vec<&Element> = (0..elements.len()).filter(|i| within(*i, at)).map(|i| &elements[i]).collect();
        let token = fields.iter().any(|field| field.get("name") == "csrf_token" && field.get("type") == "hidden");
        let ours = form.get("action").starts_with('/');
        if token != (form.get("method") == "post" && ours) {
            problems.push(format!("the form to `{}` has a token: {token}", form.get("action")));
        }
        let id = form.get("id");
        let outside = elements.iter().filter(|element| !id.is_empty() && element.get("form") == id);
        let mut candidates = fields.iter().copied().chain(outside);
        if !candidates.any(|field| field.name == "button" && field.get("type") == "submit") {
            problems.push(format!("the form to `{}` has no button", form.get("action")));
        }
    }
    for field in elements.iter().filter(|e| matches!(e.name.as_str(), "input" | "select") && e.get("type") != "hidden")
    {
        let labelled = elements.iter().any(|label| label.name == "label" && label.get("for") == field.get("id"));
        if !field.has("id") || !labelled {
            problems.push(format!("`{}` has no label", field.get("name")));
        }
    }
    for image in elements.iter().filter(|element| element.name == "img" && !element.has("alt")) {
        problems.push(format!("`{}` has no alt", image.get("src")));
    }
}

/// The policy is `default-src 'none'` with styles, scripts and images from here only.
fn content_security(elements: &[Element], problems: &mut Vec<String>) {
    for element in elements {
        for name in element.attributes.keys().filter(|name| *name == "style" || name.starts_with("on")) {
            problems.push(format!("`{}` has `{name}`", element.name));
        }
        let loaded = match element.name.as_str() {
            "style" | "iframe" | "object" | "embed" | "base" => Some(""),
            "script" | "img" => Some(element.get("src")),
            "link" => Some(element.get("href")),
            _ => None,
        };
        if loaded.is_some_and(|address| !address.starts_with("/assets/")) {
            problems.push(format!("`{}` is inline or from elsewhere", element.name));
        }
    }
}

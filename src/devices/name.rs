//! What a list calls a browser: the browser and the system it runs on, as far as its User-Agent tells. A help for the eye and
//! nothing more: anybody can send any User-Agent, so nothing is decided on it.

use serde::{Deserialize, Serialize};

/// How much of a User-Agent is read.
const MOST_BYTES: usize = 512;

/// A word in the User-Agent and what it stands for. The first that matches counts: others claim to be Safari or Chrome too.
const BROWSERS: [(&str, &str); 12] = [
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("Vivaldi/", "Vivaldi"),
    ("FxiOS/", "Firefox"),
    ("Firefox/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("Chrome/", "Chrome"),
    ("Chromium/", "Chromium"),
    ("Safari/", "Safari"),
    ("curl/", "curl"),
    ("python-requests/", "Python"),
];

const SYSTEMS: [(&str, &str); 8] = [
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("CrOS", "ChromeOS"),
    ("Mac OS X", "macOS"),
    ("Macintosh", "macOS"),
    ("Linux", "Linux"),
];

/// Browser and system by name; either may be unknown.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct DeviceName {
    /// The browser's name.
    pub browser: Option<String>,
    /// The system's name.
    pub system: Option<String>,
}

impl DeviceName {
    /// Reads a User-Agent. Of what it says only names from our own table are kept.
    #[must_use]
    pub fn of_user_agent(user_agent: &str) -> Self {
        let end = user_agent.char_indices().map(|(at, _)| at).find(|at| *at >= MOST_BYTES).unwrap_or(user_agent.len());
        let read = user_agent.get(..end).unwrap_or_default();
        let found = |table: &[(&str, &str)]| {
            table.iter().find(|(word, _)| read.contains(word)).map(|(_, name)| (*name).to_owned())
        };
        Self { browser: found(&BROWSERS), system: found(&SYSTEMS) }
    }

    /// Both names, the same in every language: `Firefox, Windows`. `None` when neither is known.
    #[must_use]
    pub fn in_words(&self) -> Option<String> {
        let names: Vec<&str> = [&self.browser, &self.system].into_iter().flatten().map(String::as_str).collect();
        (!names.is_empty()).then(|| names.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn common_browsers_are_called_by_their_names() {
        for (user_agent, browser, system) in [
            ("Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:145.0) Gecko/20100101 Firefox/145.0", "Firefox", "Windows"),
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36 Edg/142.0.0.0",
                "Edge",
                "Windows",
            ),
            (
                "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/142.0.0.0 Safari/537.36",
                "Chrome",
                "Linux",
            ),
            (
                "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.0 Safari/605.1.15",
                "Safari",
                "macOS",
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) CriOS/142.0 Mobile/15E148 Safari/604.1",
                "Chrome",
                "iPhone",
            ),
            (
                "Mozilla/5.0 (Linux; Android 15; SM-S921B) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/28.0 Chrome/130.0.0.0 Mobile Safari/537.36",
                "Samsung Internet",
                "Android",
            ),
        ] {
            let name = DeviceName::of_user_agent(user_agent);
            assert_eq!(name, DeviceName { browser: Some(browser.to_owned()), system: Some(system.to_owned()) });
        }
    }

    #[test]
    fn nothing_that_somebody_sends_is_kept_as_it_is() {
        for sent in ["", "<script>alert(1)</script>", &"ä".repeat(5000)] {
            assert_eq!(DeviceName::of_user_agent(sent), DeviceName::default());
        }
        assert_eq!(DeviceName::of_user_agent(&format!("{}Firefox/1", "x".repeat(600))), DeviceName::default());
    }
}

//! Chromium, driven over WebDriver: what a person sees and presses, what assistive software finds, and pictures of it.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use fantoccini::error::CmdError;
use fantoccini::wd::WebDriverCompatibleCommand;
use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use tempfile::TempDir;
use url::{ParseError, Url};

use super::process::Process;
use super::repository;

/// How long a page may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// The themes a page has to do well in.
pub(crate) const THEMES: [&str; 2] = ["light", "dark"];

/// A browser with a profile of its own. Dropped, it is closed and its driver killed.
pub(crate) struct Browser {
    page: Client,
    session: String,
    address: String,
    scripts_stopped: AtomicBool,
    // Dropped last: the browser writes its profile until it is closed.
    _driver: Process,
    _profile: TempDir,
}

impl Browser {
    /// Starts one.
    pub(crate) async fn start() -> Self {
        let driver = Process::start("chromedriver", Command::new("chromedriver").arg("--port=0"));
        let port = driver.wait_for("started successfully on port ", PATIENCE).unwrap_or_else(|log| panic!("{log}"));
        let address = format!("127.0.0.1:{}", port.trim_end_matches('.'));
        let profile = tempfile::Builder::new().prefix("cedargate-chromium-").tempdir().unwrap();
        let wishes = json!({
            "goog:chromeOptions": { "args": [
                "--headless=new",
                // Chromium's sandbox needs rights that neither root nor a container has. It sees our own pages only.
                "--no-sandbox",
                "--disable-dev-shm-usage",
                "--disable-gpu",
                "--no-first-run",
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
                "--lang=en",
                // Whatever a page asks for, nothing outside this machine is reached.
                "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1",
                format!("--user-data-dir={}", profile.path().display()),
            ] },
            "timeouts": { "pageLoad": PATIENCE.as_millis(), "script": PATIENCE.as_millis() },
        });
        let Value::Object(wishes) = wishes else { unreachable!("written as an object") };
        let page = ClientBuilder::new(HttpConnector::new())
            .capabilities(wishes)
            .connect(&format!("http://{address}"))
            .await
            .unwrap_or_else(|error| panic!("no browser: {error}\n{}", driver.log()));
        let session = page.session_id().await.unwrap().unwrap();
        let browser = Self {
            page,
            session,
            address,
            scripts_stopped: AtomicBool::new(false),
            _driver: driver,
            _profile: profile,
        };
        browser.resize(1280, 900).await;
        browser
    }

    pub(crate) async fn open(&self, address: &str) {
        self.page.goto(address).await.unwrap();
    }

    /// The address shown.
    pub(crate) async fn url(&self) -> Url {
        self.page.current_url().await.unwrap()
    }

    pub(crate) async fn title(&self) -> String {
        self.page.title().await.unwrap()
    }

    /// The text a person sees.
    pub(crate) async fn text(&self) -> String {
        self.page.find(Locator::Css("body")).await.unwrap().text().await.unwrap()
    }

    /// Waits for an element, which ends any page load before.
    pub(crate) async fn wait_for(&self, selector: &str) {
        let found = self.page.wait().at_most(PATIENCE).for_element(Locator::Css(selector)).await;
        if let Err(error) = found {
            panic!("`{selector}` does not appear at {}: {error}\n{}", self.url().await, self.text().await);
        }
    }

    /// Types into the field called `name`, in place of what it holds.
    pub(crate) async fn fill(&self, name: &str, value: &str) {
        let selector = format!("[name={name}]:not([type=hidden])");
        self.wait_for(&selector).await;
        let field = self.page.find(Locator::Css(&selector)).await.unwrap();
        field.clear().await.unwrap();
        field.send_keys(value).await.unwrap();
    }

    /// Presses the first button or link that shows or is called `words`.
    pub(crate) async fn press(&self, words: &str) {
        let path = format!(
            "//*[self::button or self::a or self::summary][contains(normalize-space(.), '{words}') or contains(@aria-label, '{words}')]"
        );
        let found = self.page.wait().at_most(PATIENCE).for_element(Locator::XPath(&path)).await;
        match found {
            Ok(element) => element.click().await.unwrap(),
            Err(error) => panic!("nothing to press says `{words}`: {error}\n{}", self.text().await),
        }
    }

    /// Presses keys where the focus is; `\u{E004}` is Tab, `\u{E007}` Enter.
    pub(crate) async fn keys(&self, keys: &str) {
        self.page.active_element().await.unwrap().send_keys(keys).await.unwrap();
    }

    /// The attribute `name` of the element that has the focus.
    pub(crate) async fn focused(&self, name: &str) -> Option<String> {
        self.page.active_element().await.unwrap().attr(name).await.unwrap()
    }

    pub(crate) async fn back(&self) {
        self.page.back().await.unwrap();
    }

    /// Lays the page out for a window of this size.
    pub(crate) async fn resize(&self, width: u32, height: u32) {
        let metrics = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.command("Emulation.setDeviceMetricsOverride", metrics).await;
    }

    /// Prefers the theme `light` or `dark`.
    pub(crate) async fn theme(&self, theme: &str) {
        let wish = json!({ "features": [{ "name": "prefers-color-scheme", "value": theme }] });
        self.command("Emulation.setEmulatedMedia", wish).await;
    }

    /// Stops the pages' own scripts from the next page load on.
    pub(crate) async fn stop_scripts(&self) {
        self.scripts_stopped.store(true, Ordering::SeqCst);
        self.command("Emulation.setScriptExecutionDisabled", json!({ "value": true })).await;
    }

    /// Keeps a picture in `test-output/screenshots`.
    pub(crate) async fn screenshot(&self, name: &str) {
        let folder = repository("test-output/screenshots");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(format!("{name}.png")), self.page.screenshot().await.unwrap()).unwrap();
    }

    /// Pictures of the page in both themes, for a desktop and a phone; axe-core finds nothing in either theme, and at 320
    /// pixels nothing runs out of the page sideways.
    pub(crate) async fn look(&self, name: &str) {
        for theme in THEMES {
            self.theme(theme).await;
            self.resize(360, 740).await;
            self.screenshot(&format!("{name}-{theme}-phone")).await;
            self.resize(1280, 900).await;
            self.screenshot(&format!("{name}-{theme}")).await;
            let violations = self.axe().await;
            assert!(violations.is_empty(), "axe-core on {name}, {theme}:\n{}", violations.join("\n"));
        }
        self.theme("light").await;
        self.resize(320, 740).await;
        let sideways =
            self.evaluate("return document.documentElement.scrollWidth - document.documentElement.clientWidth").await;
        assert_eq!(sideways, json!(0), "{name} runs out of the page at 320 pixels");
        self.resize(1280, 900).await;
    }

    /// What axe-core finds wrong with the page: rule, help and the elements.
    pub(crate) async fn axe(&self) -> Vec<String> {
        let script = format!(
            "const done = arguments[arguments.length - 1];\n{}\n\
             axe.run(document, {{ resultTypes: ['violations'] }}).then(result => done({{ violations: result.violations }}), \
             error => done({{ error: String(error) }}));",
            axe_source()
        );
        // axe-core waits for things, which nothing can while scripts are stopped. Those of the page stay as they are: they had
        // their turn when it was loaded.
        let stopped = self.scripts_stopped.load(Ordering::SeqCst);
        if stopped {
            self.command("Emulation.setScriptExecutionDisabled", json!({ "value": false })).await;
        }
        let result = self.page.execute_async(&script, vec![]).await.unwrap();
        if stopped {
            self.command("Emulation.setScriptExecutionDisabled", json!({ "value": true })).await;
        }
        let Some(violations) = result["violations"].as_array() else { panic!("axe-core did not run: {result}") };
        violations
            .iter()
            .map(|found| {
                let nodes: Vec<_> =
                    found["nodes"].as_array().unwrap().iter().map(|node| node["html"].to_string()).collect();
                format!("{} ({}): {}", found["id"], found["help"], nodes.join(" "))
            })
            .collect()
    }

    /// Runs a script of the test in the page.
    pub(crate) async fn evaluate(&self, script: &str) -> Value {
        self.page.execute(script, vec![]).await.unwrap()
    }

    async fn command(&self, name: &'static str, parameters: Value) {
        self.page
            .issue_cmd(DevTools { name, parameters })
            .await
            .unwrap_or_else(|error: CmdError| panic!("{name}: {error}"));
    }
}

fn axe_source() -> String {
    let libraries = repository(".venv/lib");
    let file = fs::read_dir(&libraries)
        .unwrap_or_else(|error| panic!("{}: {error}; `make tools` installs what tests call", libraries.display()))
        .map(|python| python.unwrap().path().join("site-packages/axe_playwright_python/axe.min.js"))
        .find(|file| file.exists())
        .expect("axe.min.js lies in the Python environment");
    fs::read_to_string(file).unwrap()
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Chromium outlives a killed driver, so the session is ended first; not through the client, which needs a runtime that
        // may be going away. The answer comes when Chromium has gone. A driver that is gone already closed it.
        if let Ok(mut stream) = TcpStream::connect(&self.address) {
            let request = format!(
                "DELETE /session/{} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
                self.session, self.address
            );
            let _ = stream.set_read_timeout(Some(PATIENCE));
            let _ = stream.write_all(request.as_bytes());
            let _ = stream.read(&mut [0; 64]);
        }
    }
}

/// A command of the DevTools protocol, which chromedriver passes on.
#[derive(Debug)]
struct DevTools {
    name: &'static str,
    parameters: Value,
}

impl WebDriverCompatibleCommand for DevTools {
    fn endpoint(&self, base: &Url, session: Option<&str>) -> Result<Url, ParseError> {
        base.join(&format!("session/{}/goog/cdp/execute", session.unwrap_or_default()))
    }

    fn method_and_body(&self, _: &Url) -> (reqwest::Method, Option<String>) {
        (reqwest::Method::POST, Some(json!({ "cmd": self.name, "params": self.parameters }).to_string()))
    }
}

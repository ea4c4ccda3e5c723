//! Chromium without a window, told what to do over a pipe: its DevTools protocol, as far as these tests need it.
//!
//! The pipe ends with the process that holds it, and Chromium ends with the pipe: nothing is left running. A crate for this
//! protocol would bring some hundred others.

use std::{
    env,
    io::{BufRead, BufReader, Write},
    os::unix::process::CommandExt,
    path::PathBuf,
    process::{Child, ChildStdin, Command, Stdio},
    sync::mpsc::{Receiver, channel},
    thread,
};

use nix::{
    sys::signal::{Signal, killpg},
    unistd::{Pid, Uid},
};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::running::{DEADLINE, until};

/// A browser with one page; ended when it is dropped.
pub struct Chromium {
    child: Child,
    writes: ChildStdin,
    reads: Receiver<Value>,
    last: u64,
    session: Option<String>,
    /// Errors and warnings of the page's console, and of what it could not load.
    pub complaints: Vec<String>,
    _profile: TempDir,
}

/// The program: `SEALANETEST_CHROMIUM` names it, or it stands in the path under one of its names.
fn program() -> PathBuf {
    if let Some(named) = env::var_os("SEALANETEST_CHROMIUM") {
        return named.into();
    }
    let path = env::var_os("PATH").unwrap_or_default();
    let names = ["chromium", "chromium-browser", "google-chrome"];
    let folders: Vec<_> = env::split_paths(&path).collect();
    let places = names
        .iter()
        .flat_map(|name| folders.iter().map(move |folder| folder.join(name)));
    let mac = "/Applications/Chromium.app/Contents/MacOS/Chromium";
    let mut places = places.chain([PathBuf::from(mac)]);
    places.find(|place| place.is_file()).expect(
        "there is no Chromium: install it (Debian: apt-get install chromium), or name its program in SEALANETEST_CHROMIUM",
    )
}

/// Whether there shall be a browser: `tests/run` says `none` where none can be had.
pub fn is_wanted() -> bool {
    env::var_os("SEALANETEST_CHROMIUM").is_none_or(|named| named != "none")
}

impl Chromium {
    pub fn open(url: &str) -> Self {
        let profile = tempfile::tempdir().unwrap();
        // It reads what it is told from descriptor 3 and answers on 4. What it says otherwise goes with the errors.
        let mut command = Command::new("sh");
        command
            .args(["-c", "exec \"$@\" 3<&0 4>&1 1>&2", "sh"])
            .arg(program())
            .args([
                "--headless",
                "--remote-debugging-pipe",
                "--no-first-run",
                "--disable-gpu",
            ])
            .args([
                "--disable-dev-shm-usage",
                "--disable-background-networking",
                "--window-size=1280,1000",
            ])
            .arg(format!("--user-data-dir={}", profile.path().display()));
        if Uid::effective().is_root() {
            // Nothing but the shop is opened in it.
            command.arg("--no-sandbox");
        }
        command
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        let writes = child.stdin.take().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let (sender, reads) = channel();
        thread::spawn(move || {
            let mut message = Vec::new();
            while stdout
                .read_until(0, &mut message)
                .is_ok_and(|length| length > 0)
            {
                message.pop();
                if sender
                    .send(serde_json::from_slice(&message).unwrap())
                    .is_err()
                {
                    return;
                }
                message.clear();
            }
        });
        let mut browser = Self {
            child,
            writes,
            reads,
            last: 0,
            session: None,
            complaints: Vec::new(),
            _profile: profile,
        };
        browser.open_page(url);
        browser
    }

    fn open_page(&mut self, url: &str) {
        let target = self.call("Target.createTarget", json!({ "url": "about:blank" }));
        let attach = json!({ "targetId": target["targetId"], "flatten": true });
        let attached = self.call("Target.attachToTarget", attach);
        self.session = attached["sessionId"].as_str().map(str::to_owned);
        for domain in ["Runtime", "Log", "Page"] {
            self.call(&format!("{domain}.enable"), json!({}));
        }
        self.call("Page.navigate", json!({ "url": url }));
        self.until("document.readyState === 'complete'");
    }

    /// Calls a method, and notes what happens meanwhile.
    pub fn call(&mut self, method: &str, params: Value) -> Value {
        self.last += 1;
        let mut message = json!({ "id": self.last, "method": method, "params": params });
        if let Some(session) = &self.session {
            message["sessionId"] = json!(session);
        }
        let mut text = message.to_string().into_bytes();
        text.push(0);
        self.writes.write_all(&text).unwrap();
        loop {
            let answer = self.reads.recv_timeout(DEADLINE);
            let mut answer = answer.unwrap_or_else(|err| panic!("no answer to {method}: {err}"));
            if answer["id"] == self.last {
                assert!(answer["error"].is_null(), "{method}: {}", answer["error"]);
                return answer["result"].take();
            }
            self.note(&answer);
        }
    }

    fn note(&mut self, event: &Value) {
        let params = &event["params"];
        let complaint = match event["method"].as_str() {
            Some("Runtime.exceptionThrown") => Some(params["exceptionDetails"].to_string()),
            Some("Runtime.consoleAPICalled") if params["type"] != "log" => {
                Some(params["args"].to_string())
            }
            Some("Log.entryAdded") if params["entry"]["level"] != "info" => {
                Some(params["entry"].to_string())
            }
            _ => None,
        };
        self.complaints.extend(complaint);
    }

    /// The value of an expression of the page.
    pub fn value(&mut self, expression: &str) -> Value {
        let asked =
            json!({ "expression": expression, "returnByValue": true, "awaitPromise": true });
        let mut answer = self.call("Runtime.evaluate", asked);
        assert!(
            answer["exceptionDetails"].is_null(),
            "{expression}: {answer}"
        );
        answer["result"]["value"].take()
    }

    /// Waits until an expression is true.
    pub fn until(&mut self, expression: &str) {
        until(expression, || match self.value(expression) {
            Value::Bool(true) => Ok(()),
            other => Err(format!(
                "{other}; {}",
                self.value("document.body.innerText")
            )),
        });
    }

    /// Waits until an element shows this text.
    pub fn until_in(&mut self, id: &str, text: &str) {
        let shown = format!("(document.getElementById('{id}')?.innerText ?? '')");
        self.until(&format!("{shown}.includes('{text}')"));
    }

    /// Clicks in the middle of an element, as a hand would.
    pub fn click(&mut self, selector: &str) {
        let place = format!(
            "(() => {{ const e = document.querySelector('{selector}'); e.scrollIntoView({{ block: 'center' }}); \
             const r = e.getBoundingClientRect(); return [r.x + r.width / 2, r.y + r.height / 2]; }})()"
        );
        let place = self.value(&place);
        for kind in ["mousePressed", "mouseReleased"] {
            let click = json!({ "type": kind, "x": place[0], "y": place[1], "button": "left", "clickCount": 1 });
            self.call("Input.dispatchMouseEvent", click);
        }
    }

    /// The whole page as a picture, a PNG.
    pub fn screenshot(&mut self) -> Vec<u8> {
        let size = self.call("Page.getLayoutMetrics", json!({}));
        let size = &size["cssContentSize"];
        let all = json!({ "x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 0.85 });
        let asked = json!({ "format": "png", "captureBeyondViewport": true, "clip": all });
        let picture = self.call("Page.captureScreenshot", asked);
        decoded(picture["data"].as_str().unwrap())
    }
}

/// The bytes that a text in base64 stands for.
fn decoded(text: &str) -> Vec<u8> {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digits = text.trim_end_matches('=').bytes();
    let digits: Vec<u32> = digits
        .map(|byte| {
            DIGITS
                .iter()
                .position(|digit| *digit == byte)
                .unwrap()
                .try_into()
                .unwrap()
        })
        .collect();
    let bytes = digits.chunks(4).flat_map(|four| {
        let number =
            four.iter().fold(0, |number, digit| number << 6 | digit) << (6 * (4 - four.len()));
        number
            .to_be_bytes()
            .into_iter()
            .skip(1)
            .take(four.len() - 1)
    });
    bytes.collect()
}

impl Drop for Chromium {
    fn drop(&mut self) {
        // Its helpers are in its group.
        let group = Pid::from_raw(self.child.id().try_into().unwrap());
        let _ = killpg(group, Signal::SIGKILL);
        let _ = self.child.wait();
    }
}

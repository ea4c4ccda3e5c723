//! A shop in a process of its own, and a visitor of it.

use std::{
    cell::RefCell,
    io::{BufRead, BufReader, Read},
    process::{Child, ChildStdout, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

/// What is waited for is there in moments; a machine that is busy with other tests takes longer.
pub const DEADLINE: Duration = Duration::from_secs(60);

/// Looks again and again until there is something.
pub fn until<T>(what: &str, mut look: impl FnMut() -> Result<T, String>) -> T {
    let begun = Instant::now();
    loop {
        match look() {
            Ok(found) => return found,
            Err(last) if begun.elapsed() > DEADLINE => {
                panic!("not {what} within {DEADLINE:?}; last: {last}")
            }
            Err(_) => thread::sleep(Duration::from_millis(20)),
        }
    }
}

/// Killed when it is dropped.
pub struct Running {
    child: Child,
    says: BufReader<ChildStdout>,
    pub url: String,
}

impl Running {
    pub fn start(args: &[&str]) -> Self {
        Self::with(args, &[])
    }

    /// With variables of the environment, which has none of this one's servers.
    pub fn with(args: &[&str], variables: &[(&str, &str)]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_sealane-shop"))
            .args(["--port", "0"])
            .args(args)
            .env_remove("DATABASE_URL")
            .env_remove("DATABASE_REPLICA_URLS")
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut says = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        says.read_line(&mut line).unwrap();
        let url = line.trim().strip_prefix("the shop is open: ");
        let url = url.unwrap_or_else(|| panic!("it said `{line}`")).to_owned();
        Self { child, says, url }
    }

    pub fn visitor(&self) -> Visitor {
        Visitor::of(&self.url)
    }

    /// Asks it to end, as an orchestrator does.
    pub fn ask_to_end(&self) {
        kill(
            Pid::from_raw(self.child.id().try_into().unwrap()),
            Signal::SIGTERM,
        )
        .unwrap();
    }

    /// How it ended, and what it said since it was open.
    pub fn ended(mut self) -> (ExitStatus, String) {
        let status = until("ended", || {
            self.child
                .try_wait()
                .unwrap()
                .ok_or_else(|| "it runs".to_owned())
        });
        let mut said = String::new();
        self.says.read_to_string(&mut said).unwrap();
        (status, said)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Servers that it started go with it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A client that keeps the cookies it is given.
pub struct Visitor {
    agent: ureq::Agent,
    url: String,
    pub cookie: RefCell<Option<String>>,
}

/// An answer, read to its end.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub location: Option<String>,
    pub body: String,
}

impl Visitor {
    pub fn of(url: &str) -> Self {
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .timeout_global(Some(DEADLINE));
        Self {
            agent: config.build().into(),
            url: url.to_owned(),
            cookie: RefCell::new(None),
        }
    }

    pub fn get(&self, path: &str) -> Answer {
        let request = self.agent.get(format!("{}{path}", self.url));
        let cookie = self.cookie.borrow().clone();
        let request = request.header("cookie", cookie.unwrap_or_default());
        self.answer(request.call().unwrap())
    }

    pub fn post(&self, path: &str, form: &[(&str, &str)]) -> Answer {
        let request = self.agent.post(format!("{}{path}", self.url));
        let cookie = self.cookie.borrow().clone();
        let request = request.header("cookie", cookie.unwrap_or_default());
        self.answer(request.send_form(form.iter().copied()).unwrap())
    }

    /// Presses a button that the page has.
    pub fn press(&self, act: &str) {
        let answer = self.post(&format!("/servers/{act}"), &[]);
        assert_eq!(answer.status, 303, "{act}: {}", answer.body);
    }

    /// Buys one article, and loads the page that the answer leads to.
    pub fn buy(&self, key: &str) -> Answer {
        let answer = self.post("/orders", &[("article", "1"), ("key", key)]);
        assert_eq!(answer.status, 303, "{}", answer.body);
        self.get(&answer.location.unwrap())
    }

    /// The body of the shop's stream, to be read from.
    pub fn stream(&self) -> impl BufRead + use<> {
        let answer = self.agent.get(format!("{}/live", self.url)).call().unwrap();
        BufReader::new(answer.into_body().into_reader())
    }

    fn answer(&self, mut answer: ureq::http::Response<ureq::Body>) -> Answer {
        let header = |name| {
            let value = answer.headers().get(name)?;
            Some(value.to_str().unwrap().to_owned())
        };
        let location = header("location");
        if let Some(given) = header("set-cookie") {
            let pair = given.split(';').next().map(str::to_owned);
            self.cookie.replace(pair);
        }
        Answer {
            status: answer.status().as_u16(),
            location,
            body: answer.body_mut().read_to_string().unwrap(),
        }
    }
}

impl Answer {
    /// What stands in a part of the page, as text without its tags.
    pub fn part(&self, id: &str) -> String {
        let from = self.body.split(&format!("id=\"{id}\"")).nth(1);
        let from = from.unwrap_or_else(|| panic!("no part `{id}` in {}", self.body));
        let section = from.split("</section>").next().unwrap();
        let texts = section.split('>').skip(1);
        texts.filter_map(|piece| piece.split('<').next()).collect()
    }
}

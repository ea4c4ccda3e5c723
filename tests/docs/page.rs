//! A page of texts that users read, held against a file: whoever changes a text reads it where its neighbours stand.
//!
//! `SEALANETEST_WRITE_PAGES=1 cargo test --test docs` writes the files anew; read the difference before it is committed.

use std::{fmt::Display, fs, path::Path};

/// Sections of what was given and what was answered.
pub struct Page {
    text: String,
    /// What differs from run to run, and what stands for it in the file.
    varying: Vec<(String, &'static str)>,
}

impl Page {
    pub fn new(varying: Vec<(String, &'static str)>) -> Self {
        Self {
            text: String::new(),
            varying,
        }
    }

    /// A new section. No text may show the password that all inputs of these pages have.
    pub fn add(&mut self, title: &str, given: &[&str], answer: impl Display) {
        let answer = answer.to_string();
        assert!(!answer.contains("hunter2"), "{title}: {answer}");
        self.text += &format!("## {title}\n\n");
        for line in given {
            self.text += &format!("> {line}\n");
        }
        self.text += &format!("{}\n\n", self.settled(answer));
    }

    fn settled(&self, mut text: String) -> String {
        for (from, to) in &self.varying {
            text = text.replace(from, to);
        }
        // Where in its own source PostgreSQL raised it.
        let mut parts = text.split(" at line ");
        let first = parts.next().unwrap_or_default().to_owned();
        parts.fold(first, |text, part| {
            text + " at line N" + part.trim_start_matches(|c: char| c.is_ascii_digit())
        })
    }

    /// Fails where the file of this name says something else.
    pub fn check(&self, file: &str) {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/docs")
            .join(file);
        let text = self.settled(self.text.clone());
        if std::env::var_os("SEALANETEST_WRITE_PAGES").is_some() {
            fs::write(&path, &text).unwrap();
        }
        let wanted = fs::read_to_string(&path).unwrap_or_default();
        let differs = text.lines().zip(wanted.lines()).find(|(is, was)| is != was);
        assert!(
            text == wanted,
            "{file} differs, first here: {differs:#?}\nThe page is now:\n{text}"
        );
    }
}

//! The command line, run as a user runs it.
#![expect(clippy::unwrap_used, reason = "a test's failure is its report")]

use std::io::Write;
use std::process::{Command, Output, Stdio};

fn run(arguments: &[&str], input: &[u8]) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_sealane"))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    // From a thread of its own: the command answers while it is still being asked.
    let writer = std::thread::spawn(move || {
        let _ = stdin.write_all(&input);
    });
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    output
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[test]
fn a_statement_is_answered_with_intent_reason_and_part() {
    let output = run(
        &["intent", "--backend", "postgres", "SELECT nextval('sq')"],
        b"",
    );
    assert!(output.status.success());
    assert_eq!(
        text(&output.stdout),
        "intent: write\nreason: write\ndecided by: function nextval\n"
    );
}

#[test]
fn without_an_argument_the_statement_is_read_from_standard_input() {
    let output = run(&["intent", "--backend", "sqlite"], b"SELECT 1\n");
    assert!(text(&output.stdout).starts_with("intent: read\nreason: replica\n"));
    let output = run(&["intent", "--backend", "mysql"], b"SELECT '\xff'\n");
    assert!(output.status.success());
}

/// One line for each line, in order, whatever they hold.
#[test]
fn json_lines_are_answered_in_order_and_never_stop_it() {
    let input = b"{\"sql\": \"SELECT 1\", \"id\": 7}\n\
        {\"sql\": \"DELETE FROM t\"}\n\
        not json\n\
        {\"no\": \"sql\"}\n\
        {\"sql\": 42}\n\
        \xff\xfe\n\
        \n\
        [1]\n\
        {\"sql\": \"SELECT currval('s')\"}\n\
        {\"sql\": \"SELECT '\"}\n\
        {\"sql\": \"SELECT \\u0000\"}\n\
        {\"sql\": \"SELECT 2\"}";
    let output = run(&["intent", "--backend", "postgres", "--json"], input);
    assert!(output.status.success());
    let unparsed = r#"{"intent":"primary","reason":"unparsed"}"#;
    let read = r#"{"intent":"read","reason":"replica"}"#;
    let expected = [
        read,
        r#"{"intent":"write","reason":"write"}"#,
        unparsed,
        unparsed,
        unparsed,
        unparsed,
        unparsed,
        unparsed,
        r#"{"intent":"session","reason":"session_state"}"#,
        unparsed,
        unparsed,
        read,
    ];
    assert_eq!(text(&output.stdout).lines().collect::<Vec<_>>(), expected);
    assert!(output.stderr.is_empty());
}

/// A reader who has seen enough is no failure.
#[test]
fn a_closed_pipe_ends_the_command_quietly() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_sealane"))
        .args(["intent", "--backend", "postgres", "--json"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let mut stdin = child.stdin.take().unwrap();
    for _ in 0..1_000 {
        if stdin.write_all(b"{\"sql\": \"SELECT 1\"}\n").is_err() {
            break;
        }
    }
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    assert!(output.stderr.is_empty(), "{}", text(&output.stderr));
}

#[test]
fn usage_errors_say_what_is_wrong() {
    for (arguments, expected) in [
        (vec!["intent", "SELECT 1"], "--backend"),
        (
            vec!["intent", "--backend", "oracle", "SELECT 1"],
            "postgres",
        ),
        (
            vec!["intent", "--backend", "sqlite", "--json", "SELECT 1"],
            "--json",
        ),
        (vec![], "intent"),
    ] {
        let output = run(&arguments, b"");
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(
            text(&output.stderr).contains(expected),
            "{}",
            text(&output.stderr)
        );
    }
}

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

fn doctor(variables: &[(&str, &str)]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_sealane"))
        .args(["doctor", "--watch", "10ms"])
        .env_clear()
        .envs(variables.iter().copied())
        .output()
        .unwrap()
}

/// What an application would refuse to start with, all of it at once.
#[test]
fn the_doctor_names_each_variable_that_is_wrong() {
    let output = doctor(&[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stdout).starts_with("error: DATABASE_URL: is not set"));
    let output = doctor(&[
        ("DATABASE_URL", "postgres://app:hidden@db1/app"),
        ("SEALANE_MAX_CONNECTIONS", "many"),
        ("SEALANE_CHECK_INTERVALL", "1s"),
    ]);
    let told = text(&output.stdout);
    assert_eq!(output.status.code(), Some(1));
    for part in [
        "error: SEALANE_MAX_CONNECTIONS: ",
        "error: SEALANE_CHECK_INTERVALL: ",
    ] {
        assert!(told.contains(part), "{told}");
    }
    assert!(!told.contains("hidden"), "{told}");
}

#[test]
fn the_doctor_tells_what_does_not_answer_and_what_is_well() {
    let output = doctor(&[(
        "DATABASE_URL",
        "postgres://app:hidden@127.0.0.1:1/app?name=main",
    )]);
    let told = text(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(
        told.contains("error: main: gives no connection: "),
        "{told}"
    );
    assert!(told.contains("error: no primary answers: "), "{told}");
    assert!(!told.contains("hidden"), "{told}");

    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}?mode=rwc", folder.path().join("app.db").display());
    let output = doctor(&[("DATABASE_URL", &url)]);
    let told = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{told}");
    assert!(told.contains("app.db (readers)  SQLite "), "{told}");
    assert!(told.ends_with("\nnothing is wrong\n"), "{told}");
}

/// An application's page of metrics, answered so often.
fn serve(page: &'static str, answers: usize) -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/metrics", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming().take(answers) {
            let mut stream = stream.unwrap();
            let mut asked = [0; 4096];
            let _ = std::io::Read::read(&mut stream, &mut asked).unwrap();
            let head = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-type: text/plain\r\n";
            write!(stream, "{head}content-length: {}\r\n\r\n{page}", page.len()).unwrap();
        }
    });
    url
}

const PAGE: &str = "\
# TYPE sealane_node_role gauge
sealane_node_role{cluster=\"main\",node=\"db1\",role=\"primary\"} 1
sealane_node_role{cluster=\"main\",node=\"db2\",role=\"replica\"} 1
sealane_node_eligible{cluster=\"main\",node=\"db2\",reason=\"lagging\"} 1
sealane_node_lag_seconds{cluster=\"main\",node=\"db2\"} 42.5
";

#[test]
fn top_prints_one_screen_of_an_applications_metrics() {
    let url = serve(PAGE, 2);
    let arguments = ["top", "--metrics", &url, "--once", "--every", "10ms"];
    let output = run(&arguments, b"");
    let told = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{told}");
    assert!(told.starts_with("cluster main   primary db1"), "{told}");
    assert!(told.contains("lagging") && told.contains("42.5s"), "{told}");
}

#[test]
fn top_says_what_it_lacks() {
    let url = serve(PAGE, 1);
    let arguments = ["top", "--metrics", &url, "--once", "--every", "10ms"];
    let output = run(&arguments, b"");
    let told = text(&output.stdout);
    assert_eq!(
        output.status.code(),
        Some(1),
        "an old screen is none: {told}"
    );
    assert!(
        told.contains("OLD: ") && told.contains("does not answer"),
        "{told}"
    );

    let output = run(&["top", "--metrics", "localhost:9000"], b"");
    assert!(text(&output.stderr).contains("--metrics wants a URL"));
    // The tests' standard output is a pipe.
    let output = run(&["top", "--metrics", "http://127.0.0.1:1/metrics"], b"");
    assert!(text(&output.stderr).contains("--once prints one screen"));
    let output = Command::new(env!("CARGO_BIN_EXE_sealane"))
        .args(["top", "--once"])
        .env_clear()
        .output();
    let told = output.unwrap().stderr;
    assert!(text(&told).contains("DATABASE_URL"), "{}", text(&told));
}

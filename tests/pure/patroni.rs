//! A question to Patroni's interface: whom it goes to, and as whom (rule T12).

use std::{
    io::{Read, Write},
    net::TcpListener,
    path::PathBuf,
    thread::JoinHandle,
};

use super::{File, Files, get};

/// A server that answers one question so, and gives back what it was asked.
fn server(answer: String) -> (String, JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/cluster", listener.local_addr().unwrap());
    let asked = std::thread::spawn(move || {
        let mut client = listener.accept().unwrap().0;
        let (mut asked, mut part) = (String::new(), [0; 1024]);
        while !asked.ends_with("\r\n\r\n") {
            let length = client.read(&mut part).unwrap();
            asked += std::str::from_utf8(&part[..length]).unwrap();
        }
        client.write_all(answer.as_bytes()).unwrap();
        asked
    });
    (url, asked)
}

fn files(login: Option<PathBuf>) -> Files {
    let setting = "SEALANE_DISCOVERY_LOGIN_FILE".to_owned();
    Files {
        authorities: None,
        certificate: None,
        key: None,
        login: login.map(|path| File { setting, path }),
    }
}

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}";

#[test]
fn a_login_is_read_from_its_file_and_a_line_break_is_no_part_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("login");
    for text in ["ann:se:cret", "ann:se:cret\r\n"] {
        std::fs::write(&path, text).unwrap();
        let (url, asked) = server(OK.to_owned());
        assert_eq!(get(&url, &files(Some(path.clone()))).unwrap(), "{}");
        let asked = asked.join().unwrap().to_ascii_lowercase();
        // `ann:se:cret`
        let wanted = "authorization: basic yw5uonnlomnyzxq=";
        assert!(asked.contains(wanted), "{asked}");
    }
    let (url, asked) = server(OK.to_owned());
    get(&url, &files(None)).unwrap();
    assert!(
        !asked
            .join()
            .unwrap()
            .to_ascii_lowercase()
            .contains("authorization")
    );
}

#[test]
fn a_redirect_is_not_followed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("login");
    std::fs::write(&path, "ann:secret").unwrap();
    let elsewhere = TcpListener::bind("127.0.0.1:0").unwrap();
    elsewhere.set_nonblocking(true).unwrap();
    for code in [301, 302, 307, 308] {
        let to = elsewhere.local_addr().unwrap();
        let (url, asked) = server(format!(
            "HTTP/1.1 {code} Moved\r\nLocation: http://{to}/cluster\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        ));
        let err = get(&url, &files(Some(path.clone())))
            .unwrap_err()
            .to_string();
        assert!(err.contains("redirect is not followed"), "{err}");
        asked.join().unwrap();
        assert!(elsewhere.accept().is_err(), "nobody came there");
    }
}

#[test]
fn a_file_that_is_no_login_is_named_and_not_shown() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("login");
    for text in ["secret", "", "ann:secret\nanother:secret\n"] {
        std::fs::write(&path, text).unwrap();
        let err = get("http://127.0.0.1:1/cluster", &files(Some(path.clone())));
        let err = err.unwrap_err().to_string();
        assert!(
            err.contains("SEALANE_DISCOVERY_LOGIN_FILE") && err.contains("`user:password`"),
            "{err}"
        );
        assert!(!err.contains("secret"), "{err}");
    }
    let err = get(
        "http://127.0.0.1:1/cluster",
        &files(Some(folder.path().join("nowhere"))),
    );
    let err = err.unwrap_err().to_string();
    assert!(
        err.contains("SEALANE_DISCOVERY_LOGIN_FILE cannot be read"),
        "{err}"
    );
}

#[test]
fn an_answer_that_is_no_success_says_its_status() {
    let (url, asked) = server(
        "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".to_owned(),
    );
    let err = get(&url, &files(None)).unwrap_err().to_string();
    assert!(err.contains("401"), "{err}");
    asked.join().unwrap();
}

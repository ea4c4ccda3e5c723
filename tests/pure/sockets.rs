//! Sockets whose other side has ended, and which are ours (rules C7, T9).

use std::{
    io::{ErrorKind, Read, Write},
    net::{TcpListener, TcpStream},
    os::fd::AsRawFd,
};

use crate::node::sockets::{Ends, Listed, Socket, Sockets};

fn ends(of: &TcpStream) -> Ends {
    Ends {
        own: of.local_addr().unwrap(),
        peer: of.peer_addr().unwrap(),
    }
}

/// What is asked of it arrives, and the answer as well.
fn lives(one: &mut TcpStream, server: &mut TcpStream) -> bool {
    let mut byte = [0];
    one.write_all(&[7]).is_ok()
        && server.read_exact(&mut byte).is_ok()
        && server.write_all(&byte).is_ok()
        && one.read_exact(&mut byte).is_ok()
}

#[test]
fn a_socket_is_ended_by_its_ends_and_no_other_to_the_same_server() {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let connect = || {
        let one = TcpStream::connect(server.local_addr().unwrap()).unwrap();
        (one, server.accept().unwrap().0)
    };
    let (mut one, mut two, mut three) = (connect(), connect(), connect());
    let found = Socket::with(ends(&two.0)).unwrap();
    assert!(found.is_open() && found.end());
    assert_eq!(
        two.0.read(&mut [0]).unwrap(),
        0,
        "whoever waits hears of it"
    );
    let sent = two.0.write_all(&[7]).unwrap_err();
    assert_eq!(sent.kind(), ErrorKind::BrokenPipe);
    assert_eq!(two.1.read(&mut [0]).unwrap(), 0, "the server as well");
    assert!(lives(&mut one.0, &mut one.1) && lives(&mut three.0, &mut three.1));
}

#[test]
fn another_connection_that_has_its_descriptor_by_now_is_not_ended() {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let to = server.local_addr().unwrap();
    let first = TcpStream::connect(to).unwrap();
    let (file, of_first) = (first.as_raw_fd(), ends(&first));
    let found = Socket::with(of_first).unwrap();
    let _accepted = server.accept().unwrap();
    drop(first);
    assert!(!found.is_open() && !found.end());
    assert!(Socket::with(of_first).is_none());
    // Other tests open files as well.
    let mut taken = Vec::new();
    while taken.len() < 200 {
        let mut one = TcpStream::connect(to).unwrap();
        let mut accepted = server.accept().unwrap().0;
        let is_reused = one.as_raw_fd() == file;
        assert!(!found.is_open() && !found.end());
        assert!(lives(&mut one, &mut accepted));
        taken.push((one, accepted));
        if is_reused {
            return;
        }
    }
}

/// Behind a proxy nobody sees the same ends: what comes in a socket tells whose it is, and what is encrypted only together
/// with its own end.
#[test]
fn a_socket_is_known_by_an_answer_that_nobody_else_is_given() {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let to = server.local_addr().unwrap();
    let connect = || {
        let one = TcpStream::connect(to).unwrap();
        (one, server.accept().unwrap().0)
    };
    let (mut plain, mut other, mut hidden) = (connect(), connect(), connect());
    let mut busy = connect();
    busy.1.write_all(b"some row").unwrap();
    busy.0.peek(&mut [0]).unwrap();
    let quiet = Socket::quiet(Some(to.port()));
    let known = |of: &(TcpStream, TcpStream)| {
        let own = of.0.local_addr().unwrap();
        quiet.iter().find(|one| one.own() == Some(own)).copied()
    };
    assert!(known(&busy).is_none(), "somebody is to read it");
    let mark = "0123456789abcdef0123456789abcdef";
    plain.1.write_all(format!("D {mark} C").as_bytes()).unwrap();
    other.1.write_all(b"another row").unwrap();
    hidden.1.write_all(&[0x17, 3, 3, 0, 1, 9]).unwrap();
    for (pair, plainly, by_its_end) in [
        (&mut plain, true, true),
        (&mut other, false, false),
        (&mut hidden, false, true),
    ] {
        pair.0.peek(&mut [0]).unwrap();
        let own = pair.0.local_addr().unwrap();
        let found = known(pair).unwrap();
        assert_eq!(found.holds(mark, None), plainly);
        assert_eq!(found.holds(mark, Some(own)), by_its_end);
        assert_eq!(found.holds(mark, Some(to)), plainly, "another one's end");
        // Nothing was taken.
        let mut unread = [0; 64];
        assert!(pair.0.read(&mut unread).unwrap() > 5);
    }
}

/// One that was answered just before its end comes back to its pool after the idle ones were asked: it is told of for as long
/// as it is open.
#[test]
fn a_connection_that_was_found_to_have_ended_is_told_of_until_it_is_closed() {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let to = server.local_addr().unwrap();
    let (ours, theirs) = (TcpStream::connect(to).unwrap(), server.accept().unwrap().0);
    let sockets = Sockets::default();
    sockets.opened(Some(to.port()));
    let listed = || {
        Some(Listed {
            port: to.port(),
            size: 1,
            judged: Some(1),
        })
    };
    assert!(!sockets.may_have_ended(true, listed) && !sockets.has_open_ended());
    drop(theirs);
    assert!(sockets.may_have_ended(true, listed), "found");
    assert!(sockets.has_open_ended() && sockets.has_open_ended());
    drop(ours);
    assert!(!sockets.has_open_ended());
}

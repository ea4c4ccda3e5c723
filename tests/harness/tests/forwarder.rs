//! The forwarder against an echo server: cut, black hole, delay, redirect and back.

use std::{
    io::{ErrorKind, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    thread,
    time::{Duration, Instant},
};

use sealane_harness::{Forwarder, Result};

/// Answers every byte with itself, the first one of a connection with `name`.
fn echo(name: u8) -> SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let addr = listener.local_addr().unwrap();
    thread::spawn(move || {
        for client in listener.incoming() {
            let mut client = client.unwrap();
            thread::spawn(move || {
                let mut byte = [0];
                let mut answer = Some(name);
                while client.read(&mut byte).is_ok_and(|length| length == 1) {
                    client
                        .write_all(&[answer.take().unwrap_or(byte[0])])
                        .unwrap();
                }
            });
        }
    });
    addr
}

fn connect(forwarder: &Forwarder) -> TcpStream {
    let client = TcpStream::connect(forwarder.addr()).unwrap();
    client
        .set_read_timeout(Some(Duration::from_millis(150)))
        .unwrap();
    client
}

/// The answer to one byte, or how it failed: `WouldBlock` is silence.
fn ask(client: &mut TcpStream, byte: u8) -> std::result::Result<u8, ErrorKind> {
    let mut answer = [0];
    let asked = client
        .write_all(&[byte])
        .and_then(|()| client.read_exact(&mut answer));
    asked.map(|()| answer[0]).map_err(|error| error.kind())
}

#[test]
fn it_forwards_and_counts() -> Result<()> {
    let forwarder = Forwarder::to(echo(b'a'))?;
    let mut first = connect(&forwarder);
    let mut second = connect(&forwarder);
    assert_eq!((ask(&mut first, 1), ask(&mut first, 2)), (Ok(b'a'), Ok(2)));
    assert_eq!(ask(&mut second, 1), Ok(b'a'));
    assert_eq!((forwarder.accepted(), forwarder.open()), (2, 2));
    drop(first);
    while forwarder.open() > 1 {
        thread::yield_now();
    }
    Ok(())
}

#[test]
fn a_cut_closes_and_refuses_until_healed() -> Result<()> {
    let forwarder = Forwarder::to(echo(b'a'))?;
    for _ in 0..20 {
        let mut client = connect(&forwarder);
        assert_eq!(ask(&mut client, 1), Ok(b'a'));
        forwarder.cut();
        assert!(ask(&mut client, 2).is_err_and(|kind| kind != ErrorKind::WouldBlock));
        let refused = TcpStream::connect(forwarder.addr()).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
        assert_eq!(forwarder.open(), 0);
        forwarder.heal();
    }
    assert_eq!(ask(&mut connect(&forwarder), 1), Ok(b'a'));
    Ok(())
}

#[test]
fn a_black_hole_stalls_and_delivers_after_the_heal() -> Result<()> {
    let forwarder = Forwarder::to(echo(b'a'))?;
    let mut old = connect(&forwarder);
    assert_eq!(ask(&mut old, 1), Ok(b'a'));
    forwarder.black_hole();
    let mut new = connect(&forwarder);
    assert_eq!(ask(&mut old, 2), Err(ErrorKind::WouldBlock));
    assert_eq!(ask(&mut new, 1), Err(ErrorKind::WouldBlock));
    forwarder.heal();
    let mut late = [0];
    old.read_exact(&mut late).unwrap();
    assert_eq!(late, [2]);
    new.read_exact(&mut late).unwrap();
    assert_eq!(late, *b"a");
    Ok(())
}

#[test]
fn a_delay_moves_both_directions() -> Result<()> {
    let forwarder = Forwarder::to(echo(b'a'))?;
    let mut client = connect(&forwarder);
    forwarder.delay(Duration::from_millis(20));
    let before = Instant::now();
    assert_eq!(ask(&mut client, 1), Ok(b'a'));
    assert!(
        before.elapsed() >= Duration::from_millis(40),
        "{:?}",
        before.elapsed()
    );
    Ok(())
}

#[test]
fn a_redirect_moves_new_connections_only() -> Result<()> {
    let forwarder = Forwarder::to(echo(b'a'))?;
    let mut old = connect(&forwarder);
    assert_eq!(ask(&mut old, 1), Ok(b'a'));
    forwarder.redirect(echo(b'b'));
    assert_eq!(ask(&mut old, 2), Ok(2));
    assert_eq!(ask(&mut connect(&forwarder), 1), Ok(b'b'));
    forwarder.disconnect();
    assert!(ask(&mut old, 3).is_err_and(|kind| kind != ErrorKind::WouldBlock));
    assert_eq!(ask(&mut connect(&forwarder), 1), Ok(b'b'));
    Ok(())
}

#[test]
fn a_target_that_refuses_closes_the_client() -> Result<()> {
    let nobody = TcpListener::bind(("127.0.0.1", 0))
        .and_then(|listener| listener.local_addr())
        .unwrap();
    let forwarder = Forwarder::to(nobody)?;
    assert!(ask(&mut connect(&forwarder), 1).is_err_and(|kind| kind != ErrorKind::WouldBlock));
    Ok(())
}

/// A test may hold up its own runtime, and pause its clock.
#[tokio::test(start_paused = true)]
async fn it_goes_on_while_the_tests_runtime_is_blocked() -> Result<()> {
    let forwarder = Forwarder::to(echo(b'a'))?;
    forwarder.delay(Duration::from_millis(10));
    assert_eq!(ask(&mut connect(&forwarder), 1), Ok(b'a'));
    Ok(())
}

#[test]
fn an_answer_is_lost_with_its_connection_and_the_server_has_heard() -> Result<()> {
    let forwarder = Forwarder::to(echo(b'a'))?;
    let (mut one, mut other) = (connect(&forwarder), connect(&forwarder));
    assert_eq!((ask(&mut one, 1), ask(&mut other, 1)), (Ok(b'a'), Ok(b'a')));
    forwarder.lose_answer_to("x");
    assert_eq!(ask(&mut other, b'y'), Ok(b'y'));
    assert!(matches!(
        ask(&mut one, b'x'),
        Err(ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset)
    ));
    assert_eq!(forwarder.lost_answers(), 1);
    assert_eq!(ask(&mut other, b'x'), Ok(b'x'), "only the first one");
    Ok(())
}

//! One forwarded connection: bytes go through when the gate is open, and when their time has come.
//!
//! Reading and writing are apart, with a queue between them, so that a delay moves every byte by the same time instead of adding up.
//! The gate is asked right before the write: nothing that was read before a black hole slips out during it.

use std::{io, net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
    sync::{mpsc, watch},
    time::Instant,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flow {
    Open,
    Stalled,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Gate {
    pub(super) flow: Flow,
    pub(super) delay: Duration,
    pub(super) target: SocketAddr,
}

/// Connects the client to the target and moves bytes both ways until both sides have ended or one has failed.
pub(super) async fn forward(
    mut client: TcpStream,
    mut gate: watch::Receiver<Gate>,
) -> io::Result<()> {
    let target = pass(&mut gate).await?.target;
    let mut server = TcpStream::connect(target).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (from_client, to_client) = client.split();
    let (from_server, to_server) = server.split();
    let there = pump(from_client, to_server, gate.clone());
    let back = pump(from_server, to_client, gate);
    tokio::try_join!(there, back).map(drop)
}

async fn pump(
    from: impl AsyncRead + Unpin,
    to: impl AsyncWrite + Unpin,
    gate: watch::Receiver<Gate>,
) -> io::Result<()> {
    let (queue, waiting) = mpsc::channel(64);
    tokio::try_join!(read(from, queue, gate.clone()), write(to, waiting, gate)).map(drop)
}

type Chunk = (Instant, Vec<u8>);

/// An empty chunk stands for the end of the stream, which is as late as the bytes before it.
async fn read(
    mut from: impl AsyncRead + Unpin,
    queue: mpsc::Sender<Chunk>,
    gate: watch::Receiver<Gate>,
) -> io::Result<()> {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let length = from.read(&mut buffer).await?;
        let due = Instant::now() + gate.borrow().delay;
        let sent = queue.send((due, buffer[..length].to_vec())).await;
        if length == 0 || sent.is_err() {
            return Ok(());
        }
    }
}

async fn write(
    mut to: impl AsyncWrite + Unpin,
    mut queue: mpsc::Receiver<Chunk>,
    mut gate: watch::Receiver<Gate>,
) -> io::Result<()> {
    while let Some((due, chunk)) = queue.recv().await {
        tokio::time::sleep_until(due).await;
        pass(&mut gate).await?;
        match chunk.is_empty() {
            true => to.shutdown().await?,
            false => to.write_all(&chunk).await?,
        }
    }
    Ok(())
}

/// Waits until the gate is open.
async fn pass(gate: &mut watch::Receiver<Gate>) -> io::Result<Gate> {
    let open = gate.wait_for(|gate| gate.flow == Flow::Open).await;
    open.map(|gate| *gate).map_err(io::Error::other)
}

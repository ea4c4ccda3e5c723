//! One forwarded connection: bytes go through when the gate is open, and when their time has come.
//!
//! Reading and writing are apart, with a queue between them, so that a delay moves every byte by the same time instead of adding up.
//! The gate is asked right before the write: nothing that was read before a black hole slips out during it.

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    },
    time::Duration,
};

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

/// Whose answer is to be lost: the next of what the clients send that has this in it.
#[derive(Debug, Default)]
pub(super) struct Trap {
    part: Mutex<Option<Vec<u8>>>,
    sprung: AtomicU64,
}

impl Trap {
    pub(super) fn set(&self, part: Option<&str>) {
        let part = part.map(|part| part.as_bytes().to_vec());
        *self.part.lock().unwrap_or_else(PoisonError::into_inner) = part;
    }

    pub(super) fn sprung(&self) -> u64 {
        self.sprung.load(SeqCst)
    }

    /// Whether this is what it waits for; the trap is not set any more then.
    fn catches(&self, sent: &[u8]) -> bool {
        let mut part = self.part.lock().unwrap_or_else(PoisonError::into_inner);
        let has = |part: &Vec<u8>| {
            sent.windows(part.len().max(1))
                .any(|some| some == &part[..])
        };
        let caught = part.as_ref().is_some_and(has);
        if caught {
            *part = None;
        }
        caught
    }
}

/// The trap as one connection knows it: who sends springs it, and the next answer is lost with the connection.
#[derive(Clone)]
struct Snare {
    trap: Arc<Trap>,
    caught: Arc<AtomicBool>,
    is_clients: bool,
}

impl Snare {
    /// Before what was sent goes on to the server, or its answer could slip out.
    fn sees(&self, sent: &[u8]) {
        if self.is_clients && self.trap.catches(sent) {
            self.caught.store(true, SeqCst);
        }
    }

    /// The server has answered, so that what was sent was executed.
    fn may_pass(&self) -> io::Result<()> {
        if !self.is_clients && self.caught.swap(false, SeqCst) {
            self.trap.sprung.fetch_add(1, SeqCst);
            return Err(io::Error::other("the answer was to be lost"));
        }
        Ok(())
    }
}

/// Connects the client to the target and moves bytes both ways until both sides have ended or one has failed.
pub(super) async fn forward(
    mut client: TcpStream,
    mut gate: watch::Receiver<Gate>,
    trap: Arc<Trap>,
) -> io::Result<()> {
    let target = pass(&mut gate).await?.target;
    let mut server = TcpStream::connect(target).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (from_client, to_client) = client.split();
    let (from_server, to_server) = server.split();
    let snare = Snare {
        trap,
        caught: Arc::default(),
        is_clients: true,
    };
    let servers = Snare {
        is_clients: false,
        ..snare.clone()
    };
    let there = pump(from_client, to_server, gate.clone(), snare);
    let back = pump(from_server, to_client, gate, servers);
    tokio::try_join!(there, back).map(drop)
}

async fn pump(
    from: impl AsyncRead + Unpin,
    to: impl AsyncWrite + Unpin,
    gate: watch::Receiver<Gate>,
    snare: Snare,
) -> io::Result<()> {
    let (queue, waiting) = mpsc::channel(64);
    tokio::try_join!(
        read(from, queue, gate.clone()),
        write(to, waiting, gate, snare)
    )
    .map(drop)
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
    snare: Snare,
) -> io::Result<()> {
    while let Some((due, chunk)) = queue.recv().await {
        tokio::time::sleep_until(due).await;
        pass(&mut gate).await?;
        snare.sees(&chunk);
        snare.may_pass()?;
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

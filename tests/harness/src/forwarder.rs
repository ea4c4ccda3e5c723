//! A TCP forwarder in front of a node that can be cut, delayed, black-holed and redirected, without root.
//!
//! It runs on a thread with a runtime of its own: a test may block its own runtime or pause its clock, and the network goes on.
//! Every order is confirmed by that thread, so when [`cut`](Forwarder::cut) returns, the very next connection attempt is refused.

mod pump;

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
        mpsc as blocking,
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use tokio::{
    net::{TcpListener, TcpStream},
    runtime,
    sync::{mpsc, watch},
    task::JoinSet,
};

use crate::{Result, error::Attempt, port::Port};
use pump::{Flow, Gate, Trap};

/// Forwards TCP connections to an address, until told otherwise. Dropping it closes them all.
#[derive(Debug)]
pub struct Forwarder {
    addr: SocketAddr,
    /// Shared by those that listen on the same number.
    port: Arc<Port>,
    orders: mpsc::UnboundedSender<(Order, blocking::SyncSender<io::Result<()>>)>,
    counts: Arc<Counts>,
    trap: Arc<Trap>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Clone, Copy, Debug)]
enum Order {
    Cut,
    Disconnect,
    BlackHole,
    Delay(Duration),
    Redirect(SocketAddr),
    Heal,
    Reset,
    End,
}

#[derive(Debug, Default)]
struct Counts {
    accepted: AtomicU64,
    open: AtomicU64,
}

impl Forwarder {
    /// Starts to forward to `target`.
    pub fn to(target: SocketAddr) -> Result<Self> {
        Self::on(Ipv4Addr::LOCALHOST, Arc::new(Port::reserve()?), target)
    }

    /// Starts to forward to `target` from the same port of another address of this machine, as a second server of one name does.
    pub fn beside(&self, host: Ipv4Addr, target: SocketAddr) -> Result<Self> {
        Self::on(host, Arc::clone(&self.port), target)
    }

    fn on(host: Ipv4Addr, port: Arc<Port>, target: SocketAddr) -> Result<Self> {
        let what = || "starting a forwarder".to_owned();
        let runtime = runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .attempt(what)?;
        let addr = SocketAddr::from((host, port.number()));
        // A runtime may not be run inside the caller's, but a socket may be registered with it.
        let listener = {
            let _context = runtime.enter();
            listen(addr).attempt(what)?
        };
        let (orders, inbox) = mpsc::unbounded_channel();
        let counts = Arc::<Counts>::default();
        let trap = Arc::<Trap>::default();
        let worker = Worker {
            addr,
            listener: Some(listener),
            connections: JoinSet::new(),
            gate: watch::Sender::new(Gate {
                flow: Flow::Open,
                delay: Duration::ZERO,
                target,
            }),
            counts: Arc::clone(&counts),
            trap: Arc::clone(&trap),
            resets: false,
        };
        let thread = thread::Builder::new().name("forwarder".to_owned());
        let thread = thread
            .spawn(move || runtime.block_on(worker.run(inbox)))
            .attempt(what)?;
        Ok(Self {
            addr,
            port,
            orders,
            counts,
            trap,
            thread: Some(thread),
        })
    }

    /// Where clients connect.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Closes all connections and refuses new ones.
    pub fn cut(&self) {
        self.order(Order::Cut);
    }

    /// Closes all connections; new ones are accepted.
    pub fn disconnect(&self) {
        self.order(Order::Disconnect);
    }

    /// Lets nothing through in either direction any more: open connections stall, new ones are accepted and never answered.
    /// What was swallowed is delivered after [`heal`](Self::heal), as TCP does after a lost route has come back.
    pub fn black_hole(&self) {
        self.order(Order::BlackHole);
    }

    /// Delivers everything that much later, in each direction; the throughput stays.
    pub fn delay(&self, delay: Duration) {
        self.order(Order::Delay(delay));
    }

    /// Sends new connections elsewhere; open ones stay where they are.
    pub fn redirect(&self, target: SocketAddr) {
        self.order(Order::Redirect(target));
    }

    /// Forwards again, without delay, and loses nothing.
    ///
    /// # Panics
    ///
    /// If somebody has taken the port after a [`cut`](Self::cut), which its reservation prevents among tests.
    pub fn heal(&self) {
        self.trap.set(None);
        self.order(Order::Heal);
    }

    /// From now on it ends connections that it accepts by a reset, as a server does that was asked something meanwhile and a
    /// balancer that has forgotten them.
    pub fn end_by_reset(&self) {
        self.order(Order::Reset);
    }

    /// Loses the answer to the next of what clients send with this in it, as a network does that breaks in between: the server
    /// executes it, and the client's connection ends without a word. Exactly as the bytes are sent: `COMMIT` as the driver spells it;
    /// of a prepared statement the text is sent once.
    pub fn lose_answer_to(&self, part: &str) {
        self.trap.set(Some(part));
    }

    /// How many answers were lost by [`lose_answer_to`](Self::lose_answer_to).
    #[must_use]
    pub fn lost_answers(&self) -> u64 {
        self.trap.sprung()
    }

    /// How many connections were accepted so far.
    #[must_use]
    pub fn accepted(&self) -> u64 {
        self.counts.accepted.load(Relaxed)
    }

    /// How many connections are open.
    #[must_use]
    pub fn open(&self) -> u64 {
        self.counts.open.load(Relaxed)
    }

    fn order(&self, order: Order) {
        let (done, wait) = blocking::sync_channel(1);
        if self.orders.send((order, done)).is_ok()
            && let Ok(result) = wait.recv()
        {
            result.unwrap_or_else(|error| panic!("the forwarder at {}: {error}", self.addr()));
        }
    }
}

impl Drop for Forwarder {
    fn drop(&mut self) {
        self.order(Order::End);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Everything that lives on the forwarder's thread.
struct Worker {
    addr: SocketAddr,
    listener: Option<TcpListener>,
    connections: JoinSet<()>,
    gate: watch::Sender<Gate>,
    counts: Arc<Counts>,
    trap: Arc<Trap>,
    resets: bool,
}

impl Worker {
    async fn run(
        mut self,
        mut inbox: mpsc::UnboundedReceiver<(Order, blocking::SyncSender<io::Result<()>>)>,
    ) {
        loop {
            tokio::select! {
                biased;
                order = inbox.recv() => {
                    let Some((order, done)) = order else { return };
                    // Nobody waits for an answer any more if the forwarder's owner has panicked.
                    let _ = done.send(self.obey(order).await);
                    if matches!(order, Order::End) {
                        return;
                    }
                }
                client = accept(self.listener.as_ref()) => self.serve(client),
                Some(_) = self.connections.join_next() => {}
            }
        }
    }

    async fn obey(&mut self, order: Order) -> io::Result<()> {
        match order {
            Order::Cut | Order::End => {
                self.listener = None;
                self.connections.shutdown().await;
            }
            Order::Reset => self.resets = true,
            Order::Disconnect => self.connections.shutdown().await,
            Order::BlackHole => self.gate.send_modify(|gate| gate.flow = Flow::Stalled),
            Order::Delay(delay) => self.gate.send_modify(|gate| gate.delay = delay),
            Order::Redirect(target) => self.gate.send_modify(|gate| gate.target = target),
            Order::Heal => {
                if self.listener.is_none() {
                    self.listener = Some(listen(self.addr)?);
                }
                self.gate.send_modify(|gate| {
                    gate.flow = Flow::Open;
                    gate.delay = Duration::ZERO;
                });
            }
        }
        Ok(())
    }

    fn serve(&mut self, client: TcpStream) {
        self.counts.accepted.fetch_add(1, Relaxed);
        if self.resets {
            // Where that cannot be set the connection is gone already.
            let _ = client.set_zero_linger();
        }
        let open = Open::new(Arc::clone(&self.counts));
        let (gate, trap) = (self.gate.subscribe(), Arc::clone(&self.trap));
        self.connections.spawn(async move {
            let _open = open;
            // However a connection ends, both its sides are closed: that is all there is to say.
            let _ = pump::forward(client, gate, trap).await;
        });
    }
}

fn listen(addr: SocketAddr) -> io::Result<TcpListener> {
    let listener = std::net::TcpListener::bind(addr)?;
    listener.set_nonblocking(true)?;
    TcpListener::from_std(listener)
}

async fn accept(listener: Option<&TcpListener>) -> TcpStream {
    loop {
        match listener {
            Some(listener) => {
                if let Ok((client, _)) = listener.accept().await {
                    return client;
                }
            }
            None => std::future::pending().await,
        }
    }
}

/// Counts one connection as open for as long as it lives.
struct Open(Arc<Counts>);

impl Open {
    fn new(counts: Arc<Counts>) -> Self {
        counts.open.fetch_add(1, Relaxed);
        Self(counts)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Relaxed);
    }
}

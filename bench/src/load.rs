//! The load generator: sends prepared transactions over real connections and takes the time.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use farthing_proto::v1::{SubmitTransactionRequest, redeemer_service_client::RedeemerServiceClient};
use farthing_service::{
    channel::{self, Deadlines},
    tls::ClientTls,
};
use tokio::{
    net::{TcpListener, TcpSocket},
    runtime::Runtime,
    task::JoinSet,
};
use tonic::{Code, transport::Channel};

use crate::{Failure, machine};

/// Requests on their way on one connection: a server works on no more than 32.
const PER_CONNECTION: usize = 32;

/// Part of the requests at the beginning of a run, and at its end, that does not count.
const WARM_UP: f64 = 0.15;
const COOL_DOWN: f64 = 0.05;

/// One answer.
#[derive(Clone, Copy)]
pub(crate) struct Answered {
    /// When, since the run began.
    pub(crate) at: Duration,
    /// How long it took.
    pub(crate) latency: Duration,
    /// The transaction was accepted.
    pub(crate) accepted: bool,
}

/// The answers of a run, in the order in which they came.
pub(crate) struct Answers(pub(crate) Vec<Answered>);

impl Answers {
    /// Accepted transactions a second, in the steady part of the run.
    pub(crate) fn accepted_per_s(&self) -> f64 {
        let count = self.0.len() as f64;
        let (from, to) = ((count * WARM_UP) as usize, (count * (1.0 - COOL_DOWN)) as usize);
        let steady = self.0.get(from..to).unwrap_or_default();
        let (Some(first), Some(last)) = (steady.first(), steady.last()) else { return f64::NAN };
        let accepted = steady.iter().skip(1).filter(|answered| answered.accepted).count();
        accepted as f64 / (last.at - first.at).as_secs_f64()
    }

    /// Latencies in ms.
    pub(crate) fn latencies_ms(&self) -> impl Iterator<Item = f64> {
        self.0.iter().map(|answered| answered.latency.as_secs_f64() * 1e3)
    }

    /// Whether each transaction was accepted.
    pub(crate) fn all_accepted(&self) -> Result<(), Failure> {
        match self.0.iter().filter(|answered| !answered.accepted).count() {
            0 => Ok(()),
            refused => Err(format!("{refused} of {} payments were not accepted", self.0.len()).into()),
        }
    }
}

/// A generator on cores of its own.
pub(crate) struct Generator {
    runtime: Runtime,
    cores: Vec<usize>,
    tls: ClientTls,
}

impl Generator {
    pub(crate) fn new(tls: ClientTls, cores: Vec<usize>) -> Result<Self, Failure> {
        let own = cores.clone();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(cores.len().max(1))
            .on_thread_start(move || drop(machine::stay_on(&own)))
            .enable_all()
            .build()?;
        Ok(Self { runtime, cores, tls })
    }

    /// Runs a future on the generator's cores: the thread that waits for it works for it too.
    fn run<T: Send>(&self, future: impl Future<Output = Result<T, Failure>> + Send) -> Result<T, Failure> {
        let work = || {
            machine::stay_on(&self.cores)?;
            self.runtime.block_on(future)
        };
        std::thread::scope(|scope| scope.spawn(work).join().map_err(|_| "the generator panicked")?)
    }

    fn client(&self, address: SocketAddr) -> Result<RedeemerServiceClient<Channel>, Failure> {
        let _inside = self.runtime.enter();
        let url = format!("https://{address}");
        Ok(RedeemerServiceClient::new(channel::open(&url, &self.tls, Deadlines::default())?))
    }

    /// Sends everything, `at_once` requests at any time.
    pub(crate) fn send_all(
        &self,
        address: SocketAddr,
        transactions: &[Vec<u8>],
        at_once: usize,
    ) -> Result<Answers, Failure> {
        let clients = self.clients(address, at_once)?;
        let transactions: Arc<[Vec<u8>]> = transactions.into();
        let (next, answers) = (Arc::new(AtomicUsize::new(0)), Arc::new(Mutex::new(Vec::new())));
        let begin = Instant::now();
        let all = async {
            let mut senders = JoinSet::new();
            for number in 0..at_once {
                let (next, answers, transactions) = (next.clone(), answers.clone(), transactions.clone());
                let mut client = clients[number % clients.len()].clone();
                senders.spawn(async move {
                    while let Some(transaction) = transactions.get(next.fetch_add(1, Ordering::Relaxed)) {
                        let answered = submit(&mut client, transaction.clone(), begin).await?;
                        answers.lock().unwrap_or_else(PoisonError::into_inner).push(answered);
                    }
                    Ok::<_, Failure>(())
                });
            }
            while let Some(sender) = senders.join_next().await {
                sender??;
            }
            Ok::<_, Failure>(())
        };
        self.run(all)?;
        let mut answers = std::mem::take(&mut *answers.lock().unwrap_or_else(PoisonError::into_inner));
        answers.sort_by_key(|answered| answered.at);
        Ok(Answers(answers))
    }

    /// Sends transactions at moments that do not depend on the answers, `per_s` on average; latency counts from the moment at
    /// which each should have been sent.
    pub(crate) fn send_at(
        &self,
        address: SocketAddr,
        transactions: &[Vec<u8>],
        per_s: f64,
    ) -> Result<Answers, Failure> {
        let clients = self.clients(address, 2 * PER_CONNECTION)?;
        let mut when = Duration::ZERO;
        let begin = Instant::now();
        let all = async {
            let mut requests = JoinSet::new();
            for (number, transaction) in transactions.iter().enumerate() {
                when += gap(per_s)?;
                let (mut client, transaction) = (clients[number % clients.len()].clone(), transaction.clone());
                let due = begin + when;
                tokio::time::sleep_until(due.into()).await;
                requests.spawn(async move {
                    let answered = submit(&mut client, transaction, begin).await?;
                    Ok::<_, Failure>(Answered { latency: begin + answered.at - due, ..answered })
                });
            }
            requests.join_all().await.into_iter().collect::<Result<Vec<_>, _>>()
        };
        Ok(Answers(self.run(all)?))
    }

    /// Sends the same transactions again and again until `stop`, and counts nothing.
    pub(crate) fn flood(
        &self,
        address: SocketAddr,
        transactions: &[Vec<u8>],
        at_once: usize,
        stop: &Arc<AtomicBool>,
    ) -> Result<Flood, Failure> {
        let clients = self.clients(address, at_once)?;
        let transactions: Arc<[Vec<u8>]> = transactions.into();
        let next = Arc::new(AtomicUsize::new(0));
        let _inside = self.runtime.enter();
        let mut senders = JoinSet::new();
        for number in 0..at_once {
            let (next, transactions, stop) = (next.clone(), transactions.clone(), stop.clone());
            let mut client = clients[number % clients.len()].clone();
            senders.spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    let place = next.fetch_add(1, Ordering::Relaxed) % transactions.len().max(1);
                    let Some(transaction) = transactions.get(place) else { break };
                    let _ = submit(&mut client, transaction.clone(), Instant::now()).await;
                }
            });
        }
        Ok(Flood { sent: next, _senders: senders })
    }

    /// Connections for so many requests at once, which are open when this returns.
    fn clients(&self, address: SocketAddr, at_once: usize) -> Result<Vec<RedeemerServiceClient<Channel>>, Failure> {
        (0..at_once.div_ceil(PER_CONNECTION)).map(|_| self.client(address)).collect()
    }

    /// A relay through which the redeemer sees clients come from another address of this machine.
    pub(crate) fn relay(&self, to: SocketAddr, from: SocketAddr) -> Result<SocketAddr, Failure> {
        let listener = self.runtime.block_on(TcpListener::bind("127.0.0.1:0"))?;
        let address = listener.local_addr()?;
        self.runtime.spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let socket = TcpSocket::new_v4()?;
                    socket.bind(from)?;
                    let mut server = socket.connect(to).await?;
                    client.set_nodelay(true)?;
                    server.set_nodelay(true)?;
                    tokio::io::copy_bidirectional(&mut client, &mut server).await.map(drop)
                });
            }
        });
        Ok(address)
    }
}

/// A flood that is under way.
pub(crate) struct Flood {
    sent: Arc<AtomicUsize>,
    _senders: JoinSet<()>,
}

impl Flood {
    pub(crate) fn sent(&self) -> usize {
        self.sent.load(Ordering::Relaxed)
    }
}

/// Sends one transaction; what is refused as invalid counts as an answer, anything else fails the run.
async fn submit(
    client: &mut RedeemerServiceClient<Channel>,
    transaction: Vec<u8>,
    begin: Instant,
) -> Result<Answered, Failure> {
    let sent = Instant::now();
    let request = SubmitTransactionRequest { transaction, private_part: Vec::new() };
    let accepted = match client.submit_transaction(request).await {
        Ok(_) => true,
        Err(status) if status.code() == Code::InvalidArgument => false,
        Err(status) => return Err(status.into()),
    };
    Ok(Answered { at: begin.elapsed(), latency: sent.elapsed(), accepted })
}

/// The time between two arrivals that know nothing of each other.
fn gap(per_s: f64) -> Result<Duration, Failure> {
    let mut bytes = [0; 4];
    getrandom::fill(&mut bytes)?;
    let uniform = (f64::from(u32::from_le_bytes(bytes)) + 0.5) / (f64::from(u32::MAX) + 1.0);
    Ok(Duration::from_secs_f64(-uniform.ln() / per_s))
}

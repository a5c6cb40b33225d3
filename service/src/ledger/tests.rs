#![allow(clippy::unwrap_used)]

use std::{net::SocketAddr, time::Duration};

use farthing_ecash::{
    amount::{Amount, Currency},
    calendar::Day,
    credential::issue::{Addition, Answer},
    identity::Identity,
    keys::{KeyDates, KeyRing, SigningKey},
    pay::{self, Payment},
    policy::{PolicyBody, PolicyTerms, RuleLine},
    seal::{EncryptionKey, Memo},
    seed::{Seed, WalletKeys},
    transaction::Header,
    withdraw,
};
use farthing_store::Batch;
use getrandom::{SysRng, rand_core::UnwrapErr};
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;
use tokio_stream::StreamExt as _;

use super::*;

const LOG: LogName = LogName("payments");
const DAY: Day = Day::new(20_777);

/// A log of a withdrawal with a proof part, then payments to bob, carol and bob again under a policy of 8 bucket bits.
struct Fixture {
    ledger: Ledger,
    store: Store,
    shutdown: CancellationToken,
    _home: TempDir,
}

fn bucket_of(name: &str, bits: u8) -> u32 {
    Identity::parse(name).unwrap().pid().bucket(bits)
}

impl Fixture {
    async fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let (store, _) = Store::open(&home.path().join("store")).unwrap();
        let mut rng = UnwrapErr(SysRng);
        let dates = KeyDates { first: DAY, last_issue: DAY, accept_until: DAY, exchange_until: DAY };
        let key = SigningKey::generate(Currency::new("EUR", 2).unwrap(), dates, &mut rng).unwrap();
        let public = key.public().clone();
        let ring = KeyRing::new([key]);
        let wallet = WalletKeys::new(&Seed::from_bytes([7; 64]), "test");

        let (request, _) = withdraw::request(public.id(), DAY, &wallet, Amount::new(100), 0, &mut rng).unwrap();
        let proof = request.proof_bytes().to_vec();
        let verified = request.verify(&ring, Amount::ZERO, &mut rng).unwrap();
        let answer = Answer::sign(ring.get(&public.id()).unwrap(), &verified, Addition::None, &mut rng).unwrap();
        let coin = withdraw::finish(verified.core(), &answer, &public, &wallet).unwrap();
        let body = [verified.core().to_bytes(), answer.to_bytes()].concat();
        let entry = Entry::new(EntryKind::Transaction(Statement::Withdraw), DAY, body).unwrap();
        append(&store, &entry, proof).await;

        let terms = PolicyTerms { epoch: 1, fee: Amount::ZERO, minimum: Amount::new(1), months: 2, bucket_bits: 8 };
        let line =
            RuleLine { class: 1, purpose: 0, purpose_out: 0, day_cap: Amount::new(9), month_cap: Amount::new(9) };
        let policy = PolicyBody::new(terms, vec![line], b"-".to_vec()).unwrap();
        let header = Header { key: public.id(), day: DAY, epoch: 1, policy: policy.hash() };
        for payee in ["bob@bank.example", "carol@bank.example", "bob@bank.example"] {
            let payment = Payment {
                payee: Identity::parse(payee).unwrap().pid(),
                encryption_key: &EncryptionKey::throw_away(&mut rng),
                amount: Amount::new(10),
                memo: Memo::new("").unwrap(),
            };
            let coins = std::slice::from_ref(&coin);
            let paid = pay::request(&header, &policy, &wallet, coins, &payment, &mut rng).unwrap();
            let entry = Entry::new(EntryKind::Transaction(Statement::Pay), DAY, paid.core_bytes().to_vec()).unwrap();
            append(&store, &entry, paid.proof_bytes().to_vec()).await;
        }
        let shutdown = CancellationToken::new();
        let ledger = Ledger::new(store.clone(), LOG, "test/payments".to_owned(), shutdown.clone())
            .with_bucket_bits(|core| if core.header().epoch == 1 { 8 } else { 0 });
        Self { ledger, store, shutdown, _home: home }
    }

    async fn stream(&self, request: StreamEntriesRequest) -> ReceiverStream<Result<StreamEntriesResponse, Status>> {
        self.ledger.stream_entries(Request::new(request)).await.unwrap().into_inner()
    }

    /// The indexes sent, and where the stream says to resume.
    async fn indexes(&self, from_index: u64, bucket: Option<BucketFilter>) -> (Vec<u64>, u64) {
        let mut stream = self.stream(StreamEntriesRequest { from_index, bucket, follow: false, proofs: false }).await;
        let mut indexes = Vec::new();
        loop {
            match next(&mut stream).await {
                Item::Entry(entry) => indexes.push(entry.index),
                Item::CaughtUpTo(resume) => {
                    assert!(stream.next().await.is_none());
                    return (indexes, resume);
                }
            }
        }
    }
}

async fn append(store: &Store, entry: &Entry, proof: Vec<u8>) {
    let _ = store.commit(Batch::new().append(LOG, entry.to_bytes(), proof, None)).await.unwrap();
}

async fn next(stream: &mut ReceiverStream<Result<StreamEntriesResponse, Status>>) -> Item {
    let step = tokio::time::timeout(Duration::from_secs(30), stream.next()).await.unwrap();
    step.unwrap().unwrap().item.unwrap()
}

fn reason(status: Status) -> ErrorReason {
    crate::status::Failure::from(status).reason
}

#[tokio::test]
async fn a_stream_sends_what_there_is_and_says_where_to_resume() {
    let log = Fixture::new().await;
    assert_eq!(log.indexes(0, None).await, (vec![0, 1, 2, 3], 4));
    assert_eq!(log.indexes(3, None).await, (vec![3], 4));
    assert_eq!(log.indexes(4, None).await, (vec![], 4));
    let beyond = StreamEntriesRequest { from_index: 5, bucket: None, follow: true, proofs: false };
    let status = log.ledger.stream_entries(Request::new(beyond)).await.unwrap_err();
    let failure = crate::status::Failure::from(status);
    assert_eq!((failure.reason, failure.number("log_size")), (ErrorReason::EntryUnknown, Some(4)));
}

#[tokio::test]
async fn a_bucket_leaves_out_payments_of_others_only() {
    let log = Fixture::new().await;
    let (bob, carol) = (bucket_of("bob@bank.example", 8), bucket_of("carol@bank.example", 8));
    assert_ne!(bob >> 4, carol >> 4, "the two differ in the first bits");
    for bits in [4, 8] {
        let of = |bucket: u32| Some(BucketFilter { bucket: bucket >> (8 - bits), bits });
        assert_eq!(log.indexes(0, of(bob)).await, (vec![0, 1, 3], 4));
        assert_eq!(log.indexes(0, of(carol)).await, (vec![0, 2], 4));
    }
    // A wider number than the policy's: its first eight bits count.
    let wider = BucketFilter { bucket: bucket_of("bob@bank.example", 12), bits: 12 };
    assert_eq!(log.indexes(0, Some(wider)).await, (vec![0, 1, 3], 4));
    assert_eq!(log.indexes(0, Some(BucketFilter { bucket: 0, bits: 0 })).await, (vec![0, 1, 2, 3], 4));
    for (bucket, bits) in [(1, 0), (256, 8), (u32::MAX, 31), (0, 33), (0, u32::MAX)] {
        let bucket = Some(BucketFilter { bucket, bits });
        let request = StreamEntriesRequest { from_index: 0, bucket, follow: false, proofs: false };
        let status = log.ledger.stream_entries(Request::new(request)).await.unwrap_err();
        assert_eq!(reason(status), ErrorReason::MalformedRequest);
    }
}

#[tokio::test]
async fn a_followed_stream_goes_on_until_the_shutdown() {
    let log = Fixture::new().await;
    let mut stream =
        log.stream(StreamEntriesRequest { from_index: 3, bucket: None, follow: true, proofs: false }).await;
    assert!(matches!(next(&mut stream).await, Item::Entry(entry) if entry.index == 3));
    assert_eq!(next(&mut stream).await, Item::CaughtUpTo(4));
    let record = log.store.log_read(LOG, 0, 1).await.unwrap().remove(0);
    let entry = Entry::from_bytes(&record.entry).unwrap();
    append(&log.store, &entry, record.proof).await;
    assert!(matches!(next(&mut stream).await, Item::Entry(entry) if entry.index == 4));
    assert_eq!(next(&mut stream).await, Item::CaughtUpTo(5));
    log.shutdown.cancel();
    assert!(stream.next().await.is_none());
}

#[tokio::test]
async fn an_entry_comes_with_its_proof_and_the_hash_of_it() {
    let log = Fixture::new().await;
    let get = |index| log.ledger.get_entry(Request::new(GetEntryRequest { index }));
    let GetEntryResponse { entry, proof } = get(0).await.unwrap().into_inner();
    let entry = entry.unwrap();
    let record = log.store.log_read(LOG, 0, 1).await.unwrap().remove(0);
    assert_eq!((entry.index, &entry.entry, &proof), (0, &record.entry, &record.proof));
    assert_eq!(entry.proof_hash, Sha256::digest(&proof).to_vec());
    let mut stream = log.stream(StreamEntriesRequest::default()).await;
    assert_eq!(next(&mut stream).await, Item::Entry(entry.clone()));
    let mut stream = log.stream(StreamEntriesRequest { proofs: true, ..StreamEntriesRequest::default() }).await;
    assert_eq!(next(&mut stream).await, Item::Entry(LogEntry { proof, ..entry }));

    assert_eq!(reason(get(4).await.unwrap_err()), ErrorReason::EntryUnknown);
    let size = log.ledger.get_log_size(Request::new(GetLogSizeRequest {})).await.unwrap().into_inner();
    assert_eq!((size.origin.as_str(), size.size), ("test/payments", 4));
}

/// A ledger over a log of `count` entries of no known kind, of `bytes` bytes each.
async fn plain(count: usize, bytes: usize) -> (Ledger, TempDir) {
    let home = tempfile::tempdir().unwrap();
    let (store, _) = Store::open(&home.path().join("store")).unwrap();
    for _ in 0..count {
        let _ = store.commit(Batch::new().append(LOG, vec![255; bytes], Vec::new(), None)).await.unwrap();
    }
    (Ledger::new(store, LOG, "test/payments".to_owned(), CancellationToken::new()), home)
}

/// Opens a stream from the beginning, for a caller at this address.
async fn open(ledger: &Ledger, address: &str, follow: bool) -> Result<ReceiverStream<Step>, Status> {
    let mut request = Request::new(StreamEntriesRequest { from_index: 0, bucket: None, follow, proofs: false });
    let address = SocketAddr::new(address.parse().unwrap(), 7);
    request.extensions_mut().insert(Peer { address, certified: false, key_exchange: None });
    ledger.stream_entries(request).await.map(Response::into_inner)
}

/// Opens a stream as soon as there is a place for it.
async fn open_at_last(ledger: &Ledger, address: &str) -> ReceiverStream<Step> {
    let opened = async {
        loop {
            match open(ledger, address, false).await {
                Ok(stream) => return stream,
                Err(status) => assert_eq!(reason(status), ErrorReason::Overloaded),
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), opened).await.unwrap()
}

#[tokio::test]
async fn one_network_cannot_keep_all_others_from_the_log() {
    let (ledger, _home) = plain(0, 0).await;
    let StreamLimits { total, per_address, .. } = StreamLimits::default();
    assert!(per_address * 4 <= total, "the default share of one network");
    let mut greedy = Vec::new();
    for host in 0..per_address {
        greedy.push(open(&ledger, &format!("2001:db8::{host:x}"), true).await.unwrap());
    }
    let refused = open(&ledger, "2001:db8::ffff", true).await.unwrap_err();
    assert_eq!(reason(refused), ErrorReason::Overloaded);
    let mut stream = open(&ledger, "2001:db8:0:1::1", false).await.unwrap();
    assert_eq!(next(&mut stream).await, Item::CaughtUpTo(0));

    greedy.pop();
    let mut stream = open_at_last(&ledger, "2001:db8::ffff").await;
    assert_eq!(next(&mut stream).await, Item::CaughtUpTo(0));
}

#[tokio::test]
async fn a_stream_that_is_not_read_ends_and_gives_its_place_back() {
    let (ledger, _home) = plain(3 * STEPS_WAITING_MAX, 1).await;
    let ledger = ledger.with_limits(StreamLimits { total: 1, per_address: 1, step: Duration::from_millis(50) });
    let mut stalled = open(&ledger, "192.0.2.1", true).await.unwrap();
    drop(open_at_last(&ledger, "192.0.2.2").await);

    // What waited is sent, and then why there is no more.
    for index in 0..STEPS_WAITING_MAX {
        assert!(matches!(next(&mut stalled).await, Item::Entry(entry) if entry.index == index as u64));
    }
    let last = stalled.next().await.unwrap().unwrap_err();
    assert_eq!(reason(last), ErrorReason::TimedOut);
    assert!(stalled.next().await.is_none());
}

#[tokio::test]
async fn a_page_of_long_entries_is_a_short_one() {
    let bytes = 60_000;
    let (ledger, _home) = plain(PAGE_ENTRIES_MAX + 3, bytes).await;
    let (steps, _receiver) = mpsc::channel(1);
    let records = ledger.store.log_read(LOG, 0, PAGE_ENTRIES_MAX).await.unwrap();
    let mut reading = Reading { ledger: ledger.clone(), next: 0, filter: None, follow: false, proofs: false, steps };
    let page = reading.page(records);
    assert_eq!((page.len(), reading.next), (PAGE_BYTES.div_ceil(bytes), 2));

    let mut stream = open(&ledger, "192.0.2.1", false).await.unwrap();
    for index in 0..PAGE_ENTRIES_MAX + 3 {
        assert!(matches!(next(&mut stream).await, Item::Entry(entry) if entry.index == index as u64));
    }
    assert_eq!(next(&mut stream).await, Item::CaughtUpTo(PAGE_ENTRIES_MAX as u64 + 3));
}

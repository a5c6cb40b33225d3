//! The calls.

use std::sync::{Arc, Mutex, MutexGuard};

use farthing_ecash::{
    disclosure::{Attestation, AttestationRequest},
    entry::{Entry, EntryKind},
    keys::PublicKey,
    renew::GrantRequest,
    statement::Statement,
    transaction::Core,
};
use farthing_ledger::{
    hash::Hash,
    tile::{Content, TilePath, encode_bundle, encode_hashes},
    tree::Frontier,
};
use farthing_proto::v1::{
    AddCosignaturesRequest, AddCosignaturesResponse, AttestRequest, AttestResponse, BucketFilter, DirectoryEntry,
    ErrorReason, GetAccountRequest, GetAccountResponse, GetCheckpointRequest, GetCheckpointResponse,
    GetConsistencyProofRequest, GetConsistencyProofResponse, GetDirectoryBucketRequest, GetDirectoryBucketResponse,
    GetEntryRequest, GetEntryResponse, GetInclusionProofRequest, GetInclusionProofResponse, GetIssuerRequest,
    GetIssuerResponse, GetLogSizeRequest, GetLogSizeResponse, GetRedeemerRequest, GetRedeemerResponse, GetTileRequest,
    GetTileResponse, ListCheckpointsRequest, ListCheckpointsResponse, LogEntry, RegisterRequest, RegisterResponse,
    RequestGrantRequest, RequestGrantResponse, StreamEntriesRequest, StreamEntriesResponse, SubmitTransactionRequest,
    SubmitTransactionResponse, WithdrawRequest, WithdrawResponse, issuer_service_server::IssuerService,
    ledger_service_server::LedgerService, redeemer_service_server::RedeemerService, stream_entries_response::Item,
};
use farthing_service::status::Refusal;
use getrandom::{SysRng, rand_core::UnwrapErr};
use tonic::{Request, Response, Status};

use super::{Books, Copied, Fate, PROOF_HASH, Side};

#[derive(Clone)]
pub(super) struct Desk {
    pub(super) books: Arc<Mutex<Books>>,
}

fn broken() -> Status {
    Refusal::new(ErrorReason::StoreUnavailable, "the connection broke").into()
}

impl Desk {
    /// Does with a request that moves money what the test wants.
    fn receive(&self, transaction: &[u8], private: &[u8]) -> Result<(Vec<u8>, u64), Status> {
        let mut books = self.books.lock().unwrap();
        books.calls.push(format!("submit {} {}", transaction.len(), private.len()));
        if let Some(arrival) = &mut books.arrival {
            arrival();
        }
        match books.fates.pop_front() {
            None => Ok(books.carry_out(transaction, private)?),
            Some(Fate::RequestLost) => Err(broken()),
            Some(Fate::AnswerLost) => {
                books.carry_out(transaction, private)?;
                Err(broken())
            }
            Some(Fate::Delayed) => {
                books.delayed.push((transaction.to_vec(), private.to_vec()));
                Err(broken())
            }
            Some(Fate::Falsified) => {
                let (mut answer, index) = books.carry_out(transaction, private)?;
                // The last byte of the first e: still a scalar, but another one.
                answer[63] ^= 1;
                Ok((answer, index))
            }
            Some(Fate::FeeRaised) => {
                books.raise_fee();
                Ok(books.carry_out(transaction, private)?)
            }
            Some(Fate::Refused(reason)) => Err(Refusal::new(reason, "because the test wants it").into()),
        }
    }
}

#[tonic::async_trait]
impl IssuerService for Desk {
    async fn get_issuer(&self, _: Request<GetIssuerRequest>) -> Result<Response<GetIssuerResponse>, Status> {
        let mut books = self.books.lock().unwrap();
        books.calls.push("issuer".to_owned());
        Ok(Response::new(GetIssuerResponse {
            log_origin: "issuance.example".to_owned(),
            keys: books.announced().map(PublicKey::to_bytes).collect(),
            current_key_id: books.key().public().id().as_bytes().to_vec(),
            logical_day: books.day,
            time_zone: "UTC".to_owned(),
            log_verifier_key: books.signers[0].verifier().to_string(),
            calendar: books.calendar.to_bytes(),
            calendar_log_index: books
                .find(Side::Issuance, EntryKind::Calendar, &books.calendar.to_bytes())
                .unwrap_or(0),
            calendar_log_indices: books.calendar_indices(),
            key_log_indices: books
                .announced()
                .filter_map(|key| books.find(Side::Issuance, EntryKind::Key, &key.to_bytes()))
                .collect(),
        }))
    }

    async fn register(&self, request: Request<RegisterRequest>) -> Result<Response<RegisterResponse>, Status> {
        let request = request.into_inner();
        if request.invitation != "invited" {
            return Err(Refusal::new(ErrorReason::NotInvited, "not invited").into());
        }
        let (day, from) = {
            let mut books = self.books.lock().unwrap();
            books.calls.push("register".to_owned());
            (books.day, books.registers_from)
        };
        if day < from {
            return Err(Refusal::new(ErrorReason::RegistrationWaits, "later").with("from_day", from).into());
        }
        let (answer, log_index) = self.receive(&request.transaction, &request.private_part)?;
        Ok(Response::new(RegisterResponse { answer, log_index }))
    }

    async fn request_grant(
        &self,
        request: Request<RequestGrantRequest>,
    ) -> Result<Response<RequestGrantResponse>, Status> {
        let request = GrantRequest::from_bytes(&request.into_inner().request).unwrap();
        let mut books = self.books.lock().unwrap();
        books.calls.push("grant".to_owned());
        let (grant, log_index) = books.grant(&request)?;
        if std::mem::take(&mut books.lose_grant) {
            return Err(broken());
        }
        Ok(Response::new(RequestGrantResponse { grant: grant.to_bytes(), log_index }))
    }

    async fn withdraw(&self, request: Request<WithdrawRequest>) -> Result<Response<WithdrawResponse>, Status> {
        let request = request.into_inner();
        let (answer, log_index) = self.receive(&request.transaction, &request.private_part)?;
        Ok(Response::new(WithdrawResponse { answer, log_index }))
    }

    async fn get_directory_bucket(
        &self,
        request: Request<GetDirectoryBucketRequest>,
    ) -> Result<Response<GetDirectoryBucketResponse>, Status> {
        let request = request.into_inner();
        let mut books = self.books.lock().unwrap();
        books.calls.push(format!("bucket of {} bits", request.prefix_bits));
        let entry = |(hash, key): (&[u8; 32], &Vec<u8>)| DirectoryEntry {
            hash: hash.to_vec(),
            encryption_key: key.clone(),
            log_index: books.listed.get(hash).copied(),
        };
        let wanted = |(hash, _): &(&[u8; 32], &Vec<u8>)| {
            let first = u32::from_be_bytes([hash[0], hash[1], hash[2], hash[3]]);
            first.checked_shr(32 - request.prefix_bits).unwrap_or(0) == request.prefix
        };
        let entries = books.directory.iter().filter(wanted).map(entry).collect();
        Ok(Response::new(GetDirectoryBucketResponse {
            entries,
            directory_size: books.directory.len() as u64,
            log_interval_seconds: 30,
        }))
    }

    async fn get_account(&self, _: Request<GetAccountRequest>) -> Result<Response<GetAccountResponse>, Status> {
        Ok(Response::new(GetAccountResponse { class_name: "person".to_owned(), class: 1, ..Default::default() }))
    }
}

#[tonic::async_trait]
impl RedeemerService for Desk {
    async fn get_redeemer(&self, _: Request<GetRedeemerRequest>) -> Result<Response<GetRedeemerResponse>, Status> {
        let mut books = self.books.lock().unwrap();
        books.calls.push("redeemer".to_owned());
        let policy = books.policy();
        let rules = books.rules[&books.epoch].clone();
        let foreign;
        let key = if books.foreign_key {
            foreign = super::key();
            &foreign
        } else {
            books.key()
        };
        Ok(Response::new(GetRedeemerResponse {
            log_origin: books.origin.to_owned(),
            current_key_id: key.public().id().as_bytes().to_vec(),
            logical_day: books.day,
            epoch: books.epoch,
            log_verifier_key: books.signers[1].verifier().to_string(),
            policy_log_index: books.find(Side::Payments, EntryKind::Policy, &policy.to_bytes()).unwrap_or(0),
            rules_log_indices: books.find(Side::Payments, EntryKind::Rules, &rules).into_iter().collect(),
            rules: vec![rules],
            policy: policy.to_bytes(),
            ..Default::default()
        }))
    }

    async fn submit_transaction(
        &self,
        request: Request<SubmitTransactionRequest>,
    ) -> Result<Response<SubmitTransactionResponse>, Status> {
        let request = request.into_inner();
        let (answer, log_index) = self.receive(&request.transaction, &request.private_part)?;
        Ok(Response::new(SubmitTransactionResponse { answer, log_index }))
    }

    async fn attest(&self, request: Request<AttestRequest>) -> Result<Response<AttestResponse>, Status> {
        let mut books = self.books.lock().unwrap();
        let request = AttestationRequest::from_bytes(&request.into_inner().presentation)
            .map_err(|_| Refusal::field("presentation", "malformed"))?;
        books.attested.push(request);
        let made = Attestation::make(books.key(), &request, &mut UnwrapErr(SysRng));
        let made = made.map_err(|_| Refusal::new(ErrorReason::ProofInvalid, "it is not true"))?;
        Ok(Response::new(AttestResponse { attestation: made.to_bytes().to_vec() }))
    }
}

/// One of the two logs.
#[derive(Clone)]
pub(super) struct Log {
    pub(super) desk: Desk,
    pub(super) side: Side,
    /// Set when it is somebody's copy.
    pub(super) copied: Option<Arc<Mutex<Copied>>>,
}

impl Log {
    /// The books, and how many entries there are at most.
    fn books(&self, call: &str) -> (MutexGuard<'_, Books>, usize) {
        let sizes = self.copied.as_ref().and_then(|copied| copied.lock().unwrap().sizes);
        let mut books = self.desk.books.lock().unwrap();
        books.log_calls += u64::from(self.copied.is_none());
        books.calls.push(format!("{:?}: {call}", self.side));
        (books, sizes.map_or(usize::MAX, |sizes| sizes[self.side as usize]))
    }

    fn entries(&self, call: &str) -> Vec<Vec<u8>> {
        let (books, limit) = self.books(call);
        let mut entries = books.shown(self.side);
        entries.truncate(limit);
        entries
    }
}

/// The leaf of an entry.
pub(super) fn leaf(entry: &Vec<u8>) -> Vec<u8> {
    let hash: &[u8] = if entry[0] < 32 { &PROOF_HASH } else { &[] };
    [entry.as_slice(), hash].concat()
}

fn log_entry((index, entry): (u64, Vec<u8>), moves_bytes: i8) -> LogEntry {
    let entry_length = entry.len();
    let (mut entry, mut proof_hash) = (leaf(&entry), Vec::new());
    if entry.len() > entry_length {
        let moved = entry_length.saturating_add_signed(moves_bytes.into()).clamp(1, entry.len());
        proof_hash = entry.split_off(moved);
    }
    LogEntry { index, entry, proof_hash, ..Default::default() }
}

/// The root over some leaves.
fn root(leaves: &[Vec<u8>]) -> Hash {
    leaves.iter().map(|leaf| Hash::leaf(leaf)).collect::<Frontier>().root()
}

type Entries = std::pin::Pin<Box<dyn tokio_stream::Stream<Item = Result<StreamEntriesResponse, Status>> + Send>>;

fn passes(entry: &[u8], filter: Option<BucketFilter>) -> bool {
    let Some(filter) = filter else { return true };
    let entry = Entry::from_bytes(entry).unwrap();
    entry.kind() != EntryKind::Transaction(Statement::Pay)
        || Core::from_prefix(entry.body()).unwrap().0.delivery().unwrap().bucket == filter.bucket
}

#[tonic::async_trait]
impl LedgerService for Log {
    type StreamEntriesStream = Entries;

    async fn stream_entries(&self, request: Request<StreamEntriesRequest>) -> Result<Response<Entries>, Status> {
        let request = request.into_inner();
        let entries = self.entries("stream");
        let size = entries.len() as u64;
        let breaks_at = self.desk.books.lock().unwrap().payments_break_at.filter(|_| self.side == Side::Payments);
        let wanted = (0..)
            .zip(entries)
            .filter(move |(index, entry)| *index >= request.from_index && passes(entry, request.bucket));
        let moves_bytes = self.desk.books.lock().unwrap().moves_bytes;
        let entry = move |entry| Item::Entry(log_entry(entry, moves_bytes));
        let items: Vec<_> = wanted.map(entry).chain([Item::CaughtUpTo(size)]).collect();
        let steps = items.into_iter().enumerate().map(move |(at, item)| {
            if breaks_at.is_some_and(|breaks| at >= breaks) {
                return Err(broken());
            }
            Ok(StreamEntriesResponse { item: Some(item) })
        });
        Ok(Response::new(Box::pin(tokio_stream::iter(steps))))
    }

    async fn get_entry(&self, request: Request<GetEntryRequest>) -> Result<Response<GetEntryResponse>, Status> {
        let index = request.into_inner().index;
        let entry = self.entries("entry")[usize::try_from(index).unwrap()].clone();
        let entry = log_entry((index, entry), self.desk.books.lock().unwrap().moves_bytes);
        Ok(Response::new(GetEntryResponse { entry: Some(entry), proof: Vec::new() }))
    }

    async fn get_log_size(&self, _: Request<GetLogSizeRequest>) -> Result<Response<GetLogSizeResponse>, Status> {
        let size = self.entries("size").len() as u64;
        let origin =
            if self.side == Side::Issuance { "issuance.example" } else { self.desk.books.lock().unwrap().origin };
        Ok(Response::new(GetLogSizeResponse { origin: origin.to_owned(), size }))
    }

    async fn list_checkpoints(
        &self,
        _: Request<ListCheckpointsRequest>,
    ) -> Result<Response<ListCheckpointsResponse>, Status> {
        Err(Refusal::new(ErrorReason::MethodUnknown, "not here").into())
    }

    async fn get_checkpoint(
        &self,
        _: Request<GetCheckpointRequest>,
    ) -> Result<Response<GetCheckpointResponse>, Status> {
        let (books, limit) = self.books("checkpoint");
        let note = books.checkpoint(self.side, limit).note().to_string();
        Ok(Response::new(GetCheckpointResponse { note }))
    }

    async fn get_inclusion_proof(
        &self,
        _: Request<GetInclusionProofRequest>,
    ) -> Result<Response<GetInclusionProofResponse>, Status> {
        Err(Refusal::new(ErrorReason::MethodUnknown, "not here").into())
    }

    async fn get_consistency_proof(
        &self,
        _: Request<GetConsistencyProofRequest>,
    ) -> Result<Response<GetConsistencyProofResponse>, Status> {
        Err(Refusal::new(ErrorReason::MethodUnknown, "not here").into())
    }

    async fn get_tile(&self, request: Request<GetTileRequest>) -> Result<Response<GetTileResponse>, Status> {
        let path = request.into_inner().path;
        let TilePath { content, index, width } = path.parse().unwrap();
        let (leaves, shown) = {
            let (books, limit) = self.books(&path);
            (books.leaves(self.side, limit), books.shown_leaves(self.side, limit))
        };
        let (first, width) = (usize::try_from(index).unwrap() * 256, usize::from(width));
        let mut data = match content {
            Content::Entries => encode_bundle(&shown[first..first + width]).unwrap(),
            Content::Hashes { level } => {
                let each = 1 << (8 * level);
                let hashes: Vec<_> =
                    (first..first + width).map(|place| root(&leaves[place * each..(place + 1) * each])).collect();
                encode_hashes(&hashes)
            }
        };
        if self.copied.as_ref().is_some_and(|copied| copied.lock().unwrap().spoilt) {
            data[0] ^= 1;
        }
        Ok(Response::new(GetTileResponse { data }))
    }

    async fn add_cosignatures(
        &self,
        _: Request<AddCosignaturesRequest>,
    ) -> Result<Response<AddCosignaturesResponse>, Status> {
        Err(Refusal::new(ErrorReason::MethodUnknown, "not here").into())
    }
}

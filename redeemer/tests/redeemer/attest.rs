//! Attestations, for verifiers to whom wallets show what they have received.

use farthing_ecash::disclosure::{Attestation, Challenge, IncomeProof};
use farthing_proto::v1::ErrorReason;
use tonic::Code;

use crate::{
    mint::{Mint, TODAY},
    money::{paid_note, validity},
    wallet::{Wallet, rng},
    world::World,
};

#[tokio::test]
async fn what_is_true_is_attested_and_nothing_else() {
    let mut world = World::new().await;
    let currency = world.mint().key().public().currency().clone();
    // A second key that is good, and a third whose exchange period is over.
    world.mints.push(Mint::new(&currency, TODAY - 300, TODAY - 200));
    world.mints.push(Mint::new(&currency, TODAY - 3_000, TODAY - 2_900));
    let running = world.start().await;
    let facts = running.facts().await;
    let bob = Wallet::new("bob@bank.example");
    let state = world.mint().state(&bob.keys, &bob.identity, 1, validity());
    let notes = [paid_note(&world, &running, &bob, 350).await];
    let claim = bob.claim(&facts, &notes, &state);
    let answer = running.submit(&claim).await.unwrap().answer;
    let (_, state) = bob.claimed(&facts, &claim, &answer, &state);

    let challenge = Challenge::new("Housing Office", &mut rng()).unwrap();
    let proof = IncomeProof::prove(&challenge, &state, Some(&bob.identity), &mut rng()).unwrap();
    let request = proof.attestation_request().to_bytes();
    let attested = running.attest(request.clone()).await.unwrap();
    let attestation = Attestation::from_bytes(attested.as_slice().try_into().unwrap()).unwrap();
    assert!(proof.verify(&challenge, &attestation, &facts.key, &mut rng()).is_ok());
    assert_eq!(proof.total().get(), 350);
    // The same again is attested again: nothing is consumed, nothing remembered.
    assert!(running.attest(request.clone()).await.is_ok());

    let other = IncomeProof::prove(&challenge, &state, None, &mut rng()).unwrap().attestation_request().to_bytes();
    let [_, second, old] = [0, 1, 2].map(|place| *world.mints[place].key().public().id().as_bytes());
    let with = |range: std::ops::Range<usize>, bytes: &[u8]| {
        let mut changed = request.clone();
        changed[range].copy_from_slice(bytes);
        changed
    };
    let proof_invalid = [with(64..96, &other[64..96]), with(32..64, &other[32..64]), with(0..32, &second)];
    for presentation in proof_invalid {
        let refused = running.attest(presentation).await.unwrap_err();
        assert_eq!((refused.code, refused.reason), (Code::InvalidArgument, ErrorReason::ProofInvalid));
    }
    for key in [old, [7; 32]] {
        let refused = running.attest(with(0..32, &key)).await.unwrap_err();
        assert_eq!((refused.code, refused.reason), (Code::FailedPrecondition, ErrorReason::KeyExpired));
    }
    let malformed = [
        Vec::new(),
        request[..127].to_vec(),
        [&request[..], &[0]].concat(),
        with(32..64, &[0; 32]),
        with(64..96, &[0xff; 32]),
    ];
    for presentation in malformed {
        let refused = running.attest(presentation).await.unwrap_err();
        assert_eq!((refused.code, refused.reason), (Code::InvalidArgument, ErrorReason::MalformedRequest));
        assert!(refused.message.starts_with("presentation: "), "{}", refused.message);
    }
    // The id binds the disclosure: under another one it is another attestation.
    let bound = running.attest(with(96..128, &[7; 32])).await.unwrap();
    let bound = Attestation::from_bytes(bound.as_slice().try_into().unwrap()).unwrap();
    assert!(proof.verify(&challenge, &bound, &facts.key, &mut rng()).is_err());
}

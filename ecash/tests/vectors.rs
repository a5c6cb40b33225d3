//! The vectors of a second, independent implementation and our own: what is in them is accepted, reproduced and refused
//! to the byte.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs)]

#[path = "town/reference.rs"]
mod reference;

use farthing_ecash::{
    account::{AccountKey, AccountOpening},
    amount::Amount,
    claim,
    credential::issue::{Addition, Answer},
    entry::leaf_hash,
    identity::Identity,
    keys::PublicKey,
    note::{self, ReceiveError},
    pay,
    policy::SignedRules,
    redeem,
    refund::{self, Refundable},
    register, renew, rule,
    spent::SpentProof,
    split,
    statement::Statement,
    swap,
    transaction::{Core, Transaction},
    verify::BatchVerifier,
    withdraw,
};
use getrandom::{SysRng, rand_core::UnwrapErr};
use reference::{Reference, addition, answer_bytes, hex};

/// Both files: that of the second implementation and our own, which covers what it leaves out.
fn both() -> [Reference; 2] {
    [Reference::read(), Reference::own()]
}

fn rng() -> UnwrapErr<SysRng> {
    UnwrapErr(SysRng)
}

fn minimum(vectors: &Reference) -> Amount {
    vectors.policy().terms().minimum
}

#[test]
fn key_id_is_reproduced() {
    for vectors in both() {
        let key = vectors.signing_key();
        assert_eq!(key.public().id().as_bytes().as_slice(), hex(&vectors.0["key"]["id"]));
        let public = PublicKey::from_bytes(&key.public().to_bytes()).unwrap();
        assert_eq!(&public, key.public());
    }
}

#[test]
fn requests_decode_and_encode_to_the_byte() {
    for vectors in both() {
        for (vector, transaction) in vectors.transactions() {
            let request = hex(&vector["request"]);
            assert_eq!(transaction.as_bytes(), request);
            let core_length = usize::try_from(vector["core_length"].as_u64().unwrap()).unwrap();
            assert_eq!(transaction.core_bytes(), &request[..core_length]);
            assert_eq!(transaction.core().to_bytes(), &request[..core_length]);
            assert_eq!(transaction.core().statement().name(), vector["statement"].as_str().unwrap());
        }
    }
}

#[test]
fn transcripts_and_ids_are_reproduced() {
    for vectors in both() {
        for (vector, transaction) in vectors.transactions() {
            let expected = vector["transcript"].as_array().unwrap();
            let messages = transaction.transcript();
            assert_eq!(messages.len(), expected.len());
            for (message, expected) in messages.iter().zip(expected) {
                let label = expected[0].as_str().unwrap();
                assert_eq!(message.label, label.trim_end_matches(" ->"));
                assert_eq!(message.challenge, label.ends_with("->"), "{label}");
                assert_eq!(message.bytes, hex(&expected[1]), "{label}");
            }
            assert_eq!(transaction.id().as_bytes().as_slice(), hex(&vector["id"]));
            assert_eq!(transaction.core().id(), transaction.id());
        }
    }
}

#[test]
fn every_request_verifies_alone_and_all_in_one_batch() {
    for vectors in both() {
        let ring = vectors.ring();
        let minimum = minimum(&vectors);
        let mut batch = BatchVerifier::new(&ring);
        for (vector, transaction) in vectors.transactions() {
            let alone = transaction.clone().verify(&ring, minimum, &mut rng());
            assert!(alone.is_ok(), "{}", vector["statement"]);
            batch.queue(transaction, minimum);
        }
        assert!(batch.verify(&mut rng()).is_ok());
    }
}

#[test]
fn answers_are_reproduced_and_checked() {
    for vectors in both() {
        let ring = vectors.ring();
        let key = vectors.signing_key();
        for (vector, transaction) in vectors.transactions() {
            let core = transaction.core().clone();
            let bytes = answer_bytes(&vector);
            let answer = Answer::from_bytes(&core, &bytes).unwrap();
            assert_eq!(answer.to_bytes(), bytes);
            let addition = addition(&vector);
            assert!(answer.check(&core, addition, key.public()).is_ok(), "{}", vector["statement"]);

            let messages = answer.transcript(&core, core.id(), addition, key.public()).unwrap();
            let expected = vector["dleq_transcript"].as_array().unwrap();
            assert_eq!(messages.len(), expected.len());
            for (message, expected) in messages.iter().zip(expected) {
                assert_eq!(message.label, expected[0].as_str().unwrap().trim_end_matches(" ->"));
                assert_eq!(message.bytes, hex(&expected[1]));
            }

            let verified = transaction.verify(&ring, minimum(&vectors), &mut rng()).unwrap();
            let ours = Answer::sign(&key, &verified, addition, &mut rng()).unwrap();
            let signatures = bytes.len() - 64 - if core.statement() == Statement::Register { 8 } else { 0 };
            assert_eq!(ours.to_bytes()[..signatures], bytes[..signatures]);
            assert!(ours.check(&core, addition, key.public()).is_ok());
        }
    }
}

#[test]
fn leaves_are_reproduced() {
    for vectors in both() {
        for (vector, transaction) in vectors.transactions() {
            let core = transaction.core();
            let mut entry = vec![core.statement().code()];
            entry.extend(core.header().day.get().to_le_bytes());
            entry.extend_from_slice(transaction.core_bytes());
            entry.extend(answer_bytes(&vector));
            assert_eq!(leaf_hash(&entry, Some(transaction.proof_bytes())).as_slice(), hex(&vector["leaf"]));
        }
    }
}

#[test]
fn rules_are_reproduced_and_checked() {
    for vectors in both() {
        let key = vectors.signing_key();
        let policy = vectors.policy();
        assert_eq!(policy.hash().as_bytes().as_slice(), hex(&vectors.0["policy"]["hash"]));
        let rules = vectors.0["policy"]["rules"].as_array().unwrap();
        let mut bytes = key.public().id().as_bytes().to_vec();
        bytes.extend_from_slice(policy.hash().as_bytes());
        bytes.extend(u32::try_from(rules.len()).unwrap().to_le_bytes());
        for rule in rules {
            bytes.extend(hex(&rule[0]));
            bytes.extend(hex(&rule[1]));
        }
        let signatures = bytes.len();
        bytes.extend(hex(&vectors.0["policy"]["dleq"]));
        let signed = SignedRules::from_bytes(&bytes).unwrap();
        assert_eq!(rule::verify_rules(key.public(), &policy, &signed).unwrap().len(), rules.len());
        let ours = rule::sign_rules(&key, &policy, &mut rng());
        assert_eq!(ours.to_bytes()[..signatures], bytes[..signatures]);
        assert!(rule::verify_rules(key.public(), &policy, &ours).is_ok());
    }
}

#[test]
fn spent_proof_is_accepted() {
    for vectors in both() {
        let key = vectors.signing_key();
        let cores: Vec<Core> =
            vectors.transactions().iter().map(|(_, transaction)| transaction.core().clone()).collect();
        let root: [u8; 32] = hex(&vectors.0["spent"]["root"]).try_into().unwrap();
        let proof = SpentProof::from_bytes(&hex(&vectors.0["spent"]["proof"]).try_into().unwrap()).unwrap();
        assert!(proof.verify(key.public(), &root, &cores).is_ok());
        assert!(proof.verify(key.public(), &root, &cores[1..]).is_ok(), "register has no inputs");
        assert!(proof.verify(key.public(), &root, &cores[..cores.len() - 1]).is_err());
        let ours = SpentProof::prove(&key, &root, &cores, &mut rng()).unwrap();
        assert!(ours.verify(key.public(), &root, &cores).is_ok());
        assert!(ours.verify(key.public(), &[0; 32], &cores).is_err());
    }
}

/// Which wallet and identity made each transaction, found by its self-ciphertext or registration.
fn finish(vectors: &Reference, name: &str, identity: &Identity) -> usize {
    let key = vectors.signing_key();
    let keys = vectors.wallet(name);
    let mut state = None;
    let mut paid = Vec::new();
    let mut finished = 0;
    for (vector, transaction) in vectors.transactions() {
        let core = transaction.core();
        let answer = Answer::from_bytes(core, &answer_bytes(&vector)).unwrap();
        let public = key.public();
        let done = match core.statement() {
            Statement::Register => match register::finish(core, &answer, public, &keys, identity) {
                Ok(first) => {
                    state = Some(first);
                    true
                }
                Err(_) => false,
            },
            Statement::Withdraw => withdraw::finish(core, &answer, public, &keys).is_ok(),
            Statement::Pay => {
                let Addition::Expiry(expiry) = addition(&vector) else { panic!() };
                let note = Refundable::paid(core, &answer, public, expiry, &keys);
                let mine = pay::finish(core, &answer, public, expiry, &keys).is_ok();
                assert_eq!(note.is_ok(), mine);
                paid.extend(note);
                mine
            }
            Statement::Claim => match claim::finish(core, &answer, public, &keys, state.as_ref().unwrap().attributes())
            {
                Ok((_, next)) => {
                    state = Some(next);
                    true
                }
                Err(_) => false,
            },
            Statement::Redeem => redeem::finish(core, &answer, public, &keys).is_ok(),
            Statement::Swap => swap::finish(core, &answer, public, &keys).is_ok(),
            Statement::Split => split::finish(core, &answer, public, &keys, &identity.pid()).is_ok(),
            Statement::SplitExpired => {
                paid.iter().any(|note| split::finish_expired(core, &answer, public, &keys, note).is_ok())
            }
            Statement::Refund => {
                match refund::finish(core, &answer, public, &keys, state.as_ref().unwrap().attributes()) {
                    Ok((_, next)) => {
                        state = Some(next);
                        true
                    }
                    Err(_) => false,
                }
            }
            Statement::Renew => match renew::finish(core, &answer, public, &keys, state.as_ref().unwrap().attributes())
            {
                Ok(next) => {
                    state = Some(next);
                    true
                }
                Err(_) => false,
            },
        };
        finished += usize::from(done);
    }
    finished
}

#[test]
fn wallets_finish_their_own_transactions() {
    for vectors in both() {
        let mine = finish(&vectors, "alice", &Identity::parse("alice@bank.example").unwrap());
        let theirs = finish(&vectors, "bob", &Identity::parse("+35212345678").unwrap());
        assert!(mine > 0 && theirs > 0);
        assert_eq!(mine + theirs, vectors.transactions().len());
    }
}

#[test]
fn payees_find_and_check_their_notes() {
    for vectors in both() {
        let key = vectors.signing_key();
        let (alice, bob) = (vectors.wallet("alice"), vectors.wallet("bob"));
        let alice_pid = Identity::parse("alice@bank.example").unwrap().pid();
        let bob_pid = Identity::parse("+35212345678").unwrap().pid();
        let mut found = 0;
        for (vector, transaction) in vectors.transactions() {
            let Addition::Expiry(expiry) = addition(&vector) else { continue };
            let core = transaction.core();
            if core.statement() != Statement::Pay {
                continue;
            }
            let answer = Answer::from_bytes(core, &answer_bytes(&vector)).unwrap();
            let receive = |keys, pid| note::receive(core, &answer, key.public(), expiry, keys, pid);
            let received: Vec<_> =
                [receive(&alice, &alice_pid), receive(&bob, &bob_pid)].into_iter().flatten().collect();
            assert_eq!(received.len(), 1);
            assert!(matches!(
                receive(&bob, &alice_pid).err(),
                Some(ReceiveError::Invalid | ReceiveError::NotForThisWallet)
            ));
            let wrong = note::receive(core, &answer, key.public(), expiry.plus(1), &bob, &bob_pid);
            assert!(wrong.is_err());
            found += 1;
        }
        assert!(found > 1);
    }
}

#[test]
fn private_parts_are_checked() {
    let vectors = Reference::read();
    for (vector, transaction) in vectors.transactions() {
        if transaction.core().statement() != Statement::Register {
            continue;
        }
        let private = &vector["private"];
        let identity = private["identity"].as_str().unwrap().as_bytes();
        let mut bytes = vec![u8::try_from(identity.len()).unwrap()];
        bytes.extend_from_slice(identity);
        for part in ["Y", "b", "ek", "salt", "account_proof"] {
            bytes.extend(hex(&private[part]));
        }
        let opening = register::RegisterOpening::from_bytes(&bytes).unwrap();
        assert!(opening.check(&transaction).is_ok());
        let at = bytes.len() - 1 - 64;
        bytes[at] ^= 1;
        let other_salt = register::RegisterOpening::from_bytes(&bytes).unwrap();
        assert!(other_salt.check(&transaction).is_err());
    }
}

#[test]
fn an_account_opening_fits_its_own_transaction_only() {
    for vectors in both() {
        let alice = AccountKey::of(&vectors.wallet("alice"));
        let mut fitting = 0;
        for (vector, transaction) in vectors.transactions() {
            if !matches!(transaction.core().statement(), Statement::Withdraw | Statement::Redeem) {
                continue;
            }
            let mut bytes = alice.to_bytes().to_vec();
            bytes.extend(hex(&vector["witness_values"]["b"]));
            fitting += usize::from(AccountOpening::from_bytes(&bytes).unwrap().check(transaction.core()).is_ok());
        }
        assert!((1..4).contains(&fitting));
    }
}

#[test]
fn what_our_own_file_says_is_refused_is_refused() {
    let vectors = Reference::own();
    let refused = vectors.0["refused"].as_array().unwrap();
    assert_eq!(refused.len(), 5);
    for refusal in refused {
        let received = Transaction::from_bytes(&hex(&refusal[1]));
        let verified = received.map(|it| it.verify(&vectors.ring(), minimum(&vectors), &mut rng()).is_ok());
        assert_ne!(verified, Ok(true), "{}", refusal[0]);
    }
}

/// What the second implementation leaves out is there.
#[test]
fn our_own_file_covers_the_largest_transactions() {
    let inputs = |statement: Statement| {
        let of = |it: &Transaction| it.core().statement() == statement;
        let counts =
            Reference::own().transactions().into_iter().filter(|(_, it)| of(it)).map(|(_, it)| it.core().weight());
        counts.max().unwrap()
    };
    assert_eq!([Statement::Pay, Statement::Swap, Statement::Redeem, Statement::Claim].map(inputs), [16, 16, 3, 64]);
}

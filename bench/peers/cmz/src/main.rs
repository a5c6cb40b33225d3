//! cmz: showing a credential of six attributes (one revealed, four hidden) and having it issued again with a new serial that
//! both sides make, once with and once without a range proof; in both variants of its MAC.
#![allow(non_snake_case)]

#[path = "../../measure.rs"]
mod measure;

use cmz::*;
use curve25519_dalek::ristretto::RistrettoPoint as G;
use group::Group;
use rand::{CryptoRng, RngCore};
use sha2::Sha512;

CMZ! { Purse: serial, balance, owner, purpose, day, class }

macro_rules! variant {
    ($proto:tt, $issue:ident, $again:ident, $range:ident, $keys:ident, $run:ident) => {
        $proto! { $issue, , P: Purse { serial: J, balance: S, owner: H, purpose: S, day: S, class: S }, }

        $proto! { $again,
          [ P: Purse { serial: R, balance: H, owner: H, purpose: H, day: H, class: R } ],
          N: Purse { serial: J, balance: H, owner: H, purpose: H, day: H, class: R },
          P.balance = N.balance, P.owner = N.owner, P.purpose = N.purpose, P.day = N.day
        }

        $proto! { $range,
          [ P: Purse { serial: R, balance: H, owner: H, purpose: H, day: H, class: R } ],
          N: Purse { serial: J, balance: H, owner: H, purpose: H, day: H, class: R },
          (0..4294967296).contains(N.balance),
          P.balance = N.balance, P.owner = N.owner, P.purpose = N.purpose, P.day = N.day
        }

        fn $run(plain: &str, ranged: &str) {
            let mut rng = rand::thread_rng();
            let (private, public) = Purse::$keys(&mut rng);
            let mut wanted = Purse::using_pubkey(&public);
            wanted.owner = Some(77u128.into());
            let (request, state) = $issue::prepare(&mut rng, b"issue", wanted).unwrap();
            let fill = |P: &mut Purse| {
                P.set_privkey(&private);
                P.balance = Some(1_000u128.into());
                P.purpose = Some(0u128.into());
                P.day = Some(20_777u128.into());
                P.class = Some(1u128.into());
                Ok(())
            };
            let (reply, _) = $issue::handle(&mut rng, b"issue", request, fill, |_: &Purse| Ok(())).unwrap();
            let purse = state.finalize(reply).map_err(|(error, _)| error).unwrap();

            let next = || {
                let mut next = Purse::using_pubkey(&public);
                next.balance = purse.balance;
                next.owner = purse.owner;
                next.purpose = purse.purpose;
                next.day = purse.day;
                next.class = purse.class;
                next
            };
            let keys = |P: &mut Purse, N: &mut Purse| {
                P.set_privkey(&private);
                N.set_privkey(&private);
                Ok(())
            };
            let (request, _) = $again::prepare(&mut rng, b"again", &purse, next()).unwrap();
            let bytes = request.as_bytes();
            measure::print(plain, || {
                let request = $again::Request::try_from(&bytes[..]).unwrap();
                $again::handle(&mut rand::thread_rng(), b"again", request, keys, |_: &Purse, _: &Purse| Ok(()))
                    .unwrap()
                    .0
                    .as_bytes()
            });
            let (request, _) = $range::prepare(&mut rng, b"range", &purse, next()).unwrap();
            let bytes = request.as_bytes();
            measure::print(ranged, || {
                let request = $range::Request::try_from(&bytes[..]).unwrap();
                $range::handle(&mut rand::thread_rng(), b"range", request, keys, |_: &Purse, _: &Purse| Ok(()))
                    .unwrap()
                    .0
                    .as_bytes()
            });
        }
    };
}

variant! { muCMZProtocol, mu_issue, mu_again, mu_range, mucmz_gen_keys, mu }
variant! { CMZ14Protocol, cmz14_issue, cmz14_again, cmz14_range, cmz14_gen_keys, cmz14 }

fn main() {
    cmz_group_init(G::hash_from_bytes::<Sha512>(b"CMZ Generator A"));
    mu("cmz_show_reissue_us", "cmz_show_reissue_range_us");
    cmz14("cmz14_show_reissue_us", "cmz14_show_reissue_range_us");
}

//! Cosignatures: witnesses say which checkpoint they saw, and when (C2SP tlog-cosignature, `cosignature/v1`).

use crate::{
    key::{KeyKind, VerifierKey},
    note::{NoteSignature, SignedNote, Timestamp},
};

/// A cosignature that was checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cosigned {
    /// Number of the witness in the list that was given.
    pub witness: usize,
    /// When it signed.
    pub time: Timestamp,
    /// The line.
    pub signature: NoteSignature,
}

/// The cosignatures by these witnesses that hold. One that does not hold counts as none: a log or a stranger must not be
/// able to spoil what the other witnesses say.
#[must_use]
pub fn cosignatures(note: &SignedNote, witnesses: &[VerifierKey]) -> Vec<Cosigned> {
    let of = |(number, key): (usize, &VerifierKey)| {
        if key.kind() != KeyKind::Witness {
            return None;
        }
        let time = note.verify(key).ok()??;
        let signature = note.signatures().iter().find(|signature| key.is_named_by(signature))?.clone();
        Some(Cosigned { witness: number, time, signature })
    };
    witnesses.iter().enumerate().filter_map(of).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use getrandom::{SysRng, rand_core::UnwrapErr};

    use super::*;
    use crate::key::{CosignerKey, LogSigner};

    #[test]
    fn only_those_that_hold_are_found() {
        let mut rng = UnwrapErr(SysRng);
        let text = "origin.example\n1\nroot\n";
        let log = LogSigner::generate("origin.example", &mut rng).unwrap();
        let witnesses =
            ["one.example", "two.example", "three.example"].map(|name| CosignerKey::generate(name, &mut rng).unwrap());
        let time = |seconds| Timestamp::from_unix_seconds(seconds).unwrap();
        let mut note = SignedNote::new(text.to_owned(), log.sign(text)).unwrap();
        note.add(witnesses[2].cosign(text, time(5)));
        note.add(witnesses[0].cosign("another text\n", time(6)));
        let keys = witnesses.each_ref().map(|witness| witness.verifier().clone());
        let found = cosignatures(&note, &keys);
        assert_eq!(found.iter().map(|it| (it.witness, it.time)).collect::<Vec<_>>(), [(2, time(5))]);
        assert_eq!(found[0].signature, witnesses[2].cosign(text, time(5)));
        // The signature of a log is no cosignature.
        assert_eq!(cosignatures(&note, &[log.verifier().clone()]), []);
    }

    /// The example of the specification, whose witness key is not printed there: the form must be readable.
    #[test]
    fn a_cosigned_checkpoint_of_the_specification_is_read() {
        let note = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n\
            — example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+\
            zyWE+xeMcTOAYQ8=\n— witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJs\
            X3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==\n";
        let read: SignedNote = note.parse().unwrap();
        assert_eq!(read.to_string(), note);
        assert_eq!(read.signatures().len(), 2);
        assert_eq!(read.signatures()[1].key_id(), 0x8d66_cf3f);
    }
}

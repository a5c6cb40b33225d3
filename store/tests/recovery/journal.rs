//! Damage to the journal.

use std::fs;

use farthing_store::{Batch, IndexRecovery, LogRecord, Outcome, Store, StoreError, rebuild, verify};

use crate::sample::*;

#[tokio::test]
async fn truncate_at_each_record() {
    let sample = sample(8, 300).await;
    assert!(segments(sample.dir()).len() >= 3);
    for place in &sample.records {
        // Everything after the record is gone, as if it had never been: later segments too.
        let copy = sample.copy_without_index();
        for later in sample.records.iter().filter(|later| later.segment > place.segment) {
            let _ = fs::remove_file(sample.place(later.seq, &copy).segment);
        }
        truncate(&sample.place(place.seq, &copy).segment, place.end);
        let report = open_and_compare(copy.path(), place.seq).await;
        assert_eq!((report.torn_tail, report.last_record), (None, place.seq));

        // The index has seen more: the end of the journal was acknowledged and is missing.
        if place.seq < 8 {
            let copy = sample.copy();
            for later in sample.records.iter().filter(|later| later.segment > place.segment) {
                let _ = fs::remove_file(sample.place(later.seq, &copy).segment);
            }
            truncate(&sample.place(place.seq, &copy).segment, place.end);
            let error = Store::open(copy.path()).unwrap_err();
            assert!(matches!(error, StoreError::Damaged { record, .. } if record == place.seq + 1), "{error}");
        }
    }
}

#[tokio::test]
async fn truncate_at_each_byte_of_the_last_record() {
    let sample = sample(3, u64::MAX).await;
    let last = sample.records.last().unwrap().clone();
    for length in last.begin + 1..last.end {
        let copy = sample.copy_without_index();
        let place = sample.place(3, &copy);
        truncate(&place.segment, length);
        let scrub = verify(copy.path()).unwrap();
        let report = open_and_compare(copy.path(), 2).await;
        let torn = report.torn_tail.clone().unwrap();
        assert_eq!((torn.segment.as_str(), torn.offset, torn.bytes), (&*place.name(), last.begin, length - last.begin));
        assert_eq!(scrub.torn_tail, report.torn_tail);
        assert!(report.to_string().contains("torn record"), "{report}");
        // It is cut off for good, and the next record takes its place.
        let store = Store::open(copy.path()).unwrap().0;
        assert_eq!(store.commit(batch(3)).await.unwrap(), Outcome::Applied { positions: vec![2] });
        store.close().await;
        assert_eq!(open_and_compare(copy.path(), 3).await.torn_tail, None);
    }
    // With the index as a witness that the record was acknowledged, the same is damage, however often one tries, and
    // also after the machine is started again.
    for length in [last.begin, last.begin + 1, last.end - 1] {
        let copy = sample.copy();
        let place = sample.place(3, &copy);
        truncate(&place.segment, length);
        for _ in 0..2 {
            assert_damaged(Store::open(copy.path()), &place);
            assert_eq!(fs::read_to_string(copy.path().join("index/note")).unwrap(), "clean\n");
            assert_damaged(verify(copy.path()), &place);
            assert_eq!(fs::read_to_string(copy.path().join("index/note")).unwrap(), "clean\n");
        }
        assert_eq!(fs::metadata(&place.segment).unwrap().len(), length, "the evidence is left alone");
    }
}

/// Every byte of a journal of several segments, flipped: found by the scrub, named, and never accepted at the start.
#[tokio::test]
async fn flip_each_byte() {
    let sample = sample(6, 300).await;
    let files = segments(sample.dir());
    assert!(files.len() >= 3);
    let copy = sample.copy_without_index();
    let dir = copy.path();
    for file in files {
        let file = dir.join("journal").join(file.file_name().unwrap());
        let sound = fs::read(&file).unwrap();
        for byte in 0..sound.len() as u64 {
            flip(&file, byte, byte);
            let mut places = (1..=6).map(|seq| sample.place(seq, &copy)).filter(|place| place.segment == file);
            let first = places.clone().next().unwrap();
            match places.find(|place| (place.begin..place.end).contains(&byte)) {
                None => assert_damaged(verify(dir), &Place { begin: 0, ..first }),
                Some(place) if place.seq < 6 => assert_damaged(verify(dir), &place),
                // Nothing follows the last record, and without the index nobody remembers it: it is reported as torn.
                Some(place) => {
                    let torn = verify(dir).unwrap().torn_tail.unwrap();
                    assert_eq!((torn.offset, torn.bytes), (place.begin, place.end - place.begin));
                }
            }
            fs::write(&file, &sound).unwrap();
        }
    }
    assert!(verify(dir).unwrap().torn_tail.is_none());
}

/// The same with the index there, at the start of the store. Sampled: every start takes a while.
#[tokio::test]
async fn flip_bytes_before_the_start() {
    let sample = sample(6, 300).await;
    let last_segment = sample.records.last().unwrap().name();
    for file in segments(sample.dir()) {
        for byte in (0..fs::metadata(&file).unwrap().len()).step_by(13) {
            let copy = sample.copy();
            let name = file.file_name().unwrap();
            flip(&copy.path().join("journal").join(name), byte, byte + 3);
            match Store::open(copy.path()) {
                Err(StoreError::Damaged { segment, .. }) => assert_eq!(segment, name.to_str().unwrap()),
                // Older segments are not read at the start; the index is sound, and the scrub finds the damage.
                Ok((store, report)) => {
                    assert_ne!(last_segment, name.to_str().unwrap(), "byte {byte}");
                    assert_eq!((report.index, report.torn_tail), (IndexRecovery::Intact, None));
                    // What is read from the damaged segment is right, or refused; the store goes on.
                    for seq in 1..=6u64 {
                        assert_eq!(
                            store.get(COINS, &seq.to_be_bytes()).await.unwrap(),
                            Some(seq.to_be_bytes().repeat(3))
                        );
                        match store.log_read(PAYMENTS, seq - 1, 1).await {
                            Ok(records) => assert_eq!(records, [LogRecord::new(seq - 1, seq.to_be_bytes(), b"proof")]),
                            Err(StoreError::Damaged { segment, .. }) => assert_eq!(segment, name.to_str().unwrap()),
                            Err(error) => panic!("byte {byte}: {error}"),
                        }
                    }
                    store.close().await;
                    assert!(matches!(verify(copy.path()), Err(StoreError::Damaged { .. })), "byte {byte}");
                }
                Err(error) => panic!("byte {byte}: {error}"),
            }
        }
    }
}

#[tokio::test]
async fn what_follows_the_last_record_decides() {
    let sample = sample(3, u64::MAX).await;
    let other = crate::sample::sample(3, u64::MAX).await;
    let record = |sample: &Sample, seq: usize| {
        let place = &sample.records[seq - 1];
        let bytes = fs::read(&place.segment).unwrap();
        bytes[usize::try_from(place.begin).unwrap()..usize::try_from(place.end).unwrap()].to_vec()
    };
    // Rubbish, zeros of a file that grew before it was written, and records of another store are no records.
    for rubbish in [vec![0; 10_000], vec![0xff; 79], record(&other, 3), [vec![1; 7], record(&other, 2)].concat()] {
        let copy = sample.copy();
        append(&sample.place(3, &copy).segment, &rubbish);
        let report = open_and_compare(copy.path(), 3).await;
        assert_eq!(report.torn_tail.unwrap().bytes, rubbish.len() as u64);
    }
    // A record of this very store in a place where it does not belong is damage.
    for seq in 1..=3 {
        for shift in [0, 5] {
            let copy = sample.copy();
            let place = sample.place(3, &copy);
            append(&place.segment, &[vec![0; shift], record(&sample, seq)].concat());
            assert_damaged(Store::open(copy.path()), &Place { seq: 4, begin: place.end, ..place });
        }
    }
}

/// A record that was cut off and comes back, as from a disk that returns an old block, does not fit the chain.
#[tokio::test]
async fn a_record_of_a_past_that_was_cut_is_refused() {
    let sample = sample(3, u64::MAX).await;
    let past = fs::read(&sample.records[2].segment).unwrap();
    let copy = sample.copy_without_index();
    let place = sample.place(3, &copy);
    truncate(&place.segment, place.begin);
    let store = Store::open(copy.path()).unwrap().0;
    let other = |seq: u64| Batch::new().expect_absent(COINS, seq.to_be_bytes()).put(COINS, seq.to_be_bytes(), [9; 24]);
    for seq in 3..=4 {
        let batch = other(seq).append(PAYMENTS, seq.to_be_bytes(), b"PROOF", None);
        let _ = store.commit(batch).await.unwrap();
    }
    store.close().await;
    let mut bytes = fs::read(&place.segment).unwrap();
    let range = usize::try_from(place.begin).unwrap()..usize::try_from(place.end).unwrap();
    bytes[range.clone()].copy_from_slice(&past[range]);
    fs::write(&place.segment, bytes).unwrap();
    assert_damaged(verify(copy.path()), &Place { seq: 4, begin: place.end, ..place });
}

/// A rebuild does not throw the index away while the journal is damaged.
#[tokio::test]
async fn a_damaged_journal_is_not_rebuilt_from() {
    let sample = sample(5, 300).await;
    let place = &sample.records[2];
    flip(&place.segment, place.begin + 60, 0);
    assert_damaged(rebuild(sample.dir()), place);
    // The index still answers for the older segment that the start does not read.
    open_and_compare(sample.dir(), 5).await;
}

#[tokio::test]
async fn missing_and_foreign_segments_are_named() {
    let sample = sample(8, 300).await;
    let names: Vec<_> = segments(sample.dir()).iter().map(|path| path.file_name().unwrap().to_owned()).collect();
    assert!(names.len() >= 4);
    for (at, name) in names.iter().enumerate() {
        let copy = sample.copy();
        fs::remove_file(copy.path().join("journal").join(name)).unwrap();
        let error = verify(copy.path()).unwrap_err();
        assert!(matches!(error, StoreError::Damaged { .. }), "without segment {at}: {error}");
        // Without the index the start reads everything, and cannot know of a last segment that is gone.
        fs::remove_dir_all(copy.path().join("index")).unwrap();
        let opened = Store::open(copy.path());
        assert_eq!(opened.is_ok(), at + 1 == names.len(), "without segment {at}: {opened:?}");
    }
    // All gone.
    let copy = sample.copy();
    fs::remove_dir_all(copy.path().join("journal")).unwrap();
    assert!(matches!(Store::open(copy.path()), Err(StoreError::Damaged { .. })));
    // One under another's name.
    let copy = sample.copy();
    let journal = copy.path().join("journal");
    fs::copy(journal.join(&names[1]), journal.join(&names[2])).unwrap();
    assert!(matches!(verify(copy.path()), Err(StoreError::Damaged { .. })));
    // The same segment of another store.
    let other = crate::sample::sample(8, 300).await;
    fs::copy(other.dir().join("journal").join(&names[2]), journal.join(&names[2])).unwrap();
    let error = verify(copy.path()).unwrap_err();
    assert!(
        matches!(&error, StoreError::Damaged { segment, .. } if **segment == *names[2].to_str().unwrap()),
        "{error}"
    );
    // A segment whose creation was cut short never got its name.
    let copy = sample.copy();
    let unfinished = copy.path().join("journal/00000000000000000009.tmp");
    fs::write(&unfinished, b"half a header").unwrap();
    assert_eq!(open_and_compare(copy.path(), 8).await.index, IndexRecovery::Intact);
    assert!(!unfinished.exists());
}

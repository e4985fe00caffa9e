//! Whatever is changed afterwards is noticed, and told where it is.

use std::fs;
use std::path::Path;

use proptest::prelude::*;

use super::super::{Checkpoint, Trust, Verification, verify};
use super::fixture::{Place, faults, lines};
use crate::audit::record::Record;

type Change<'a> = &'a dyn Fn(&mut Vec<String>);

/// Rewrites the lines of a file.
fn edit(path: &Path, change: impl FnOnce(&mut Vec<String>)) {
    let mut lines: Vec<String> = fs::read_to_string(path).unwrap().lines().map(str::to_owned).collect();
    change(&mut lines);
    fs::write(path, lines.iter().map(|line| format!("{line}\n")).collect::<String>()).unwrap();
}

fn last_checkpoint(path: &Path) -> Checkpoint {
    let mut checkpoints = lines(path).into_iter().filter_map(|line| match line.record {
        Record::Checkpoint(checkpoint) => Some(checkpoint),
        _ => None,
    });
    checkpoints.next_back().unwrap()
}

#[tokio::test]
async fn one_change_is_told_once_and_where_it_is() {
    let place = Place::new();
    place.fill(5).await;
    let path = place.file(0);
    let intact = fs::read(&path).unwrap();
    let name = place.files()[0].name();
    // Lines: start, then an opening and a closing five times, then a checkpoint.
    let cases: [(&str, Change<'_>, &str, &str); 8] = [
        ("altered", &|l| l[3] = l[3].replace("user1", "user9"), ":4: number 4 was altered", ":12: the lines before it"),
        ("a mac", &|l| l[3] = l[3].replace("\"mac\":\"", "\"mac\":\"0").replace("0\"}", "\"}"), ":4: ", ":4: "),
        ("missing", &|l| drop(l.remove(3)), ":4: line 4 is missing before number 5", ":4: line 4 is missing"),
        ("several missing", &|l| drop(l.drain(3..6)), ":4: lines 4 to 6 are missing", ":4: lines 4 to 6 are missing"),
        ("repeated", &|l| l.insert(4, l[3].clone()), ":5: number 4 stands after number 4", ":5: number 4 stands"),
        ("moved", &|l| l.swap(3, 4), ":4: line 4 is missing before number 5", ":4: line 4 is missing"),
        ("no first line", &|l| drop(l.remove(0)), ":1: the first line of the file is missing", ":1: the first line"),
        ("garbage", &|l| l[3] = "{}".to_owned(), ":4: this is not a line", ":4: this is not a line"),
    ];
    for (what, change, with_key, without_key) in cases {
        fs::write(&path, &intact).unwrap();
        edit(&path, change);
        for (told, expected) in
            [(place.verify(), with_key), (place.verify_with(|trust| trust.keys = None), without_key)]
        {
            let told = faults(&told);
            assert!(
                told.first().is_some_and(|told| told.starts_with(&format!("{name}{expected}"))),
                "{what}: {told:#?}"
            );
            assert!(told.len() <= 3, "{what}: {told:#?}");
        }
    }
}

#[tokio::test]
async fn files_that_are_missing_or_exchanged_are_noticed() {
    let mut place = Place::new();
    place.config.rotate_bytes = 1500;
    place.fill(12).await;
    let files = place.files();
    assert!(files.len() >= 4);
    let contents: Vec<_> = files.iter().map(|file| fs::read(&file.path).unwrap()).collect();
    let restore = || files.iter().zip(&contents).for_each(|(file, bytes)| fs::write(&file.path, bytes).unwrap());

    fs::remove_file(&files[1].path).unwrap();
    let told = faults(&place.verify());
    assert!(told.len() == 1 && told[0].contains("files between this one and gw-1-000001"), "{told:?}");

    restore();
    fs::write(&files[1].path, &contents[2]).unwrap();
    fs::write(&files[2].path, &contents[1]).unwrap();
    assert!(faults(&place.verify())[0].contains("the file before ends with"));

    restore();
    fs::write(&files[1].path, "").unwrap();
    assert!(faults(&place.verify())[0].contains("the file is empty"));

    restore();
    assert_eq!(faults(&place.verify()), [""; 0]);
}

#[tokio::test]
async fn a_kept_checkpoint_tells_of_an_end_cut_off_and_of_history_rewritten() {
    let place = Place::new();
    place.fill(5).await;
    let kept = last_checkpoint(&place.file(0));
    let check = |place: &Place| -> Verification { place.verify_with(|trust| trust.kept = vec![kept.clone()]) };
    assert_eq!(faults(&check(&place)), [""; 0]);

    // The chain itself does not mind an end that is cut off.
    edit(&place.file(0), |lines| lines.truncate(6));
    assert_eq!(faults(&place.verify()), [""; 0]);
    let told = faults(&check(&place));
    assert!(
        told[0].contains("the end is cut off: a kept checkpoint vouches for number 11, the files end with 6"),
        "{told:?}"
    );

    // Whoever has the key writes everything anew.
    fs::remove_file(place.file(0)).unwrap();
    place.fill(7).await;
    assert_eq!(faults(&place.verify()), [""; 0]);
    let told = faults(&check(&place));
    assert!(told[0].contains("are not those that the kept checkpoint vouches for"), "{told:?}");

    fs::remove_file(place.file(0)).unwrap();
    assert!(faults(&check(&place))[0].contains("no file is left of this instance"));
}

#[tokio::test]
async fn a_forged_checkpoint_is_none() {
    let place = Place::new();
    place.fill(2).await;
    let genuine = last_checkpoint(&place.file(0));
    let other = Place::new();
    std::fs::write(other.dir.path().join("key"), "ff".repeat(16) + &"01".repeat(16)).unwrap();
    other.fill(2).await;
    let signed_by_another = last_checkpoint(&other.file(0));
    for kept in [
        signed_by_another,
        Checkpoint { taken: "2026-01-01T00:00:00.000Z".to_owned(), ..genuine.clone() },
        Checkpoint { signature: String::new(), ..genuine.clone() },
    ] {
        let told = faults(&place.verify_with(|trust| trust.kept = vec![kept]));
        assert!(told[0].contains("has no valid signature"), "{told:?}");
    }
    // Another key than the one trusted signs nothing.
    let told = faults(&place.verify_with(|trust| trust.signers = vec![other.keys().public_key()]));
    assert!(told[0].contains("signed with another key"), "{told:?}");
    // Files of another key do not verify at all.
    let keys = other.keys();
    let found = verify(&place.files(), &Trust { keys: Some(&keys), ..Trust::default() }).unwrap();
    assert_eq!(found.faults.len(), 6);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn a_flipped_bit_is_noticed(at in any::<prop::sample::Index>(), bit in 0_u8..8) {
        let place = filled();
        let path = place.file(0);
        let intact = fs::read(&path).unwrap();
        let mut bytes = intact.clone();
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        fs::write(&path, &bytes).unwrap();
        let (with_key, without) = (place.verify(), place.verify_with(|trust| trust.keys = None));
        fs::write(&path, &intact).unwrap();
        // The last line break alone is no loss: the line before it reads as unfinished.
        let last = at + 1 == bytes.len();
        prop_assert!(last && !with_key.notes.is_empty() || !with_key.faults.is_empty(), "byte {at} bit {bit}");
        // Without the key, what follows the last checkpoint is vouched for by nobody: here its own line.
        let checkpoint = intact[..intact.len() - 1].iter().rposition(|byte| *byte == b'\n').unwrap();
        prop_assert!(at > checkpoint || !without.faults.is_empty(), "byte {at} bit {bit}");
    }

    #[test]
    fn no_content_of_a_file_panics(content in prop::collection::vec(any::<u8>(), 0..400)) {
        let place = Place::new();
        fs::create_dir(&place.config.dir).unwrap();
        fs::write(place.config.dir.join("gw-1-000001-20260101.jsonl"), &content).unwrap();
        let _ = place.verify();
        let _ = super::super::Audit::start(&place.config, place.dir.path());
    }
}

fn filled() -> Place {
    let place = Place::new();
    tokio::runtime::Runtime::new().unwrap().block_on(place.fill(3));
    place
}

use engawa_store::{Branch, MessageId, Record, Store, StoreError};
use proptest::prelude::*;

use crate::{NOW, new_conversation, say, texts};

#[test]
fn branches_are_counted_along_the_path() {
    let store = Store::open_in_memory().unwrap();
    let conversation = new_conversation(&store);
    let question = say(&store, conversation, None, "question");
    let [first, second, third] = ["1", "2", "3"].map(|text| say(&store, conversation, Some(question), text));
    let below_second = say(&store, conversation, Some(second), "2.1");
    let rephrased = say(&store, conversation, None, "rephrased");

    let branches: Vec<(String, Branch)> = store
        .path_with_branches(below_second)
        .unwrap()
        .into_iter()
        .map(|branched| (branched.message.content, branched.branch))
        .collect();
    let branch = |index, count, previous, next| Branch { index, count, previous, next };
    assert_eq!(
        branches,
        [
            ("question".to_owned(), branch(0, 2, None, Some(rephrased))),
            ("2".to_owned(), branch(1, 3, Some(first), Some(third))),
            ("2.1".to_owned(), branch(0, 1, None, None)),
        ]
    );
    assert_eq!(store.children(question).unwrap(), [first, second, third]);
    assert_eq!(store.siblings(second).unwrap(), [first, second, third]);
    assert_eq!(store.siblings(question).unwrap(), [question, rephrased]);
    assert_eq!(store.latest_leaf_below(question).unwrap(), below_second);
    assert_eq!(store.latest_leaf_below(first).unwrap(), first);
    assert_eq!(texts(&store, below_second), ["question", "2", "2.1"]);
}

#[test]
fn a_message_that_is_not_there_has_no_path() {
    let store = Store::open_in_memory().unwrap();
    let nowhere = MessageId::new(NOW);
    for result in [
        store.path_to(nowhere).map(drop),
        store.path_with_branches(nowhere).map(drop),
        store.latest_leaf_below(nowhere).map(drop),
    ] {
        assert!(matches!(result, Err(StoreError::NotFound(Record::Message))), "{result:?}");
    }
}

/// A conversation as a list of parents: entry `n` is the parent of message `n`, always an earlier one.
fn parents() -> impl Strategy<Value = Vec<Option<usize>>> {
    prop::collection::vec((any::<prop::sample::Index>(), 0..8u8), 1..40).prop_map(|choices| {
        choices
            .into_iter()
            .enumerate()
            .map(|(number, (choice, root))| (number > 0 && root > 0).then(|| choice.index(number.max(1))))
            .collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn agrees_with_a_list_of_parents(parents in parents()) {
        let store = Store::open_in_memory().unwrap();
        let conversation = new_conversation(&store);
        let other = new_conversation(&store);
        let mut ids: Vec<MessageId> = Vec::new();
        for parent in &parents {
            // Another conversation grows at the same time; nothing of it may show.
            say(&store, other, None, "other");
            ids.push(say(&store, conversation, parent.map(|parent| ids[parent]), "text"));
        }
        let siblings = |number: usize| -> Vec<usize> {
            (0..ids.len()).filter(|other| parents[*other] == parents[number]).collect()
        };
        for (number, id) in ids.iter().enumerate() {
            let mut path = vec![number];
            while let Some(parent) = parents[path[path.len() - 1]] {
                path.push(parent);
            }
            path.reverse();
            let path_ids: Vec<MessageId> = path.iter().map(|number| ids[*number]).collect();
            let stored: Vec<MessageId> = store.path_to(*id).unwrap().iter().map(|message| message.id).collect();
            prop_assert_eq!(&stored, &path_ids);

            let branches: Vec<Branch> =
                store.path_with_branches(*id).unwrap().into_iter().map(|branched| branched.branch).collect();
            let expected: Vec<Branch> = path
                .iter()
                .map(|number| {
                    let siblings = siblings(*number);
                    let index = siblings.iter().position(|sibling| sibling == number).unwrap();
                    Branch {
                        index: u32::try_from(index).unwrap(),
                        count: u32::try_from(siblings.len()).unwrap(),
                        previous: index.checked_sub(1).map(|previous| ids[siblings[previous]]),
                        next: siblings.get(index + 1).map(|next| ids[*next]),
                    }
                })
                .collect();
            prop_assert_eq!(branches, expected);

            let sibling_ids: Vec<MessageId> = siblings(number).into_iter().map(|number| ids[number]).collect();
            prop_assert_eq!(store.siblings(*id).unwrap(), sibling_ids);

            let mut leaf = number;
            for later in number + 1..ids.len() {
                let mut ancestor = later;
                while ancestor > number {
                    match parents[ancestor] {
                        Some(parent) => ancestor = parent,
                        None => break,
                    }
                }
                if ancestor == number {
                    leaf = later;
                }
            }
            prop_assert_eq!(store.latest_leaf_below(*id).unwrap(), ids[leaf]);
        }
    }
}

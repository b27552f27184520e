//! Which objects belong to another, so that a change of that one costs no walk over all of them.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, PoisonError};

use jamul_api::ObjectKey;

/// Members by what they belong to: Certificates by their Secret, or by the Ingress that controls them.
#[derive(Debug, Default)]
pub(crate) struct Index(Mutex<Entries>);

/// Both directions, so that a member that moves costs no walk either.
#[derive(Debug, Default)]
struct Entries {
    members: HashMap<ObjectKey, BTreeSet<ObjectKey>>,
    groups: HashMap<ObjectKey, ObjectKey>,
}

impl Index {
    /// `member` belongs to `group` from now on, and to no other; `None` = to nobody, or it is gone.
    pub(crate) fn note(&self, member: ObjectKey, group: Option<ObjectKey>) {
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(before) = entries.groups.remove(&member)
            && let Some(others) = entries.members.get_mut(&before)
        {
            others.remove(&member);
            if others.is_empty() {
                entries.members.remove(&before);
            }
        }
        if let Some(group) = group {
            entries.groups.insert(member.clone(), group.clone());
            entries.members.entry(group).or_default().insert(member);
        }
    }

    /// The members of a group, ordered by key.
    pub(crate) fn of(&self, group: &ObjectKey) -> Vec<ObjectKey> {
        let entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        entries.members.get(group).into_iter().flatten().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_is_found_where_it_belongs_now() {
        let index = Index::default();
        let [a, b, one, two] = ["a", "b", "one", "two"].map(|name| ObjectKey::new("default", name));
        index.note(a.clone(), Some(one.clone()));
        index.note(b.clone(), Some(one.clone()));
        assert_eq!(index.of(&one), [a.clone(), b.clone()]);
        index.note(a.clone(), Some(two.clone()));
        index.note(b, None);
        assert_eq!((index.of(&one), index.of(&two)), (vec![], vec![a]));
    }
}

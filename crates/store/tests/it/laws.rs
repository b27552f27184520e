//! What holds for every store, whatever it keeps its objects in.

use jamul_api::certificate::CertificateStatus;
use jamul_api::core::Secret;
use jamul_api::{Certificate, CertificateRequest, Object};
use jamul_store::{Announcement, Change, EventType, Folder, FolderSettings, Memory, Store, StoreError};

use super::{certificate, clock, key, next, request, secret};

/// Runs each law against each store.
macro_rules! laws {
    ($($law:ident),* $(,)?) => {
        mod memory {
            $(#[tokio::test]
            async fn $law() {
                super::$law(super::Store::Memory(super::Memory::new(super::clock()))).await;
            })*
        }
        mod folder {
            $(#[tokio::test]
            async fn $law() {
                let state = tempfile::tempdir().unwrap();
                super::$law(super::empty_folder(state.path())).await;
            })*
        }
        mod cluster {
            $(#[tokio::test]
            async fn $law() {
                let Some(mut lab) = crate::cluster::Lab::take().await else { return };
                super::$law(lab.store().await).await;
            })*
        }
    };
}

laws! {
    an_applied_object_is_seen_by_a_later_watch,
    a_watch_sees_applies_and_deletes_in_order,
    a_status_write_does_not_change_the_spec,
    an_apply_does_not_change_the_status,
    generation_counts_changes_of_the_spec,
    what_does_not_differ_is_no_change,
    a_status_needs_its_object,
    deleting_an_owner_deletes_what_it_controls,
    names_that_lead_out_of_the_store_are_refused,
    repeated_events_are_counted,
    a_watch_ends_with_its_store,
}

fn empty_folder(state: &std::path::Path) -> Store {
    Store::Folder(
        Folder::open(FolderSettings {
            manifests: None,
            state: state.to_owned(),
            rescan: FolderSettings::RESCAN,
            clock: clock(),
        })
        .unwrap(),
    )
}

async fn an_applied_object_is_seen_by_a_later_watch(store: Store) {
    let applied = store.apply(certificate("web", "a.test")).await.unwrap();
    let mut watch = store.watch::<Certificate>();
    assert_eq!(next(&mut watch).await, Change::Restarted(vec![applied.clone()]));
    assert_eq!(store.get::<Certificate>(&key("web")), Some(applied));
}

async fn a_watch_sees_applies_and_deletes_in_order(store: Store) {
    let mut watch = store.watch::<Certificate>();
    assert_eq!(next(&mut watch).await, Change::Restarted(vec![]));
    let first = store.apply(certificate("web", "a.test")).await.unwrap();
    let second = store.apply(certificate("web", "b.test")).await.unwrap();
    assert!(store.delete::<Certificate>(&key("web")).await.unwrap());
    assert!(!store.delete::<Certificate>(&key("web")).await.unwrap());
    assert_eq!(next(&mut watch).await, Change::Applied(first));
    assert_eq!(next(&mut watch).await, Change::Applied(second.clone()));
    assert_eq!(next(&mut watch).await, Change::Deleted(second));
}

/// Once: the queue is the same for every store, and so many files take long.
#[tokio::test]
async fn a_slow_watcher_gets_the_whole_set_again() {
    let store = Store::Memory(Memory::new(clock()));
    let mut watch = store.watch::<Certificate>();
    next(&mut watch).await;
    store.apply(certificate("gone", "a.test")).await.unwrap();
    store.delete::<Certificate>(&key("gone")).await.unwrap();
    for number in 0..1100 {
        store.apply(certificate("web", &format!("{number}.test"))).await.unwrap();
    }
    assert_eq!(next(&mut watch).await, Change::Restarted(store.list()));
    let last = store.apply(certificate("web", "last.test")).await.unwrap();
    assert_eq!(next(&mut watch).await, Change::Applied(last));
}

async fn a_status_write_does_not_change_the_spec(store: Store) {
    let applied = store.apply(certificate("web", "a.test")).await.unwrap();
    let mut reported = certificate("web", "other.test");
    reported.status = Some(CertificateStatus { revision: Some(1), ..CertificateStatus::default() });
    let kept = store.set_status(&reported).await.unwrap();
    assert_eq!(kept.spec, applied.spec);
    assert_eq!(kept.metadata.generation, Some(1));
    assert_eq!(kept.status, reported.status);
}

async fn an_apply_does_not_change_the_status(store: Store) {
    let mut object = certificate("web", "a.test");
    object.status = Some(CertificateStatus { revision: Some(1), ..CertificateStatus::default() });
    assert_eq!(store.apply(object.clone()).await.unwrap().status, None);
    store.set_status(&object).await.unwrap();
    let applied = store.apply(certificate("web", "b.test")).await.unwrap();
    assert_eq!(applied.status, object.status);
}

async fn generation_counts_changes_of_the_spec(store: Store) {
    let first = store.apply(certificate("web", "a.test")).await.unwrap();
    let mut labelled = certificate("web", "a.test");
    labelled.metadata.labels = Some([("a".to_owned(), "b".to_owned())].into());
    let second = store.apply(labelled).await.unwrap();
    let third = store.apply(certificate("web", "b.test")).await.unwrap();
    let generations = [&first, &second, &third].map(|object| object.metadata.generation);
    assert_eq!(generations, [Some(1), Some(1), Some(2)]);
    assert_eq!(first.metadata.uid, third.metadata.uid);
    assert_ne!(first.metadata.resource_version, second.metadata.resource_version);
    assert_eq!(store.apply(secret("s", "a", "b")).await.unwrap().metadata.generation, None);
}

async fn what_does_not_differ_is_no_change(store: Store) {
    let first = store.apply(certificate("web", "a.test")).await.unwrap();
    let mut watch = store.watch::<Certificate>();
    next(&mut watch).await;
    assert_eq!(store.apply(certificate("web", "a.test")).await.unwrap(), first);
    assert_eq!(store.set_status(&*first).await.unwrap(), first);
    let changed = store.apply(certificate("web", "b.test")).await.unwrap();
    assert_eq!(next(&mut watch).await, Change::Applied(changed));
}

async fn a_status_needs_its_object(store: Store) {
    let refused = store.set_status(&certificate("web", "a.test")).await;
    assert!(matches!(refused, Err(StoreError::NotFound { .. })), "{refused:?}");
}

async fn deleting_an_owner_deletes_what_it_controls(store: Store) {
    let owner = store.apply(certificate("web", "a.test")).await.unwrap();
    let mut request = request("web-1");
    request.metadata.owner_references = Some(vec![owner.owner_reference()]);
    store.apply(request).await.unwrap();
    store.apply(secret("web-tls", "a", "b")).await.unwrap();
    let mut watch = store.watch::<CertificateRequest>();
    next(&mut watch).await;
    store.delete::<Certificate>(&key("web")).await.unwrap();
    assert!(matches!(next(&mut watch).await, Change::Deleted(_)));
    assert!(store.get::<Secret>(&key("web-tls")).is_some());
}

async fn names_that_lead_out_of_the_store_are_refused(store: Store) {
    for name in ["", "..", "../lock", "a/b", "a\0b", ".hidden"] {
        let refused = store.apply(certificate(name, "a.test")).await;
        assert!(matches!(refused, Err(StoreError::Name { .. })), "{name:?}: {refused:?}");
    }
}

async fn repeated_events_are_counted(store: Store) {
    for reason in ["Issuing", "Issued", "Issuing"] {
        store.announce(Announcement {
            kind: "Certificate".to_owned(),
            key: key("web"),
            event_type: EventType::Normal,
            reason: reason.to_owned(),
            message: String::new(),
        });
    }
    let events: Vec<_> = store.events().into_iter().map(|event| (event.reason, event.count)).collect();
    assert_eq!(events, [("Issued".to_owned(), 1), ("Issuing".to_owned(), 2)]);
    assert_eq!(store.events()[0].object, "Certificate default/web");
}

async fn a_watch_ends_with_its_store(store: Store) {
    let mut watch = store.watch::<Certificate>();
    next(&mut watch).await;
    let (ended, ()) = tokio::join!(watch.next(), async move { drop(store) });
    assert_eq!(ended, None);
}

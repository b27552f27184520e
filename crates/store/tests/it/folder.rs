//! What only a folder does.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use jamul_api::certificate::CertificateStatus;
use jamul_api::core::{ByteString, Ingress, Secret, Service};
use jamul_api::{Certificate, CertificateRequest, Object};
use jamul_store::{Change, Folder, FolderSettings, Severity, Store, StoreError};
use tempfile::TempDir;
use tokio::sync::oneshot;

use super::{PATIENCE, certificate, clock, key, next, secret, until};

const SERVICE: &str = "apiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: {ports: [{port: 80}]}\n";
const SECRET: &str =
    "apiVersion: v1\nkind: Secret\nmetadata: {name: web-tls}\ndata: {a: YQ==}\nstringData: {b: b}\n";

/// Manifests and state in folders that go away with the test.
struct World {
    manifests: TempDir,
    state: TempDir,
}

impl World {
    fn new(files: &[(&str, &str)]) -> Self {
        let world = Self { manifests: tempfile::tempdir().unwrap(), state: tempfile::tempdir().unwrap() };
        for (path, text) in files {
            world.write(path, text);
        }
        world
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.manifests.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn remove(&self, path: &str) {
        fs::remove_file(self.manifests.path().join(path)).unwrap();
    }

    fn state(&self, path: &str) -> PathBuf {
        self.state.path().join("objects").join(path)
    }

    fn open(&self) -> Result<Folder, StoreError> {
        Folder::open(FolderSettings {
            manifests: Some(self.manifests.path().to_owned()),
            state: self.state.path().to_owned(),
            rescan: FolderSettings::RESCAN,
            clock: clock(),
        })
    }

    fn store(&self) -> (Store, Folder) {
        let folder = self.open().unwrap();
        (Store::Folder(folder.clone()), folder)
    }
}

fn certificate_manifest(host: &str) -> String {
    format!(
        "apiVersion: cert-manager.io/v1\nkind: Certificate\nmetadata: {{name: web}}\n\
         spec: {{secretName: web-tls, dnsNames: [{host}], issuerRef: {{name: ca}}}}\n"
    )
}

fn reasons(store: &Store) -> Vec<&'static str> {
    store.diagnostics().iter().map(|diagnostic| diagnostic.reason).collect()
}

fn value<'secret>(secret: &'secret Secret, field: &str) -> &'secret [u8] {
    &secret.data.as_ref().unwrap().get(field).unwrap().0
}

#[test]
fn documents_lists_and_json_are_read_from_subfolders() {
    let list = concat!(
        r#"{"apiVersion": "v1", "kind": "List", "items": ["#,
        "\n\t",
        r#"{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "n"}}]}"#,
    );
    let two = format!("# head\n---\n{SERVICE}---\n# nothing\n---\n{SECRET}...\n");
    let world = World::new(&[
        ("a/b/two.yml", &two),
        ("list.json", list),
        (".hidden.yaml", "a: ["),
        ("x.txt", "a: ["),
    ]);
    let (store, _) = world.store();
    assert_eq!(store.diagnostics(), []);
    assert!(store.get::<Service>(&key("web")).is_some());
    assert_eq!(store.list::<jamul_api::core::Namespace>().len(), 1);
    let secret = store.get::<Secret>(&key("web-tls")).unwrap();
    assert_eq!((value(&secret, "a"), value(&secret, "b")), (&b"a"[..], &b"b"[..]));
}

#[test]
fn what_is_wrong_with_a_file_is_said_with_its_line() {
    let text = format!(
        "{SERVICE}---\napiVersion: v1\nkind: Service\nmetadata:\n  name: b\n  annotations:\n    k: on\n\
         ---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: d}}\n---\nkind: Service\n"
    );
    let world = World::new(&[("a.yaml", &text), ("b.yaml", SERVICE)]);
    let (store, _) = world.store();
    let found: Vec<_> = store
        .diagnostics()
        .into_iter()
        .map(|diagnostic| (diagnostic.severity, diagnostic.object, diagnostic.field, diagnostic.reason))
        .collect();
    let expected = [
        (Severity::Error, "a.yaml", "line 11, column 8", "BrokenFile"),
        (Severity::Error, "a.yaml", "line 16", "NotAnObject"),
        (Severity::Warning, "Service default/web", "", "DuplicateObject"),
        (Severity::Info, "Deployment d", "line 12", "UnknownKind"),
    ];
    assert_eq!(
        found,
        expected.map(|(severity, object, field, reason)| (severity, object.into(), field.into(), reason))
    );
    let message = &store.diagnostics()[0].message;
    assert!(message.starts_with("a.yaml: ") && message.contains("line 11, column 8"), "{message}");
}

#[test]
fn values_of_a_secret_are_in_no_message() {
    let yaml = "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {pin: 271828}\n";
    let json =
        r#"{"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "t"}, "data": {"pin": "271828"}}"#;
    let world = World::new(&[("s.yaml", yaml), ("t.json", json)]);
    let state = world.state("secrets/default/s.yaml");
    fs::create_dir_all(state.parent().unwrap()).unwrap();
    fs::write(state, yaml.replace("{pin: 271828}", "271828")).unwrap();
    let (store, _) = world.store();
    assert_eq!(reasons(&store), ["UnreadableState", "BrokenFile", "BrokenFile"]);
    let told = format!("{:?}", store.diagnostics());
    assert!(!told.contains("271828"), "{told}");
}

#[tokio::test]
async fn broken_yaml_keeps_the_last_good_objects_until_it_is_mended() {
    let world = World::new(&[("web.yaml", SERVICE)]);
    let (store, folder) = world.store();
    world.write("web.yaml", "apiVersion: v1\nkind: Service\nmetadata: {name: web\n");
    folder.rescan().await;
    assert!(store.get::<Service>(&key("web")).is_some());
    assert_eq!(reasons(&store), ["BrokenFile"]);
    world.write("web.yaml", "# gone\n");
    folder.rescan().await;
    assert!(store.get::<Service>(&key("web")).is_none());
    assert_eq!(store.diagnostics(), []);
}

#[tokio::test]
async fn a_file_broken_at_the_start_keeps_what_the_state_remembers() {
    let world = World::new(&[("web.yaml", &certificate_manifest("a.test"))]);
    let uid = world.store().0.get::<Certificate>(&key("web")).unwrap().metadata.uid.clone();
    world.write("web.yaml", "a: [");
    let (store, folder) = world.store();
    assert_eq!(store.get::<Certificate>(&key("web")).unwrap().metadata.uid, uid);
    world.remove("web.yaml");
    folder.rescan().await;
    assert!(store.get::<Certificate>(&key("web")).is_none());
    assert!(!world.state("certificates.cert-manager.io/default/web.yaml").exists());
}

#[tokio::test]
async fn a_changed_file_is_noticed() {
    let world = World::new(&[]);
    let (store, folder) = world.store();
    let mut watch = store.watch::<Certificate>();
    next(&mut watch).await;
    let (stop, stopped) = oneshot::channel::<()>();
    let story = async {
        // Before or after the watcher is there: both must be seen.
        world.write("sub/web.yaml", &certificate_manifest("a.test"));
        let Change::Applied(first) = next(&mut watch).await else { panic!("no apply") };
        world.write("sub/web.yaml", &certificate_manifest("b.test"));
        let second = until(&mut watch, |change| matches!(change, Change::Applied(_))).await;
        let Change::Applied(second) = second else { panic!("no apply") };
        assert_eq!((&first.spec.dns_names[0][..], &second.spec.dns_names[0][..]), ("a.test", "b.test"));
        world.remove("sub/web.yaml");
        assert!(matches!(next(&mut watch).await, Change::Deleted(_)));
        stop.send(()).unwrap();
    };
    let run = folder.run(async { stopped.await.unwrap() });
    tokio::time::timeout(PATIENCE, async { tokio::join!(run, story) }).await.unwrap();
}

#[tokio::test]
async fn an_object_that_is_away_for_a_moment_keeps_its_uid() {
    type Write = fn(&World);
    let ways: [Write; 3] = [
        // Deleted and made anew; emptied and written again; moved to another file.
        |world| {
            world.remove("web.yaml");
            world.write("web.yaml", &certificate_manifest("b.test"));
        },
        |world| {
            world.write("web.yaml", "");
            world.write("web.yaml", &certificate_manifest("b.test"));
        },
        |world| {
            world.remove("web.yaml");
            world.write("other.yaml", &certificate_manifest("b.test"));
        },
    ];
    for write in ways {
        let world = World::new(&[("web.yaml", &certificate_manifest("a.test"))]);
        let (store, folder) = world.store();
        let uid = store.get::<Certificate>(&key("web")).unwrap().metadata.uid.clone();
        let mut watch = store.watch::<Certificate>();
        next(&mut watch).await;
        let (stop, stopped) = oneshot::channel::<()>();
        let story = async {
            write(&world);
            let Change::Applied(after) = next(&mut watch).await else { panic!("it was deleted") };
            assert_eq!((&after.spec.dns_names[0][..], &after.metadata.uid), ("b.test", &uid));
            stop.send(()).unwrap();
        };
        let run = folder.run(async { stopped.await.unwrap() });
        tokio::time::timeout(PATIENCE, async { tokio::join!(run, story) }).await.unwrap();
    }
}

#[tokio::test]
async fn renamed_folders_and_swapped_links_are_noticed() {
    let world = World::new(&[("..one/web.yaml", &certificate_manifest("a.test"))]);
    let root = world.manifests.path();
    // As the kubelet mounts a ConfigMap: what is read is a link through a link, and the inner one is swapped.
    std::os::unix::fs::symlink("..one", root.join("..data")).unwrap();
    std::os::unix::fs::symlink("..data/web.yaml", root.join("web.yaml")).unwrap();
    let (store, folder) = world.store();
    let mut watch = store.watch::<Certificate>();
    let Change::Restarted(all) = next(&mut watch).await else { panic!("no first set") };
    assert_eq!(all.len(), 1);
    let (stop, stopped) = oneshot::channel::<()>();
    let story = async {
        world.write("..two/web.yaml", &certificate_manifest("b.test"));
        std::os::unix::fs::symlink("..two", root.join("..data_tmp")).unwrap();
        fs::rename(root.join("..data_tmp"), root.join("..data")).unwrap();
        let Change::Applied(swapped) = next(&mut watch).await else { panic!("no apply") };
        assert_eq!(swapped.spec.dns_names, ["b.test"]);
        let outside = tempfile::tempdir().unwrap();
        let manifest = certificate_manifest("c.test").replace("name: web}", "name: moved}");
        fs::create_dir(outside.path().join("in")).unwrap();
        fs::write(outside.path().join("in/c.yaml"), manifest).unwrap();
        fs::rename(outside.path().join("in"), root.join("in")).unwrap();
        let Change::Applied(moved) = next(&mut watch).await else { panic!("no apply") };
        assert_eq!(moved.metadata.name.as_deref(), Some("moved"));
        fs::rename(root.join("in"), root.join(".hidden")).unwrap();
        assert!(matches!(next(&mut watch).await, Change::Deleted(_)));
        stop.send(()).unwrap();
    };
    let run = folder.run(async { stopped.await.unwrap() });
    tokio::time::timeout(PATIENCE, async { tokio::join!(run, story) }).await.unwrap();
}

#[test]
fn a_second_process_is_refused_and_missing_manifests_are_an_error() {
    let world = World::new(&[]);
    let first = world.open().unwrap();
    assert!(matches!(world.open(), Err(StoreError::Locked { .. })));
    drop(first);
    world.open().unwrap();
    fs::remove_dir_all(world.manifests.path()).unwrap();
    assert!(matches!(world.open(), Err(StoreError::Manifests { .. })));
}

#[tokio::test]
async fn status_uid_and_age_survive_a_restart_and_the_spec_is_the_files() {
    let world = World::new(&[("web.yaml", &certificate_manifest("a.test"))]);
    let (store, folder) = world.store();
    let mut reported = certificate("web", "ignored.test");
    reported.status = Some(CertificateStatus { revision: Some(7), ..CertificateStatus::default() });
    let before = store.set_status(&reported).await.unwrap();
    drop((store, folder));
    let (store, folder) = world.store();
    assert_eq!(store.get::<Certificate>(&key("web")), Some(before.clone()));
    drop((store, folder));
    world.write("web.yaml", &certificate_manifest("b.test"));
    let (store, _) = world.store();
    let after = store.get::<Certificate>(&key("web")).unwrap();
    assert_eq!(after.spec.dns_names, ["b.test"]);
    assert_eq!((&after.status, &after.metadata.uid), (&before.status, &before.metadata.uid));
    assert_eq!(after.metadata.generation, Some(2));
}

#[tokio::test]
async fn what_controllers_made_is_private_and_comes_back_as_it_was() {
    let world = World::new(&[]);
    let (store, folder) = world.store();
    let pem = format!("-----BEGIN\n{}\n", "MIIB ".repeat(2000));
    let mut made = secret("issued", "tls.crt", &pem);
    made.metadata.annotations = Some(
        ["yes", "0123", "null", "", "l1\nl2\n", "1e3", "# no", " lead", "2024-01-01", &pem]
            .iter()
            .enumerate()
            .map(|(number, text)| (format!("k{number}"), (*text).to_owned()))
            .collect(),
    );
    let made = store.apply(made).await.unwrap();
    let path = world.state("secrets/default/issued.yaml");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(fs::read_to_string(&path).unwrap().contains("kind: Secret"));
    drop((store, folder));
    let (store, _) = world.store();
    assert_eq!(store.get::<Secret>(&key("issued")), Some(made));
}

#[tokio::test]
async fn what_was_edited_or_deleted_in_the_state_is_honoured() {
    let world = World::new(&[("web.yaml", &certificate_manifest("a.test"))]);
    let (store, folder) = world.store();
    store.apply(secret("edited", "a", "old")).await.unwrap();
    store.apply(secret("deleted", "a", "b")).await.unwrap();
    store.apply(secret("broken", "a", "b")).await.unwrap();
    let owner = store.get::<Certificate>(&key("web")).unwrap();
    let mut request = CertificateRequest::default();
    request.metadata.namespace = Some("default".to_owned());
    request.metadata.name = Some("web-1".to_owned());
    request.metadata.owner_references = Some(vec![owner.owner_reference()]);
    store.apply(request).await.unwrap();
    drop((store, folder));

    let edited = world.state("secrets/default/edited.yaml");
    let text = fs::read_to_string(&edited).unwrap();
    fs::write(&edited, text.replace("b2xk", "bmV3")).unwrap();
    fs::remove_file(world.state("secrets/default/deleted.yaml")).unwrap();
    fs::write(world.state("secrets/default/broken.yaml"), "a: [").unwrap();
    fs::write(world.state("secrets/default/added.yaml"), SECRET.replace("web-tls", "added")).unwrap();
    world.remove("web.yaml");

    let (store, _) = world.store();
    assert_eq!(value(&store.get::<Secret>(&key("edited")).unwrap(), "a"), b"new");
    assert!(store.get::<Secret>(&key("added")).unwrap().metadata.uid.is_some());
    assert!(store.get::<Secret>(&key("deleted")).is_none());
    assert!(store.get::<Secret>(&key("broken")).is_none());
    assert_eq!(reasons(&store), ["UnreadableState"]);
    assert!(world.state("secrets/default/broken.yaml.unreadable").exists());
    assert_eq!(store.list::<Certificate>(), []);
    assert_eq!(store.list::<CertificateRequest>(), []);
}

#[tokio::test]
async fn an_issued_secret_takes_the_place_of_a_written_one_until_the_file_changes() {
    let world = World::new(&[("secret.yaml", SECRET)]);
    let (store, folder) = world.store();
    assert!(!world.state("secrets/default/web-tls.yaml").exists(), "a written Secret needs no copy");
    store.apply(secret("web-tls", "a", "issued")).await.unwrap();
    assert_eq!(reasons(&store), ["SecretReplaced"]);
    drop((store, folder));
    let (store, folder) = world.store();
    assert_eq!(value(&store.get::<Secret>(&key("web-tls")).unwrap(), "a"), b"issued");
    assert_eq!(reasons(&store), ["SecretReplaced"]);
    world.write("secret.yaml", &SECRET.replace("YQ==", "Yg=="));
    folder.rescan().await;
    assert_eq!(value(&store.get::<Secret>(&key("web-tls")).unwrap(), "a"), b"b");
    assert_eq!(reasons(&store), [""; 0]);

    store.apply(secret("web-tls", "a", "issued")).await.unwrap();
    world.remove("secret.yaml");
    folder.rescan().await;
    let kept = store.get::<Secret>(&key("web-tls")).unwrap();
    assert_eq!(kept.data.as_ref().unwrap().get("a"), Some(&ByteString(b"issued".to_vec())));
    assert_eq!(store.diagnostics(), []);
}

#[test]
fn a_written_age_counts_and_else_the_time_it_was_first_seen() {
    let ingress = |name: &str, age: &str| {
        format!("apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {{name: {name}{age}}}\n")
    };
    let world = World::new(&[
        ("old.yaml", &ingress("old", ", creationTimestamp: \"2020-01-01T00:00:00Z\"")),
        ("new.yaml", &ingress("new", "")),
    ]);
    let (store, _) = world.store();
    let age =
        |name: &str| store.get::<Ingress>(&key(name)).unwrap().metadata.creation_timestamp.clone().unwrap().0;
    assert_eq!(age("old"), "2020-01-01T00:00:00Z".parse().unwrap());
    assert_eq!(age("new").as_second(), 1_800_000_000);
}

use super::*;

#[test]
fn a_server_on_all_addresses_is_called_by_a_name() {
    let all = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 14000));
    assert_eq!(authority(all, &["ca.example".to_owned()]), "ca.example:14000");
    assert_eq!(authority(all, &[]), "localhost:14000");
    assert_eq!(authority("[::1]:14000".parse().unwrap_or(all), &[]), "[::1]:14000");
}

#[tokio::test]
async fn the_certificate_of_the_port_is_renewed_while_it_serves() {
    let state = tempfile::tempdir().expect("a folder");
    let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let mut settings = AuthoritySettings::new(listen, state.path().join("ca"));
    settings.validity = Duration::from_secs(90);
    let mut authority = Authority::open(&settings).expect("a CA");
    let begun = authority.own.renewal;
    let now = Timestamp::now();
    assert!(begun > now && begun < now + SignedDuration::from_secs(90));
    authority.own.replace(&authority.ca, begun).expect("another certificate");
    assert!(authority.own.renewal > begun);
    let root = authority.root_pem().into_bytes();
    let address = authority.listener.local_addr().expect("an address");
    let url = authority.directory_url();
    let shutdown = CancellationToken::new();
    let asked = async {
        let answer = crate::transport::get(&url, &root, address).await;
        shutdown.cancel();
        answer
    };
    let (served, answer) = tokio::join!(authority.serve(shutdown.clone()), asked);
    served.expect("a server that ends");
    assert_eq!(answer.expect("a verified answer").0, 200);
}

#[test]
fn the_certificate_covers_address_localhost_and_names_once() {
    let names = ["localhost".to_owned(), "CA.example".to_owned(), "10.0.0.1".to_owned()];
    let sans: Vec<String> =
        sans(Ipv4Addr::LOCALHOST.into(), &names).iter().map(ToString::to_string).collect();
    assert_eq!(sans, ["ca.example", "localhost", "10.0.0.1", "127.0.0.1"]);
}

//! Messages to name servers: the port of DNS-01 over sockets.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use hickory_resolver::system_conf::read_system_conf;
use jamul_acme::BoxFuture;
use jamul_issuance::dns01::{Dns, DnsError, Protocol, Witnesses};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UdpSocket};

use crate::dial;

/// Who resolves names, and who has to see a record.
#[derive(Clone, Debug)]
pub(crate) struct NameServers {
    recursive: Vec<SocketAddr>,
    witnesses: Witnesses,
}

impl NameServers {
    /// `recursive`, or the system's if there are none.
    pub(crate) fn new(recursive: Vec<SocketAddr>, witnesses: Witnesses) -> Self {
        let recursive = if recursive.is_empty() { of_the_system() } else { recursive };
        Self { recursive, witnesses }
    }

    async fn send(&self, server: SocketAddr, message: &[u8], over: Protocol) -> std::io::Result<Vec<u8>> {
        // An administrator's resolver may be link-local, as caches on the nodes of a cluster are; what an issuer names may
        // not.
        if dial::is_refused(server.ip()) && !self.recursive.contains(&server) {
            return Err(std::io::Error::other("link-local and other special addresses are never asked"));
        }
        match over {
            Protocol::Udp => datagram(server, message).await,
            Protocol::Tcp => connection(server, message).await,
        }
    }
}

impl Dns for NameServers {
    fn exchange<'a>(
        &'a self,
        server: SocketAddr,
        message: &'a [u8],
        over: Protocol,
    ) -> BoxFuture<'a, Result<Vec<u8>, DnsError>> {
        Box::pin(async move {
            let failed = |reason: String| DnsError { server: server.to_string(), reason };
            for _ in 0..TRIES {
                // Datagrams get lost: without an answer it is tried again.
                if let Ok(answered) = tokio::time::timeout(WAIT, self.send(server, message, over)).await {
                    return answered.map_err(|error| failed(error.to_string()));
                }
            }
            Err(failed(format!("no answer, {TRIES} times within {} s", WAIT.as_secs())))
        })
    }

    fn addresses<'a>(&'a self, host: &'a str) -> BoxFuture<'a, Result<Vec<IpAddr>, DnsError>> {
        Box::pin(async move {
            let failed = |reason: String| DnsError { server: host.to_owned(), reason };
            let found = tokio::time::timeout(WAIT, dial::resolve(host, 53)).await;
            let found = found.map_err(|_| failed("its address cannot be had in time".to_owned()))?;
            let found = found.map_err(|error| failed(format!("{error:#}")))?;
            Ok(found.into_iter().map(|address| address.ip()).collect())
        })
    }

    fn recursive(&self) -> &[SocketAddr] {
        &self.recursive
    }

    fn witnesses(&self) -> Witnesses {
        self.witnesses
    }
}

async fn datagram(server: SocketAddr, message: &[u8]) -> std::io::Result<Vec<u8>> {
    let any: IpAddr = match server {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((any, 0)).await?;
    // From now on only this server's datagrams arrive.
    socket.connect(server).await?;
    socket.send(message).await?;
    let mut answer = vec![0; LARGEST];
    loop {
        let length = socket.recv(&mut answer).await?;
        let received = answer.get(..length).unwrap_or_default();
        // The identifier: a late answer to somebody else's question on this port is none of ours.
        if received.get(..2) == message.get(..2) {
            return Ok(received.to_vec());
        }
    }
}

async fn connection(server: SocketAddr, message: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(server).await?;
    let length = u16::try_from(message.len()).map_err(std::io::Error::other)?;
    stream.write_all(&[&length.to_be_bytes(), message].concat()).await?;
    let mut length = [0; 2];
    stream.read_exact(&mut length).await?;
    let mut answer = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut answer).await?;
    Ok(answer)
}

/// The name servers of the system, each once; the local one if it names none.
fn of_the_system() -> Vec<SocketAddr> {
    let mut servers: Vec<SocketAddr> = Vec::new();
    if let Ok((config, _)) = read_system_conf() {
        for server in config.name_servers() {
            let address = SocketAddr::new(server.ip, 53);
            if !servers.contains(&address) {
                servers.push(address);
            }
        }
    }
    if servers.is_empty() {
        servers.push(SocketAddr::from((Ipv4Addr::LOCALHOST, 53)));
    }
    servers
}

/// For one answer.
const WAIT: Duration = Duration::from_secs(4);
const TRIES: u32 = 2;
/// What a datagram can carry.
const LARGEST: usize = 65_535;

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_answer_to_another_question_is_passed_over_and_special_addresses_are_not_asked() {
        let server = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a socket");
        let address = server.local_addr().expect("an address");
        let servers = NameServers::new(vec![address], Witnesses::Recursive);
        let answering = async {
            let mut question = [0; 16];
            let (_, from) = server.recv_from(&mut question).await.expect("a question");
            server.send_to(b"xxwrong", from).await.expect("sent");
            server.send_to(b"idright", from).await.expect("sent");
        };
        let (answer, ()) = tokio::join!(servers.exchange(address, b"id?", Protocol::Udp), answering);
        assert_eq!(answer, Ok(b"idright".to_vec()));
        let metadata = "169.254.169.254:53".parse().expect("an address");
        let refused = servers.exchange(metadata, b"id?", Protocol::Udp).await;
        assert!(refused.is_err_and(|error| error.reason.contains("never asked")));
    }
}

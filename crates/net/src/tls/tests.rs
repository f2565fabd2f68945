use std::fs;
use std::sync::Arc;
use std::time::Duration;

use rustls::{ClientConnection, ServerConnection};
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::time::timeout;

use super::testing::Authority;
use super::{
    Alpn, CertStore, CertificateFiles, ClientAuth, ClientTls, Roots, ServerTls, TlsError,
    client_config, server_config,
};
use crate::tasks::Tasks;

/// The certificate a client is shown that asks for `name`, without any verification.
fn shown(store: &Arc<CertStore>, authority: &Authority, name: &str) -> CertificateDer<'static> {
    let tls = ServerTls {
        certificates: store.clone(),
        client_auth: ClientAuth::None,
    };
    let mut server = ServerConnection::new(server_config(tls).unwrap()).unwrap();
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let mut client =
        ClientConnection::new(authority.client(Alpn::Http1, None), name.clone()).unwrap();
    let mut flight = Vec::new();
    client.write_tls(&mut flight).unwrap();
    server.read_tls(&mut &flight[..]).unwrap();
    server.process_new_packets().unwrap();
    flight.clear();
    while server.wants_write() {
        server.write_tls(&mut flight).unwrap();
    }
    client.read_tls(&mut &flight[..]).unwrap();
    // Fails where the certificate is not for the name; it has been shown all the same.
    let verified = client.process_new_packets().is_ok();
    let shown = client
        .peer_certificates()
        .map(|chain| chain[0].clone().into_owned());
    assert!(verified || shown.is_none());
    shown.unwrap_or_else(|| CertificateDer::from(vec![]))
}

fn certificate(files: &CertificateFiles) -> CertificateDer<'static> {
    use rustls_pki_types::pem::PemObject;
    CertificateDer::from_pem_slice(&fs::read(&files.certificate).unwrap()).unwrap()
}

#[test]
fn the_certificate_is_chosen_by_name() {
    let authority = Authority::new();
    let default = authority.issue("default", &["default.test"]);
    let exact = authority.issue("exact", &["api.example.test", "Other.Test"]);
    let wildcard = authority.issue("wildcard", &["*.example.test"]);
    let all = vec![default.clone(), exact.clone(), wildcard.clone()];
    let store = CertStore::load(all).unwrap();
    let check = |name: &str, expect: &CertificateFiles| {
        assert_eq!(
            shown(&store, &authority, name),
            certificate(expect),
            "{name}"
        );
    };
    check("default.test", &default);
    check("api.example.test", &exact);
    check("API.example.test", &exact);
    check("other.test", &exact);
    check("www.example.test", &wildcard);
    let refused = CertificateDer::from(vec![]);
    assert_eq!(shown(&store, &authority, "a.www.example.test"), refused);
    assert_eq!(shown(&store, &authority, "unknown.test"), refused);
}

#[test]
fn a_new_pair_is_taken_and_a_broken_one_keeps_the_old() {
    let authority = Authority::new();
    let files = authority.issue("server", &["localhost"]);
    let store = CertStore::load(vec![files.clone()]).unwrap();
    let old = certificate(&files);
    let old_key = fs::read(&files.key).unwrap();
    let check = |expect: &CertificateDer<'_>, taken: usize, error: Option<&str>| {
        let (got, errors) = store.reload();
        assert_eq!(got, taken);
        assert_eq!(errors.len(), usize::from(error.is_some()), "{errors:?}");
        if let Some(part) = error {
            assert!(errors[0].to_string().contains(part), "{}", errors[0]);
        }
        assert_eq!(shown(&store, &authority, "localhost"), *expect);
    };
    check(&old, 0, None);

    authority.issue("server", &["localhost"]);
    let new = certificate(&files);
    let new_key = fs::read(&files.key).unwrap();
    fs::write(&files.key, &old_key).unwrap();
    check(&old, 0, Some("does not belong to the certificate"));
    check(&old, 0, None);

    fs::write(&files.key, &new_key[..new_key.len() / 2]).unwrap();
    check(&old, 0, Some("not a whole PEM file"));
    fs::remove_file(&files.key).unwrap();
    check(&old, 0, Some("cannot read"));
    fs::write(&files.key, &new_key).unwrap();
    check(&new, 1, None);
}

#[test]
fn what_cannot_be_used_is_named_without_its_content() {
    let authority = Authority::new();
    let good = authority.issue("good", &["localhost"]);
    let write = |name: &str, certificate: &[u8], key: &[u8]| {
        let files = authority.files(name);
        fs::write(&files.certificate, certificate).unwrap();
        fs::write(&files.key, key).unwrap();
        files
    };
    let (certificate, key) = (
        fs::read(&good.certificate).unwrap(),
        fs::read(&good.key).unwrap(),
    );
    let other = fs::read(authority.issue("other", &["localhost"]).key).unwrap();
    let check = |files: CertificateFiles, expect: fn(&TlsError) -> bool| {
        let error = CertStore::load(vec![files]).unwrap_err();
        assert!(expect(&error), "{error:?}");
        let secret = std::str::from_utf8(&key[40..80]).unwrap();
        assert!(!format!("{error} {error:?}").contains(secret));
    };
    check(authority.files("missing"), |e| {
        matches!(e, TlsError::Read { .. })
    });
    check(write("empty", b"", &key), |e| {
        matches!(e, TlsError::NoCertificate { .. })
    });
    check(write("swapped", &key, &certificate), |e| {
        matches!(e, TlsError::NoCertificate { .. })
    });
    check(write("keyless", &certificate, b""), |e| {
        matches!(e, TlsError::Pem { .. })
    });
    check(write("mixed", &certificate, &other), |e| {
        matches!(e, TlsError::KeyMismatch { .. })
    });
    let garbage = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    check(write("garbage", garbage, &key), |e| {
        matches!(e, TlsError::Unusable { .. })
    });
    assert!(matches!(
        CertStore::load(vec![]),
        Err(TlsError::NoCertificates)
    ));
}

#[tokio::test]
async fn files_are_followed() {
    let authority = Authority::new();
    let files = authority.issue("server", &["localhost"]);
    let store = CertStore::load(vec![files.clone()]).unwrap();
    let following = Tasks::new().spawn("follow", store.clone().follow(Duration::from_millis(5)));
    authority.issue("server", &["localhost"]);
    let new = certificate(&files);
    let replaced = async {
        while shown(&store, &authority, "localhost") != new {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(Duration::from_secs(20), replaced).await.unwrap();
    following.abort();
}

#[test]
fn sessions_are_resumed_only_without_client_certificates() {
    let authority = Authority::new();
    let store = CertStore::load(vec![authority.issue("server", &["localhost"])]).unwrap();
    let check = |client_auth: ClientAuth, expect: (bool, usize)| {
        let tls = ServerTls {
            certificates: store.clone(),
            client_auth,
        };
        let config = server_config(tls).unwrap();
        assert_eq!(
            (config.ticketer.enabled(), config.send_tls13_tickets),
            expect
        );
        assert_eq!(config.max_early_data_size, 0);
    };
    check(ClientAuth::None, (true, 2));
    check(ClientAuth::Required(authority.ca_file()), (false, 0));
    check(ClientAuth::Optional(authority.ca_file()), (false, 0));
}

#[test]
fn clients_offer_what_they_are_told_and_trust_what_they_are_given() {
    let authority = Authority::new();
    let check = |alpn: Alpn, expect: &[&[u8]]| {
        let tls = ClientTls {
            roots: Roots::Public,
            identity: None,
            alpn,
        };
        assert_eq!(client_config(&tls).unwrap().alpn_protocols, expect);
    };
    check(Alpn::Http1, &[b"http/1.1"]);
    check(Alpn::H2, &[b"h2"]);
    check(Alpn::H2OrHttp1, &[b"h2", b"http/1.1"]);
    let bad = ClientTls {
        roots: Roots::PublicAndFile(authority.files("none").certificate),
        identity: None,
        alpn: Alpn::H2,
    };
    assert!(matches!(client_config(&bad), Err(TlsError::Read { .. })));
}

//! What resources refer to outside of their documents.

use std::collections::BTreeSet;

use mesh::resources::ProviderSpec;
use mesh::{Resources, SecretRef};

/// The secrets that resources refer to.
pub fn secret_refs(resources: &Resources) -> BTreeSet<SecretRef> {
    let providers = resources.providers.iter().map(|provider| &provider.spec);
    let identities = providers
        .clone()
        .filter_map(|provider| provider.auth.as_ref());
    let of_identities = identities.flat_map(|auth| auth.secret_refs().map(|(_, secret)| secret));
    let of_identities = of_identities.cloned();
    let pools = resources.pools.iter();
    let pools = pools.map(|pool| pool.spec.api_key.clone());
    let keys = providers.map(ProviderSpec::api_key).chain(pools);
    keys.flatten().chain(of_identities).collect()
}

/// The files that resources refer to: certificates, keys, authorities and secrets.
pub fn referenced_files(resources: &Resources) -> BTreeSet<String> {
    let listeners = resources
        .listeners
        .iter()
        .filter_map(|listener| listener.spec.tls.as_ref());
    let certificates = listeners.flat_map(|tls| &tls.certificates);
    let certificates =
        certificates.flat_map(|pair| [pair.cert_file.clone(), pair.key_file.clone()]);

    let providers = resources
        .providers
        .iter()
        .map(|provider| &provider.spec.tls);
    let upstream = providers
        .chain(resources.pools.iter().map(|pool| &pool.spec.tls))
        .flatten();
    let authorities = upstream.filter_map(|tls| tls.ca_file.clone());

    let secrets = secret_refs(resources)
        .into_iter()
        .filter_map(|secret| match secret {
            SecretRef::File(path) => Some(path),
            SecretRef::Env(_) => None,
        });
    certificates.chain(authorities).chain(secrets).collect()
}

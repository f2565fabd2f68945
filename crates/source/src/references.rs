//! What documents refer to: secrets in the environment and in files, and certificate files.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Read};

use mesh::{Secret, SecretRef, Secrets};

use crate::environment::Environment;

/// Bytes of a secret or of a certificate bundle.
const MAX_FILE: u64 = 4 << 20;

/// The content of referenced files, or why there is none.
pub(crate) type Contents = BTreeMap<String, Result<Vec<u8>, String>>;

/// Reads the files.
pub(crate) fn read(paths: &BTreeSet<String>) -> Contents {
    let content = |path: &String| (path.clone(), read_file(path).map_err(|e| e.to_string()));
    paths.iter().map(content).collect()
}

/// The secrets that could be resolved, and why the others could not.
pub(crate) fn resolve(
    references: BTreeSet<SecretRef>,
    environment: &Environment,
    contents: &Contents,
) -> (Secrets, BTreeMap<SecretRef, String>) {
    let mut secrets = Secrets::new();
    let mut unresolved = BTreeMap::new();
    for reference in references {
        match secret(&reference, environment, contents) {
            Ok(secret) => drop(secrets.insert(reference, secret)),
            Err(reason) => drop(unresolved.insert(reference, reason)),
        }
    }
    (secrets, unresolved)
}

fn secret(
    reference: &SecretRef,
    environment: &Environment,
    contents: &Contents,
) -> Result<Secret, String> {
    match reference {
        SecretRef::Env(name) => match environment.get(name) {
            Some(value) => Ok(Secret::from(value)),
            None => Err(format!("set {name} for this process, to more than nothing")),
        },
        SecretRef::File(path) => match contents.get(path) {
            Some(Ok(bytes)) => {
                let text = std::str::from_utf8(bytes);
                let text = text.map_err(|_| format!("{path} is not UTF-8 text"))?;
                // Editors and `echo` end a file with a line break that is not part of the secret.
                match text.trim_end_matches(['\r', '\n']) {
                    "" => Err(format!("{path} is empty")),
                    text => Ok(Secret::from(text)),
                }
            }
            Some(Err(error)) => Err(format!("{path} cannot be read: {error}")),
            None => Err(format!("{path} was not read")),
        },
    }
}

fn read_file(path: &str) -> io::Result<Vec<u8>> {
    if !std::fs::metadata(path)?.is_file() {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "it is not a regular file",
        ));
    }
    let mut bytes = Vec::new();
    File::open(path)?.take(MAX_FILE).read_to_end(&mut bytes)?;
    Ok(bytes)
}

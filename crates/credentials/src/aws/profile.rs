//! Profiles: the files that AWS's command line and libraries share.
//!
//! Both have sections of `name = value`. In the one for configuration a section is called
//! `profile NAME`, but for `default`; in the one for credentials it has the bare name, and what
//! stands there counts before the other.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::Role;
use super::sign::Keys;
use crate::error::Error;

/// Roles that may be assumed one by the other.
const MAX_ROLES: usize = 5;

/// All profiles of a machine, by name.
#[derive(Debug, Default)]
pub(super) struct Profiles(BTreeMap<String, Profile>);

/// The settings of a profile.
type Profile = BTreeMap<String, String>;

/// How a profile's keys are had.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) base: Base,
    /// Roles to be assumed with them, in this order.
    pub(super) roles: Vec<Role>,
    pub(super) region: Option<String>,
}

/// Where the first keys come from.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Base {
    Keys(Keys),
    /// A role that is assumed by the token in a file.
    WebIdentity(Role, PathBuf),
    Environment,
    Container,
    Instance,
}

impl Profiles {
    /// Reads the texts of both files.
    pub(super) fn parse(config: &str, credentials: &str) -> Self {
        let mut profiles = Self::default();
        profiles.add(config, |section| {
            match section.split_once(|c: char| c.is_ascii_whitespace()) {
                Some(("profile", name)) => Some(unquoted(name)),
                None if section == "default" => Some(section),
                _ => None,
            }
        });
        profiles.add(credentials, |section| Some(unquoted(section)));
        profiles
    }

    fn add<'a>(&mut self, text: &'a str, name_of: impl Fn(&'a str) -> Option<&'a str>) {
        let mut current = None;
        let mut indent_of_setting = usize::MAX;
        for line in text.lines() {
            let line = line.trim_end();
            let said = line.trim_start();
            let indent = line.len() - said.len();
            // What is indented deeper than the setting above it belongs to that, and to no source of
            // keys.
            if said.is_empty() || said.starts_with(['#', ';']) || indent > indent_of_setting {
                continue;
            }
            if let Some(section) = said.strip_prefix('[') {
                let section = section.split(']').next().unwrap_or_default();
                current = name_of(section.trim());
                indent_of_setting = usize::MAX;
            } else if let Some((key, value)) = said.split_once('=') {
                indent_of_setting = indent;
                if let Some(name) = current {
                    let profile = self.0.entry(name.to_owned()).or_default();
                    profile.insert(key.trim().to_ascii_lowercase(), value_of(value).to_owned());
                }
            }
        }
    }

    /// How the keys of the profile `name` are had; `None` if it says nothing of keys.
    pub(super) fn plan(&self, name: &str) -> Result<Option<Plan>, Error> {
        let Some(first) = self.0.get(name) else {
            return Ok(None);
        };
        let mut roles = Vec::new();
        let Some(base) = self.base(name, first, &mut roles)? else {
            return Ok(None);
        };
        roles.reverse();
        Ok(Some(Plan {
            base,
            roles,
            region: first.get("region").cloned(),
        }))
    }

    /// Where the keys come from that a profile begins with, and the roles on the way to it, the
    /// profile's own first.
    fn base<'s>(
        &'s self,
        mut name: &'s str,
        mut profile: &'s Profile,
        roles: &mut Vec<Role>,
    ) -> Result<Option<Base>, Error> {
        loop {
            let no_keys = || unusable(name, "has no keys");
            match step(name, profile)? {
                Step::Base(base) => return Ok(Some(base)),
                Step::Nothing if roles.is_empty() => return Ok(None),
                Step::Nothing => return Err(no_keys()),
                // A profile with a role may be its own source: then its keys assume it.
                Step::Role(role, source) if source == name => {
                    roles.push(role);
                    let keys = keys(profile).ok_or_else(no_keys)?;
                    return Ok(Some(Base::Keys(keys)));
                }
                Step::Role(role, source) => {
                    roles.push(role);
                    let too_many = "is one of too many that refer to each other";
                    if roles.len() > MAX_ROLES {
                        return Err(unusable(name, too_many));
                    }
                    let missing = || unusable(name, "has a `source_profile` that there is not");
                    (name, profile) = match self.0.get_key_value(source) {
                        Some((name, profile)) => (name.as_str(), profile),
                        None => return Err(missing()),
                    };
                }
                Step::RoleOf(role, base) => {
                    roles.push(role);
                    return Ok(Some(base));
                }
            }
        }
    }
}

/// A value without what is noted behind it.
fn value_of(text: &str) -> &str {
    let value = text.split(" #").next().unwrap_or_default();
    unquoted(value.split(" ;").next().unwrap_or_default())
}

/// The text without the quotes around it, which some of AWS's libraries take and none keeps to.
fn unquoted(text: &str) -> &str {
    let text = text.trim();
    let mut quotes = ['"', '\''].into_iter();
    let bare = quotes.find_map(|quote| text.strip_prefix(quote)?.strip_suffix(quote));
    bare.unwrap_or(text)
}

/// What a profile says of its keys.
enum Step<'a> {
    Base(Base),
    /// A role, assumed with the keys of another profile.
    Role(Role, &'a str),
    /// A role, assumed with the keys from there.
    RoleOf(Role, Base),
    Nothing,
}

fn step<'a>(name: &str, profile: &'a Profile) -> Result<Step<'a>, Error> {
    let get = |key: &str| profile.get(key).map(String::as_str);
    if let Some(arn) = get("role_arn") {
        let role = Role {
            arn: arn.to_owned(),
            session: get("role_session_name").map(str::to_owned),
            external_id: get("external_id").map(str::to_owned),
        };
        return match (
            get("web_identity_token_file"),
            get("source_profile"),
            get("credential_source"),
        ) {
            (Some(file), None, None) => Ok(Step::Base(Base::WebIdentity(role, file.into()))),
            (None, Some(source), None) => Ok(Step::Role(role, source)),
            (None, None, Some("Environment")) => Ok(Step::RoleOf(role, Base::Environment)),
            (None, None, Some("EcsContainer")) => Ok(Step::RoleOf(role, Base::Container)),
            (None, None, Some("Ec2InstanceMetadata")) => Ok(Step::RoleOf(role, Base::Instance)),
            _ => Err(unusable(
                name,
                "has a `role_arn` without one of `web_identity_token_file`, `source_profile` and \
                 `credential_source`",
            )),
        };
    }
    if let Some(keys) = keys(profile) {
        return Ok(Step::Base(Base::Keys(keys)));
    }
    for key in ["credential_process", "sso_session", "sso_start_url"] {
        if get(key).is_some() {
            let what = format!("takes its keys from `{key}`, which is not supported");
            return Err(unusable(name, &what));
        }
    }
    Ok(Step::Nothing)
}

fn keys(profile: &Profile) -> Option<Keys> {
    Some(Keys {
        id: profile.get("aws_access_key_id")?.clone(),
        secret: profile.get("aws_secret_access_key")?.as_str().into(),
        session: profile
            .get("aws_session_token")
            .map(|it| it.as_str().into()),
    })
}

fn unusable(profile: &str, what: &str) -> Error {
    Error::unusable(format_args!("the AWS profile `{profile}` {what}"))
}

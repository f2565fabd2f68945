use super::{Base, Plan, Profiles};
use crate::aws::Role;
use crate::aws::sign::Keys;

const CONFIG: &str = "\
# shared
[default]
region = eu-west-1   # near
s3 =
    addressing_style = path
[profile role]
Role_Arn = arn:aws:iam::1:role/r
source_profile = base
external_id = x
region=us-east-1
[profile web]
role_arn = arn:aws:iam::1:role/w
web_identity_token_file = /token
role_session_name = s
[profile loop]
role_arn = arn:aws:iam::1:role/l
source_profile = loop2
[profile loop2]
role_arn = arn:aws:iam::1:role/l
source_profile = loop
[profile self]
role_arn = arn:aws:iam::1:role/self
source_profile = self
[profile instance]
role_arn = arn:aws:iam::1:role/i
credential_source = Ec2InstanceMetadata
[profile sso]
sso_session = s
[profile process]
credential_process = /bin/keys
[profile lost]
role_arn = arn:aws:iam::1:role/l
source_profile = nobody
[profile half]
role_arn = arn:aws:iam::1:role/l
[plain]
aws_access_key_id = never
aws_secret_access_key = never
";

const CREDENTIALS: &str = "\
[default]
aws_access_key_id = AKID
aws_secret_access_key = a/b+c=
; comment
[base]\r
aws_access_key_id=ASIA\r
aws_secret_access_key=s\r
aws_session_token=t==\r
[self]
aws_access_key_id = SELF
aws_secret_access_key = s
";

fn plan(name: &str) -> Result<Option<Plan>, String> {
    let profiles = Profiles::parse(CONFIG, CREDENTIALS);
    profiles.plan(name).map_err(|error| error.to_string())
}

fn keys(id: &str, secret: &str, session: Option<&str>) -> Base {
    Base::Keys(Keys {
        id: id.to_owned(),
        secret: secret.into(),
        session: session.map(Into::into),
    })
}

fn role(name: &str) -> Role {
    Role {
        arn: format!("arn:aws:iam::1:role/{name}"),
        session: None,
        external_id: None,
    }
}

#[test]
fn keys_roles_and_their_sources() {
    let check = |name: &str, base: Base, roles: Vec<Role>, region: Option<&str>| {
        let region = region.map(str::to_owned);
        let expected = Plan {
            base,
            roles,
            region,
        };
        assert_eq!(plan(name), Ok(Some(expected)), "{name}");
    };
    check(
        "default",
        keys("AKID", "a/b+c=", None),
        vec![],
        Some("eu-west-1"),
    );
    let assumed = Role {
        external_id: Some("x".to_owned()),
        ..role("r")
    };
    let base = keys("ASIA", "s", Some("t=="));
    check("role", base, vec![assumed], Some("us-east-1"));
    let web = Role {
        session: Some("s".to_owned()),
        ..role("w")
    };
    check("web", Base::WebIdentity(web, "/token".into()), vec![], None);
    check("self", keys("SELF", "s", None), vec![role("self")], None);
    check("instance", Base::Instance, vec![role("i")], None);
    // In the file for configuration only `profile NAME` is a profile.
    assert_eq!(plan("plain"), Ok(None));
    assert_eq!(plan("nobody"), Ok(None));
}

#[test]
fn what_cannot_be_followed_is_said() {
    for (name, said) in [
        (
            "loop",
            "the AWS profile `loop2` is one of too many that refer to each other",
        ),
        (
            "lost",
            "the AWS profile `lost` has a `source_profile` that there is not",
        ),
        (
            "sso",
            "the AWS profile `sso` takes its keys from `sso_session`, which is not supported",
        ),
        (
            "process",
            "the AWS profile `process` takes its keys from `credential_process`, which is not \
             supported",
        ),
        (
            "half",
            "the AWS profile `half` has a `role_arn` without one of `web_identity_token_file`, \
             `source_profile` and `credential_source`",
        ),
    ] {
        assert_eq!(plan(name), Err(said.to_owned()));
    }
}

/// As files are that somebody has laid out by hand.
#[test]
fn settings_may_be_indented_and_quoted() {
    let config = "\
[profile \"by hand\"]
    s3 =
        region = us-west-1
    region = 'eu-central-1'
      # no setting
\tnested = of the one above
[profile\tnext]
region=eu-west-2
";
    let credentials = "\
['by hand']
  aws_access_key_id = \"AKID\"
  aws_secret_access_key = 'a\"b'
[next]
aws_access_key_id = \"
aws_secret_access_key = s
";
    let profiles = Profiles::parse(config, credentials);
    let plan = |name: &str| profiles.plan(name).unwrap().unwrap();
    let by_hand = plan("by hand");
    assert_eq!(by_hand.region.as_deref(), Some("eu-central-1"));
    assert_eq!(by_hand.base, keys("AKID", "a\"b", None));
    let next = plan("next");
    assert_eq!(next.region.as_deref(), Some("eu-west-2"));
    assert_eq!(next.base, keys("\"", "s", None));
}

//! What AWS asks of the settings of an app (docs/saml-protocol.md lists the sources), checked when config loads. `aws_lint` looks at what is
//! about to be signed.

use std::collections::BTreeSet;

use super::aws_lint::{
    MAX_TAGS, PREFIX, ROLE, SESSION_DURATION, SESSION_NAME, SOURCE_IDENTITY, TAG, TRANSITIVE_TAGS, check_tag_key,
};
use super::mapping::Mapping;
use crate::config::{AppConfig, Encrypt, Problem};
use crate::domain::RoleCandidate;

/// Seconds of a console session that is not told its duration (IAM User Guide, "Configure SAML assertions").
pub(super) const DEFAULT_DURATION: u32 = 3_600;
/// Bytes of a response that are not roles, with room for long attributes.
const OTHER_BYTES: usize = 12_000;
/// What an `AttributeValue` element adds to each role.
const VALUE_BYTES: usize = 50;

/// A part of AWS with its own accounts, addresses and names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Partition {
    /// In ARNs.
    name: &'static str,
    pub(super) entity_id: &'static str,
    pub(super) acs: &'static str,
    /// The host of `acs`; regional ones have the region before it.
    host: &'static str,
    pub(super) relay_state: &'static str,
}

const PARTITIONS: [Partition; 3] = [
    Partition {
        name: "aws",
        entity_id: "urn:amazon:webservices",
        acs: "https://signin.aws.amazon.com/saml",
        host: "signin.aws.amazon.com",
        relay_state: "https://console.aws.amazon.com",
    },
    Partition {
        name: "aws-cn",
        entity_id: "urn:amazon:webservices:cn-north-1",
        acs: "https://signin.amazonaws.cn/saml",
        host: "signin.amazonaws.cn",
        relay_state: "https://console.amazonaws.cn",
    },
    Partition {
        name: "aws-us-gov",
        entity_id: "urn:amazon:webservices:govcloud",
        acs: "https://signin.amazonaws-us-gov.com/saml",
        host: "signin.amazonaws-us-gov.com",
        relay_state: "https://console.amazonaws-us-gov.com",
    },
];

/// The partition the roles are in; the commercial one where that cannot be told (`roles` reports why).
pub(super) fn partition(config: &AppConfig) -> Partition {
    let [commercial, ..] = PARTITIONS;
    let named = config.roles.first().and_then(|role| arn_partition(&role.role_arn));
    named.unwrap_or(commercial)
}

fn arn_partition(arn: &str) -> Option<Partition> {
    let name = arn.strip_prefix("arn:")?.split(':').next()?;
    PARTITIONS.into_iter().find(|partition| partition.name == name)
}

/// Checks the roles and makes candidates of them.
pub(super) fn roles(config: &AppConfig, problems: &mut Vec<Problem>) -> Vec<RoleCandidate> {
    let expected = partition(config);
    let (mut names, mut values) = (BTreeSet::new(), BTreeSet::new());
    let mut candidates = Vec::with_capacity(config.roles.len());
    for (index, role) in config.roles.iter().enumerate() {
        let key = |name: &str| format!(".roles[{index}].{name}");
        if let Err(rule) = check_arn(&role.role_arn, "role", &expected) {
            problems.push(Problem::new(key("role_arn"), format!("`{}` is no role ARN: {rule}", role.role_arn)));
        } else if role.role_arn.contains("/AWSReservedSSO_") {
            problems.push(
                Problem::new(key("role_arn"), "roles of IAM Identity Center cannot be assumed this way")
                    .with_help("create a role of its own whose trust policy names this identity provider"),
            );
        }
        if let Err(rule) = check_arn(&role.provider_arn, "saml-provider", &expected) {
            let message = format!("`{}` is no ARN of an identity provider: {rule}", role.provider_arn);
            problems.push(Problem::new(key("provider_arn"), message));
        }
        if !names.insert(&role.name) {
            problems.push(Problem::new(key("name"), format!("there is another role named `{}`", role.name)));
        }
        let value = format!("{},{}", role.role_arn, role.provider_arn);
        if !values.insert(value.clone()) {
            problems.push(Problem::new(key("role_arn"), "this role stands there twice"));
        }
        candidates.push(RoleCandidate { name: role.name.clone(), value });
    }
    let bytes: usize = candidates.iter().map(|role| role.value.len() + VALUE_BYTES).sum();
    let whole = crate::saml::issuer::MAX_BASE64_BYTES / 4 * 3;
    // What is encrypted goes into base64 twice.
    let most = if config.encrypt == Encrypt::Assertion { whole / 4 * 3 } else { whole } - OTHER_BYTES;
    if bytes > most {
        problems.push(
            Problem::new(".roles", format!("{} roles make a response larger than AWS takes", candidates.len()))
                .with_help("split the app in two, each with a part of the roles"),
        );
    }
    candidates
}

/// `arn:PARTITION:iam::ACCOUNT:KIND/[PATH/]NAME`.
fn check_arn(arn: &str, kind: &str, expected: &Partition) -> Result<(), String> {
    let rule = || format!("write it as `arn:{}:iam::123456789012:{kind}/Name`", expected.name);
    let mut parts = arn.splitn(6, ':');
    let mut next = || parts.next().ok_or_else(rule);
    if next()? != "arn" {
        return Err(rule());
    }
    let partition = next()?;
    let (service, region, account, resource) = (next()?, next()?, next()?, next()?);
    let good_account = account.len() == 12 && account.bytes().all(|b| b.is_ascii_digit());
    if service != "iam" || !region.is_empty() || !good_account {
        return Err(rule());
    }
    let (found_kind, name) = resource.split_once('/').ok_or_else(rule)?;
    let name_chars = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '+' | '=' | ',' | '.' | '@' | '-');
    let good_name = match kind {
        "role" => {
            let (path, last) = name.rsplit_once('/').unwrap_or(("", name));
            // A comma would end the ARN within the `role,provider` value.
            (1..=64).contains(&last.len())
                && last.chars().all(|c| name_chars(c) && c != ',')
                && path.len() <= 510
                && path.chars().all(|c| c.is_ascii_graphic() && c != ',')
        }
        _ => (1..=128).contains(&name.len()) && name.chars().all(|c| name_chars(c) && c != ','),
    };
    if found_kind != kind || !good_name {
        return Err(rule());
    }
    if partition == expected.name {
        Ok(())
    } else if PARTITIONS.iter().any(|known| known.name == partition) {
        Err(format!("it is of the partition `{partition}`, others of this app are of `{}`", expected.name))
    } else {
        Err(rule())
    }
}

/// An address at an AWS host must be one AWS has; other hosts (a proxy, a test) are the administrator's business.
pub(super) fn check_acs(acs: &str, expected: &Partition) -> Result<(), String> {
    let Ok(url) = url::Url::parse(acs) else { return Ok(()) };
    let host = url.host_str().unwrap_or_default();
    let Some(partition) =
        PARTITIONS.iter().find(|p| host == p.host || host.strip_suffix(p.host).is_some_and(|h| h.ends_with('.')))
    else {
        return Ok(());
    };
    if partition.name != expected.name {
        return Err(format!("it belongs to the partition `{}`, the roles to `{}`", partition.name, expected.name));
    }
    let region = host.strip_suffix(partition.host).unwrap_or_default().trim_end_matches('.');
    let good_region = region.is_empty()
        || (region.split('-').count() >= 3
            && region.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-'));
    let provider = url.path().strip_prefix("/saml/acs/");
    let good_path = url.path() == "/saml" || provider.is_some_and(|id| !id.is_empty() && !id.contains('/'));
    if url.scheme() == "https" && good_region && good_path && url.query().is_none() && url.port().is_none() {
        Ok(())
    } else {
        Err(format!("AWS has `{}` and `https://REGION.{}/saml`", partition.acs, partition.host))
    }
}

/// Checks the attributes that AWS would read something into.
pub(super) fn attributes(attributes: &[Mapping], problems: &mut Vec<Problem>) {
    let mut tags = BTreeSet::new();
    for mapping in attributes.iter().filter(|mapping| mapping.name.starts_with(PREFIX)) {
        let name = &mapping.name;
        let key = AppConfig::attribute_key(name);
        let mut problem = |message: String, help: &str| {
            problems.push(Problem { key: key.clone(), message, help: (!help.is_empty()).then(|| help.to_owned()) });
        };
        match name.as_str() {
            ROLE => problem("roles are decided by policies".into(), "list them under `roles`"),
            SESSION_NAME => problem("it has a key of its own".into(), "set `role_session_name`"),
            SESSION_DURATION => problem("it has a key of its own".into(), "set `session_duration`"),
            TRANSITIVE_TAGS => problem("it has a key of its own".into(), "set `transitive_tags`"),
            name if name == SOURCE_IDENTITY || name.starts_with(TAG) => {
                if mapping.is_self_edited() {
                    problem(
                        "people may edit this field themselves, so it may decide nothing at AWS".into(),
                        "use `email` or `username`",
                    );
                } else if name == SOURCE_IDENTITY && !mapping.names_a_person() {
                    problem("the source identity names one person".into(), "use `email` or `username`");
                }
                if let Some(tag) = name.strip_prefix(TAG) {
                    if let Err(rule) = check_tag_key(tag) {
                        problem(rule, "");
                    }
                    if !tags.insert(tag.to_lowercase()) {
                        problem(format!("another tag differs from `{tag}` only in case"), "");
                    }
                }
            }
            _ => problem(
                "AWS knows no attribute of this name".into(),
                "AWS reads `SourceIdentity` and `PrincipalTag:KEY` below this address",
            ),
        }
    }
    if tags.len() > MAX_TAGS {
        problems.push(Problem::new(".attributes", format!("AWS takes {MAX_TAGS} tags, here are {}", tags.len())));
    }
}

/// The tags that AWS hands on to the next role: of those that are sent.
pub(super) fn transitive_tags(config: &AppConfig, problems: &mut Vec<Problem>) -> Vec<String> {
    for (index, tag) in config.transitive_tags.iter().enumerate() {
        if !config.attributes.contains_key(&format!("{TAG}{tag}")) {
            problems.push(
                Problem::new(format!(".transitive_tags[{index}]"), format!("no tag `{tag}` is sent"))
                    .with_help(format!("add `\"{TAG}{tag}\"` to `attributes`, or leave it out")),
            );
        } else if config.transitive_tags.iter().take(index).any(|earlier| earlier == tag) {
            problems.push(Problem::new(format!(".transitive_tags[{index}]"), format!("`{tag}` stands there twice")));
        }
    }
    config.transitive_tags.clone()
}

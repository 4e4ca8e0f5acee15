//! What AWS asks of an assertion, looked at once more in what is about to be signed: whatever the settings, a directory or a
//! mapping made of a person, AWS's own refusal would name neither the person nor the rule. Sources: the IAM User Guide
//! ("Configure SAML assertions for the authentication response"), and the STS reference of AssumeRoleWithSAML.

use std::collections::BTreeSet;

use crate::domain::{Attribute, IssueRequest, RoleCandidate};

/// All attributes that AWS reads something into begin so.
pub(super) const PREFIX: &str = "https://aws.amazon.com/SAML/Attributes/";
/// The role attribute: `role-arn,provider-arn` values.
pub(super) const ROLE: &str = "https://aws.amazon.com/SAML/Attributes/Role";
pub(super) const SESSION_NAME: &str = "https://aws.amazon.com/SAML/Attributes/RoleSessionName";
pub(super) const SESSION_DURATION: &str = "https://aws.amazon.com/SAML/Attributes/SessionDuration";
pub(super) const SOURCE_IDENTITY: &str = "https://aws.amazon.com/SAML/Attributes/SourceIdentity";
pub(super) const TRANSITIVE_TAGS: &str = "https://aws.amazon.com/SAML/Attributes/TransitiveTagKeys";
pub(super) const TAG: &str = "https://aws.amazon.com/SAML/Attributes/PrincipalTag:";

/// The seconds a console session may last.
pub(super) const DURATION: std::ops::RangeInclusive<u32> = 900..=43_200;
pub(super) const MAX_TAGS: usize = 50;
const MAX_TAG_KEY: usize = 128;
const MAX_TAG_VALUE: usize = 256;

/// The first rule of AWS that what is to be signed breaks. A request for another service breaks none.
///
/// # Errors
/// The rule, in words, with the value.
pub(in crate::saml) fn check(request: &IssueRequest) -> Result<(), String> {
    let names_roles = request.attributes.iter().any(|attribute| attribute.name == ROLE);
    if request.role_attribute.as_deref() != Some(ROLE) && !names_roles {
        return Ok(());
    }
    if names_roles {
        return Err("its roles are decided by policies, not by an attribute".to_owned());
    }
    check_roles(&request.roles)?;
    let read: Vec<&Attribute> = request.attributes.iter().filter(|a| a.name.starts_with(PREFIX)).collect();
    let mut names = BTreeSet::new();
    if let Some(twice) = read.iter().find(|attribute| !names.insert(attribute.name.to_lowercase())) {
        return Err(format!("the attribute `{}` is there twice, if only in another case", twice.name));
    }
    if !read.iter().any(|attribute| attribute.name == SESSION_NAME) {
        return Err("there is no RoleSessionName".to_owned());
    }
    read.iter().try_for_each(|attribute| check_attribute(attribute))?;
    check_tags(&read)
}

/// At least one; each two ARNs with a comma and nothing else between; none of IAM Identity Center's own.
fn check_roles(roles: &[RoleCandidate]) -> Result<(), String> {
    if roles.is_empty() {
        return Err("there is no role to become".to_owned());
    }
    let mut values = BTreeSet::new();
    for role in roles {
        let is_arn = |text: &str, kind: &str| {
            text.starts_with("arn:") && text.contains(kind) && !text.chars().any(|c| c.is_whitespace() || c == ',')
        };
        let good = role.value.split_once(',').is_some_and(|(role_arn, provider_arn)| {
            is_arn(role_arn, ":role/") && is_arn(provider_arn, ":saml-provider/")
        });
        if !good {
            return Err(format!("the role `{}` must be `role-arn,provider-arn`, not `{}`", role.name, role.value));
        }
        if role.value.contains("/AWSReservedSSO_") {
            return Err(format!("the role `{}` of IAM Identity Center cannot be assumed this way", role.name));
        }
        if !values.insert(&role.value) {
            return Err(format!("the role `{}` is there twice", role.value));
        }
    }
    Ok(())
}

/// Everything but lists has exactly one value.
fn check_attribute(attribute: &Attribute) -> Result<(), String> {
    let one = || match attribute.values.as_slice() {
        [one] => Ok(one.as_str()),
        values => {
            let name = attribute.name.strip_prefix(PREFIX).unwrap_or(&attribute.name);
            Err(format!("{name} must have exactly one value, not {}", values.len()))
        }
    };
    match attribute.name.as_str() {
        SESSION_NAME => check_session_name("RoleSessionName", one()?),
        SESSION_DURATION => check_duration(one()?),
        SOURCE_IDENTITY => {
            let value = one()?;
            check_session_name("SourceIdentity", value)?;
            if value.to_lowercase().starts_with("aws:") {
                return Err(format!("SourceIdentity `{value}` may not begin with `aws:`"));
            }
            Ok(())
        }
        name => match name.strip_prefix(TAG) {
            Some(tag) => check_tag_key(tag).and_then(|()| check_tag_value(tag, one()?)),
            None => Ok(()),
        },
    }
}

fn check_duration(value: &str) -> Result<(), String> {
    if value.parse().is_ok_and(|seconds| DURATION.contains(&seconds)) {
        Ok(())
    } else {
        Err(format!("SessionDuration must be 900 to 43200 seconds, not `{value}`"))
    }
}

/// So many, and what is said to be handed on is there to be handed on.
fn check_tags(read: &[&Attribute]) -> Result<(), String> {
    let tags: BTreeSet<&str> = read.iter().filter_map(|attribute| attribute.name.strip_prefix(TAG)).collect();
    if tags.len() > MAX_TAGS {
        return Err(format!("AWS takes {MAX_TAGS} tags, here are {}", tags.len()));
    }
    let handed_on = read.iter().filter(|attribute| attribute.name == TRANSITIVE_TAGS);
    match handed_on.flat_map(|attribute| &attribute.values).find(|key| !tags.contains(key.as_str())) {
        Some(missing) => Err(format!("TransitiveTagKeys names `{missing}`, which is no tag that is sent")),
        None => Ok(()),
    }
}

fn is_tag_char(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, ' ' | '_' | '.' | ':' | '/' | '=' | '+' | '-' | '@')
}

pub(super) fn check_tag_key(key: &str) -> Result<(), String> {
    if !(1..=MAX_TAG_KEY).contains(&key.chars().count()) || !key.chars().all(is_tag_char) {
        return Err("a tag's key has 1 to 128 letters, digits, spaces or `_.:/=+-@`".to_owned());
    }
    if key.to_lowercase().starts_with("aws:") {
        return Err("keys of tags may not begin with `aws:`".to_owned());
    }
    Ok(())
}

fn check_tag_value(tag: &str, value: &str) -> Result<(), String> {
    if value.chars().count() > MAX_TAG_VALUE || !value.chars().all(is_tag_char) {
        return Err(format!(
            "the tag `{tag}` with the value `{value}` must have at most 256 letters, digits, spaces or _ . : / = + - @"
        ));
    }
    Ok(())
}

/// `[a-zA-Z_0-9+=,.@-]{2,64}`.
fn check_session_name(attribute: &str, value: &str) -> Result<(), String> {
    let good = (2..=64).contains(&value.len())
        && value.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '+' | '=' | ',' | '.' | '@' | '-'));
    if good {
        Ok(())
    } else {
        Err(format!("{attribute} `{value}` must have 2 to 64 of the characters a-z A-Z 0-9 _ + = , . @ -"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::saml::fixtures::{ann, aws_config, build, context, wiki_config};

    fn attribute(name: &str, values: &[&str]) -> Attribute {
        Attribute::new(name, values.iter().map(|value| (*value).to_owned()).collect())
    }

    fn tag(key: &str, values: &[&str]) -> Attribute {
        attribute(&format!("{TAG}{key}"), values)
    }

    /// What is said of AWS's request with these attributes besides its usual ones.
    fn with(attributes: Vec<Attribute>) -> Result<(), String> {
        let mut request = build(&aws_config()).issue_request(&ann(), &context()).unwrap();
        request.attributes.extend(attributes);
        check(&request)
    }

    /// What is said when the usual attribute `name` has these values.
    fn instead(name: &str, values: &[&str]) -> Result<(), String> {
        let mut request = build(&aws_config()).issue_request(&ann(), &context()).unwrap();
        request.attributes.retain(|attribute| attribute.name != name);
        request.attributes.push(attribute(name, values));
        check(&request)
    }

    #[test]
    fn what_aws_takes_passes() {
        for good in [
            vec![],
            vec![attribute(SOURCE_IDENTITY, &["ann@example.com"])],
            vec![attribute("mail", &["a", "b"])],
            vec![tag("Team", &["Wiki & more".replace('&', "+").as_str()]), attribute(TRANSITIVE_TAGS, &["Team"])],
            vec![tag(&"k".repeat(128), &["v".repeat(256).as_str()])],
            (0..50).map(|number| tag(&format!("t{number}"), &["x"])).collect(),
        ] {
            assert_eq!(with(good.clone()), Ok(()), "{good:?}");
        }
        for seconds in ["900", "43200"] {
            assert_eq!(instead(SESSION_DURATION, &[seconds]), Ok(()));
        }
        let wiki = build(&wiki_config()).issue_request(&ann(), &context()).unwrap();
        assert_eq!(check(&wiki), Ok(()), "rules of AWS are for AWS");
    }

    #[test]
    fn what_aws_would_refuse_is_named_by_its_rule() {
        let many = (0..51).map(|number| tag(&format!("t{number}"), &["x"])).collect();
        for (bad, rule) in [
            (
                vec![attribute(ROLE, &["arn:aws:iam::1:role/Owner,arn:aws:iam::1:saml-provider/x"])],
                "decided by policies",
            ),
            (vec![attribute(SESSION_NAME, &["ann"])], "is there twice"),
            (
                vec![attribute(
                    &SESSION_NAME.to_uppercase().replace("HTTPS://AWS.AMAZON.COM/SAML/ATTRIBUTES/", PREFIX),
                    &["ann"],
                )],
                "only in another case",
            ),
            (vec![attribute(SOURCE_IDENTITY, &["ann", "bob"])], "exactly one value, not 2"),
            (vec![attribute(SOURCE_IDENTITY, &["aws:ann"])], "SourceIdentity `aws:ann`"),
            (vec![attribute(SOURCE_IDENTITY, &["a"])], "SourceIdentity `a` must have"),
            (vec![tag("Team", &["a", "b"])], "PrincipalTag:Team must have exactly one value"),
            (vec![tag("Team", &["a;b"])], "the tag `Team` with the value `a;b`"),
            (vec![tag("Team", &["v".repeat(257).as_str()])], "at most 256"),
            (vec![tag(&"k".repeat(129), &["v"])], "1 to 128"),
            (vec![tag("aws:team", &["v"])], "may not begin with `aws:`"),
            (vec![tag("Team", &["a"]), tag("team", &["b"])], "only in another case"),
            (
                vec![tag("Team", &["a"]), attribute(TRANSITIVE_TAGS, &["Team", "Cost"])],
                "TransitiveTagKeys names `Cost`",
            ),
            (many, "AWS takes 50 tags, here are 51"),
        ] {
            let said = with(bad).unwrap_err();
            assert!(said.contains(rule), "{rule}: {said}");
        }
        for (name, values, rule) in [
            (SESSION_NAME, vec![], "exactly one value, not 0"),
            (SESSION_NAME, vec!["a!"], "RoleSessionName `a!` must have"),
            (SESSION_DURATION, vec!["899"], "not `899`"),
            (SESSION_DURATION, vec!["43201"], "not `43201`"),
            (SESSION_DURATION, vec!["1h"], "not `1h`"),
        ] {
            let said = instead(name, &values).unwrap_err();
            assert!(said.contains(rule), "{rule}: {said}");
        }
    }

    #[test]
    fn roles_are_pairs_of_arns_and_there_is_one_at_least() {
        let request = build(&aws_config()).issue_request(&ann(), &context()).unwrap();
        let good = request.roles.first().unwrap().value.clone();
        for (value, rule) in [
            (good.replace(',', ", "), "must be `role-arn,provider-arn`"),
            (good.split(',').rev().collect::<Vec<_>>().join(","), "must be `role-arn,provider-arn`"),
            (format!("{good},x"), "must be `role-arn,provider-arn`"),
            (good.replace("role/", "role/AWSReservedSSO_"), "IAM Identity Center"),
            (request.roles.last().unwrap().value.clone(), "is there twice"),
        ] {
            let mut request = request.clone();
            request.roles.first_mut().unwrap().value = value;
            let said = check(&request).unwrap_err();
            assert!(said.contains(rule), "{rule}: {said}");
        }
        let said = check(&IssueRequest { roles: Vec::new(), ..request.clone() }).unwrap_err();
        assert_eq!(said, "there is no role to become");
        let nameless = IssueRequest { attributes: Vec::new(), ..request };
        assert_eq!(check(&nameless).unwrap_err(), "there is no RoleSessionName");
    }
}

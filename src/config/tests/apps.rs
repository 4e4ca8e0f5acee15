//! The rules of `[[apps]]`.

use super::*;

#[test]
fn addresses_of_an_app_are_one_text_or_a_list() {
    for acs in ["\"https://a.example/acs\"", "[\"https://a.example/acs\"]"] {
        let config = loaded(&format!("[[apps]]\nid = \"a\"\nentity_id = \"a\"\nacs = {acs}"));
        assert_eq!(config.apps[0].acs, ["https://a.example/acs"]);
        assert!(config.apps[0].idp_initiated);
    }
}

#[test]
fn rules_of_apps_are_told_where_they_are_broken() {
    const APP: &str = "[[apps]]\nid = \"wiki\"\nentity_id = \"wiki\"\nacs = \"https://wiki.example/acs\"\n";
    for (more, expected) in [
        (
            "name_id = \"persistant\"",
            "5:11 apps[0].name_id: `persistant` is not one of `persistent`, `transient`, \
          `emailAddress`, `unspecified` [did you mean `persistent`?]",
        ),
        ("sign = \"none\"", "5:8 apps[0].sign: `none` is not one of `assertion`, `response`, `both`"),
        ("device_limit = -1", "5:16 apps[0].device_limit: `-1` is not a whole number from 0 to 4294967295"),
        (
            "device_limit = 4294967296",
            "5:16 apps[0].device_limit: `4294967296` is not a whole number from 0 to 4294967295",
        ),
        ("idp_initiated = \"no\"", "5:17 apps[0].idp_initiated: expected `true` or `false`, found a text"),
        (
            "attributes = { mail = \"emial\" }",
            "5:23 apps[0].attributes.mail: `emial` is no field of a user [did you mean `email`?]",
        ),
        (
            "attributes = { \"urn:oid:2.5.4.4\" = \"cn\" }",
            "5:36 apps[0].attributes.\"urn:oid:2.5.4.4\": `cn` is no field of a user [fields are `id`, `username`, `email`, \
          `first_name`, `last_name`, `display_name`, `phone`, `groups`, `language`, `home_country`, `time_zone`]",
        ),
        (
            "attributes = { a = { fild = \"email\" } }",
            "5:22 apps[0].attributes.a.fild: unknown key `fild` [did you mean `field`?]",
        ),
        (
            "attributes = { a = { template = \"{emial}\" } }",
            "5:33 apps[0].attributes.a.template: `emial` is no field of a user [did you mean `email`?]",
        ),
        (
            "attributes = { a = [\"email\"] }",
            "5:20 apps[0].attributes.a: expected a text in quotes or a table, found a list",
        ),
        (
            "attributes = { a = { field = \"groups\", only = [\"stafff\"] } }\n[groups]\nstaff = \"all\"",
            "5:48 apps[0].attributes.a.only[0]: there is no group `stafff` [did you mean `staff`?]",
        ),
        (
            "attributes = { a = { field = \"groups\", rename = { chiefs = \"boss\" } } }",
            "5:60 apps[0].attributes.a.rename.chiefs: there is no group `chiefs` [declare it under `[groups]`]",
        ),
        (
            "name_id_field = { template = \"{username\" }",
            "5:30 apps[0].name_id_field.template: a `{` that is not closed \
          [write `{email}` for a field, `{{` for the brace itself]",
        ),
        (
            "session_duration = 3600",
            "5:20 apps[0].session_duration: `session_duration` has no effect without a preset that knows roles \
          [add `preset = \"aws\"`, or leave it out]",
        ),
        (
            "relay_state_override = true",
            "5:24 apps[0].relay_state_override: there is no `relay_state` to send instead [add `relay_state`, or leave this out]",
        ),
        (
            "relay_states = { \"a b\" = \"/x\" }",
            "5:18 apps[0].relay_states.\"a b\": `a b` is no name [use 1 to 64 letters, digits, `-` or `_`]",
        ),
        ("[[apps]]\nid = \"wiki\"\npreset = \"aws\"", "6:6 apps[1].id: `wiki` is taken: `apps[0]` has this id too"),
        (
            "[[apps]]\nid = \"other\"\nentity_id = \"wiki\"\nacs = \"https://o.example/\"",
            "7:13 apps[1].entity_id: `wiki` is taken: `apps[0]` has this entity_id too",
        ),
        (
            "[[apps]]\nid = \"portal\"\npreset = \"aws\"",
            "6:6 apps[1].id: the app `portal` is built in [choose another id; policies may name it without declaring it]",
        ),
        (
            "[[apps]]\nid = \"aws\"\npreset = \"aws\"\nacs = [\"http://a.example/\"]",
            "8:8 apps[1].acs[0]: `http://a.example/` is not https [what goes there lets people in or out: http is for loopback addresses only]",
        ),
    ] {
        check(&format!("{APP}{more}"), &[expected]);
    }
}

#[test]
fn an_app_without_a_preset_needs_entity_id_and_address() {
    let help = "[the app shows it on its SAML page, or in its metadata: `metadata` reads it from there]";
    check(
        "[[apps]]\nid = \"wiki\"",
        &[
            &format!(
                "1:1 apps[0].entity_id: `entity_id` is missing: the app `wiki` has no preset that knows it {help}"
            ),
            &format!("1:1 apps[0].acs: `acs` is missing: the app `wiki` has no preset that knows it {help}"),
        ],
    );
}

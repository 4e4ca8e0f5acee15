"""Judges SAML responses as a strict service provider (python3-saml) would.

Reads a list of JSON objects on standard input:

    response    the base64 text of the form field SAMLResponse
    acs         the address it was posted to
    audience    the entity ID of the service provider
    issuer      the entity ID of the identity provider
    certificate the PEM certificate of the identity provider
    request_id  the ID of the AuthnRequest it answers, or null
    sign        "assertion", "response" or "both": what has to be signed
    name_id     the NameID format the service provider asks for
    decryption_key         the PEM key and
    decryption_certificate the PEM certificate of the service provider, or null: what is encrypted is for them
    encrypted   "nothing", "assertion" or "name-id": what has to be encrypted

Prints a list of JSON objects, one for each: `accepted`, the `reason` when refused, and what was read when accepted.
Exits 0 whatever the verdict; anything else means that no verdict could be reached.
"""

import json
import sys
from urllib.parse import urlsplit

from onelogin.saml2.response import OneLogin_Saml2_Response
from onelogin.saml2.settings import OneLogin_Saml2_Settings


def settings(case):
    return OneLogin_Saml2_Settings(
        {
            "strict": True,
            "debug": False,
            "sp": {
                "entityId": case["audience"],
                "assertionConsumerService": {
                    "url": case["acs"],
                    "binding": "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST",
                },
                "NameIDFormat": case["name_id"],
                "x509cert": case["decryption_certificate"] or "",
                "privateKey": case["decryption_key"] or "",
            },
            "idp": {
                "entityId": case["issuer"],
                "singleSignOnService": {
                    "url": case["issuer"],
                    "binding": "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect",
                },
                "x509cert": case["certificate"],
            },
            "security": {
                "wantAssertionsSigned": case["sign"] in ("assertion", "both"),
                "wantMessagesSigned": case["sign"] in ("response", "both"),
                "wantAssertionsEncrypted": case["encrypted"] == "assertion",
                "wantNameIdEncrypted": case["encrypted"] == "name-id",
                "wantNameId": True,
                "wantAttributeStatement": True,
                "rejectDeprecatedAlgorithm": True,
                "failOnAuthnContextMismatch": False,
            },
        },
        sp_validation_only=False,
    )


def judge(case):
    acs = urlsplit(case["acs"])
    request = {
        "https": "on" if acs.scheme == "https" else "off",
        "http_host": acs.netloc,
        "script_name": acs.path,
        "get_data": {},
        "post_data": {"SAMLResponse": case["response"]},
    }
    # A response that is no XML at all is refused here already, by an exception.
    try:
        response = OneLogin_Saml2_Response(settings(case), case["response"])
    except Exception as error:
        return {"accepted": False, "reason": f"{type(error).__name__}: {error}"}
    if not response.is_valid(request, case["request_id"]):
        return {"accepted": False, "reason": response.get_error()}
    # python3-saml leaves a response alone that names no request, or one that nobody asked for.
    if response.get_in_response_to() != case["request_id"]:
        return {"accepted": False, "reason": f"answers the request {response.get_in_response_to()}"}
    return {
        "accepted": True,
        "name_id": response.get_nameid(),
        "name_id_format": response.get_nameid_format(),
        "issuers": response.get_issuers(),
        "audiences": response.get_audiences(),
        "attributes": response.get_attributes(),
        "session_index": response.get_session_index(),
        "session_end": response.get_session_not_on_or_after(),
        "authn_contexts": response.get_authn_contexts(),
        "in_response_to": response.get_in_response_to(),
    }


if __name__ == "__main__":
    json.dump([judge(case) for case in json.load(sys.stdin)], sys.stdout)

// Judges SAML responses as a service provider on Node.js (node-saml) would.
//
// Reads a list of JSON objects on standard input:
//
//     response        the base64 text of the form field SAMLResponse
//     acs             the address it was posted to
//     audience        the entity ID of the service provider
//     issuer          the entity ID of the identity provider
//     certificate     the PEM certificate of the identity provider
//     request_id      the ID of the AuthnRequest it answers, or null
//     sign            "assertion", "response" or "both": what has to be signed
//     name_id         the NameID format the service provider asks for
//     decryption_key  the PEM key of the service provider, or null
//
// Prints a list of JSON objects, one for each: `accepted`, the `reason` when refused, and what was read when accepted.
// Exits 0 whatever the verdict; anything else means that no verdict could be reached.

"use strict";

const { SAML, ValidateInResponseTo } = require("@node-saml/node-saml");

/** The ids of requests that are open: the one of the case, if any. */
function open_requests(id) {
  const open = new Map(id === null ? [] : [[id, new Date().toISOString()]]);
  return {
    saveAsync: async () => null,
    getAsync: async (key) => open.get(key) ?? null,
    removeAsync: async (key) => (open.delete(key) ? key : null),
  };
}

async function judge(given) {
  const saml = new SAML({
    callbackUrl: given.acs,
    entryPoint: given.issuer,
    issuer: given.audience,
    audience: given.audience,
    idpIssuer: given.issuer,
    idpCert: given.certificate,
    identifierFormat: given.name_id,
    wantAssertionsSigned: given.sign !== "response",
    wantAuthnResponseSigned: given.sign !== "assertion",
    validateInResponseTo: given.request_id === null ? ValidateInResponseTo.ifPresent : ValidateInResponseTo.always,
    cacheProvider: open_requests(given.request_id),
    ...(given.decryption_key === null ? {} : { decryptionPvk: given.decryption_key }),
  });
  let read;
  try {
    read = (await saml.validatePostResponseAsync({ SAMLResponse: given.response })).profile;
  } catch (error) {
    return { accepted: false, reason: `${error.name}: ${error.message}` };
  }
  if (read === null) {
    return { accepted: false, reason: "it tells of nobody" };
  }
  return {
    accepted: true,
    // An encrypted name it leaves alone.
    name_id: read.nameID ?? null,
    name_id_format: read.nameIDFormat ?? null,
    issuers: [read.issuer],
    attributes: Object.fromEntries(Object.entries(read.attributes ?? {}).map(([name, value]) => [name, [value].flat()])),
    session_index: read.sessionIndex ?? null,
    in_response_to: read.inResponseTo ?? null,
  };
}

const chunks = [];
process.stdin.on("data", (chunk) => chunks.push(chunk));
process.stdin.on("end", async () => {
  const verdicts = [];
  for (const given of JSON.parse(Buffer.concat(chunks).toString("utf8"))) {
    verdicts.push(await judge(given));
  }
  process.stdout.write(JSON.stringify(verdicts));
});

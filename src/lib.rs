//! cedargate: a SAML identity provider whose every decision is a Cedar policy kept in files.
//!
//! # The path of a sign-in
//!
//! A service provider's request enters at [`web`] (`/saml/sso`), is read and checked by [`saml`] (`request`), and becomes the
//! target of a **SignIn**. [`signin`] drives it: before a first factor it asks the policies only whether the sign-in page may
//! be seen (`visit`), whoever asks. Name and password make a person known; from then on each step gathers the facts
//! ([`accounts`], [`devices`], [`signals`]), asks [`policy`] what would still be missing, and either shows one more challenge
//! ([`methods`]) or ends. At the end [`policy`] is asked once more and gives an `IssuePermit`; [`saml`] (`issuer`) turns that
//! permit, and nothing else, into a signed Response; [`audit`] has it on disk before [`web`] lets it go.
//!
//! # Glossary
//!
//! One word per thing; a new noun enters here in the same change.
//!
//! - **User**: a person with an account. **Group**: what policies name people by.
//! - **App**: a registered service provider. **Role**: what an app lets a person become. **Tile**: an app on the portal.
//! - **Method**: a kind of authentication. **Authenticator**: one enrolled instance of a method.
//! - **Proof**: a method that has been shown, when, and with which authenticator. **Class**: what a set of proofs amounts to
//!   (first factor, second factor, phishing-resistant, fallback). **Fresh**: shown in this sign-in, at most ten minutes ago.
//! - **Field**: what is known of a user and may be told to apps; its **source** is who says it. **Template**: text with fields in it.
//!   **Mapping**: how one attribute of an app comes about. **Naming**: what an app calls a person by.
//! - **Preview**: what a sign-in on stated facts would come to. **Draft**: a response without a signature. To **rehearse**: to write
//!   one for nobody.
//! - **Challenge**: one outstanding prompt. **Offer**: a method that would answer it.
//! - **Signal**: an observed fact about network, time, device or risk.
//! - **Observer**: puts the signals of one question together. **Observation**: what is known of the request and its sender.
//!   **Lens**: how the observer's facts are seen; the demonstration's pretends. **Whereabouts**: what an address says of a place.
//!   **Geo**: the verified geo files. **Reading**: one fact of theirs with its source. **Baseline**: what is usual for a user.
//!   **Past**: a user's baseline, or why there is none. **Stop**: somewhere, sometime.
//! - **Decision**: Allow, Challenge (offers), Enrol (methods) or Deny (reason). **Step**: what is decided; a Cedar action.
//! - **Bundle**: a loaded, validated policy set. **Shadow** policies are evaluated and logged, never enforced: people read “on trial”.
//! - **Piece**: one policy of a file, before it is read.
//! - **Findings**: all that is to be said of a policy set before it is merged. **Ending**: the day a policy, or an exception in one, is over.
//!   **Proposal**: a policy that is to be written.
//! - **Trial**: what the policies on trial would have made of a decision. **Replay**: decisions of the past made again by a
//!   **candidate**, another set of policies. **Tally**: what came of that; its **Change** says how an answer differs, a **Hit** counts
//!   those of one person or policy, and a **Budget** is how many people may be concerned. **Essence**: what policies can tell of a
//!   question. **Asker**: somebody as far as the scopes of policies can tell.
//! - **Case**: one test of the policies; a **table** is a file of them, a **row** one with its place. **Setting**: what cases are put to.
//!   **Surroundings**: what addresses and hours mean on a server. **Coverage**: which cases see a policy apply and stay out; each is a
//!   **sighting**.
//! - **Archive**: the sets that were in force, by their digests. **WhatIf**: what would be decided in a situation, and why. **Fact**:
//!   a part of a situation that may be left open. **Trace**: what a plan asked on its way.
//! - **Suppose**: to ask the policies what they would say if one fact were another; nothing is permitted on the answer.
//! - **Invariant**: what must hold for every sign-in there could be; to **prove** it, to find that none breaks it. **Assumption**: what no
//!   sign-in is like. **Scene**: a step, by a kind of principal, before an app. **Example**: a sign-in that the solver found.
//!   **Yardstick**: what a set is measured by: an invariant, an assumption or a case.
//! - **Permit**: a value that only a yes of the policies makes, and that the acting code must give up.
//! - **Need**: proofs any one of which will do for a policy. **Known**: what the answers so far tell of other sets of proofs.
//! - **Question**: what the policies are asked, with all facts. **Goal**: the step to reach. **Repertoire**: the methods a
//!   person could show or add. **Plan**: the decision and what it cost.
//! - **SignIn**: one attempt, from the first page to the assertion. **Stage**: how far it got. **Target**: where it leads, and
//!   its **Aim** there: to open the app, to enrol, or to look after devices. **Errand**: what somebody does on the way. **Extras**:
//!   what a challenge page offers beside the method. **Handle**: how a form names its sign-in. **Live**: a stored sign-in as
//!   read, which the next step replaces.
//! - **Person**: somebody who became known in a sign-in. **Visitor**: somebody whose session still holds. **Registration**:
//!   whether it is their first time.
//! - **Attempt**: one answer to be checked. **Ticket**: leave to check it. **Delivery**: what becomes of mails.
//! - **Session**: the SSO session. **Device**: one browser on one device. **Registration** (of a device): that it is on one user's
//!   list; what makes it **known** or **trusted** names it. **Trust**: what was shown when a user had a device remembered for an app.
//!   **Sighting**: what a list says of a device. **Browser token**: ties a sign-in to its browser.
//! - **Mailed code**: eight digits for one sign-in. Its **Purpose** is what it is good for, its **Standing** whether one is out.
//! - **Link**: a single-use address we mail or print. **Outbox**: mails waiting to be sent.
//! - **Reference**: ten characters that lead from a page to the decision behind it.
//! - **Journal**: the records of all decisions and what came of them; written as **lines** in **segments**, read as a **log**. **Sealed**:
//!   opened by the key of its **month** alone; to **forget** a month is to delete that key. **Clear**: what a line says to everybody.
//!   **Quota**: what strangers may put into it. **Mask**: pseudonyms in what is handed on. **Skipped**: what a reader left out, and
//!   **Damage** in it a line that is not as it was written. **Issued**: a decision with the roles that went out on it.
//! - **Node**: one of several servers that share accounts, state and secret.
//! - **Snapshot**: config, policies, apps, keys and the observer with its geo files, in force together. **Set**: a snapshot with what
//!   else was read with it. **Inventory**: a set written down. **Change**: what differs between two. **Refusal**: why a set does not
//!   come into force.
//! - **Slot**: where a signing key stands. **Current** signs; **next** will, and is published; **previous** did, and still is published;
//!   **retired**: its certificate is kept, and published no longer.
//! - **Trigger**: why the files are looked at. **Lifecycle**: whether the server is about to stop.
//! - **Imported**: what is known of an app from metadata. **Copy**: the last good document of an address that metadata is fetched
//!   from; its **Note**: when and how it came. **Unavailable**: an app that is left out for want of metadata.
//! - **Catalogue**: well-known apps; its **Entry** holds the block, the steps and the error texts of one. **Placeholder**: what an entry
//!   must be told. **Pilot**: the group that tries an app out.
//! - **SignOut**: the end of a session, here and in its **participants**: the apps that were told of it. **Stop** (of a sign-out): the
//!   app the browser is sent to next.
//! - **Context**: the class of authentication that a request asks for and a response states (AuthnContextClassRef).
//! - **AuthnRequest**, **Response**, **Assertion**, **Metadata**: as in SAML 2.0.

// What tests of the library share with the integration tests names the crate as those do.
#[cfg(test)]
extern crate self as cedargate;

pub mod accounts;
pub mod audit;
pub mod cli;
pub mod clock;
pub mod config;
pub mod demo;
pub mod devices;
pub mod domain;
pub mod i18n;
pub mod methods;
pub mod notify;
pub mod policy;
pub mod runtime;
pub mod saml;
pub mod sessions;
pub mod signals;
pub mod signin;
pub mod state;
pub mod telemetry;
pub mod web;
pub mod workers;

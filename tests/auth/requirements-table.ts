// Which tests hold the requirements on the authorization server, turn away the attacks that are known, and prove the
// capabilities that are announced. requirements.test.ts looks whether they are there.
/** Of a requirement, an attack or a capability: what its tests are called, as `file: part of the title`. */
export type Table = Readonly<Record<string, readonly string[]>>;

export const requirements: Table = {
  'R1 discovery for every Accept, with CORS': ['requirements: is JSON whatever is accepted', 'tokens: needs no token for what is public'], // prettier-ignore
  'R2 fields of the configuration': ['requirements: is JSON whatever is accepted'],
  'R3 capabilities only when true': ['requirements: are each held by a test'],
  'R4 made of the running configuration': ['login: describes itself as its provider does'],
  'R5 GET and POST, up to 56 KB': ['launch: asks by POST as by GET, with hundreds of scopes', 'requirements: that is too long is refused'], // prettier-ignore
  'R6 aud': ['tokens: for another server', 'tokens: tolerates a slash', 'audience: for one FHIR base is refused at every other'], // prettier-ignore
  'R7 PKCE S256 of every client': ['tokens: without a challenge', 'tokens: with a plain challenge', 'tokens: with an empty verifier', 'tokens: with a wrong verifier'], // prettier-ignore
  'R8 launch': [
    'launch: is for one app, one user and one time',
    'launch: needs the scope with the parameter',
  ],
  'R9 a patient for patient scopes': ['requirements: for patient scopes alone has a patient', 'launch: gives a patient their own record'], // prettier-ignore
  'R10 state, iss, redirect URIs': ['requirements: comes back with its state as it was', 'tokens: which is not registered'], // prettier-ignore
  'R11 codes': ['requirements: lives no longer than it should', 'races: with one code'],
  'R12 the token response': ['requirements: is kept by nobody, and read by pages of the app'],
  'R13 the launch context': [
    'launch: brings the context of the EHR',
    'launch: is started by software that may',
  ],
  'R14 refresh': [
    'tokens: gives the same again, or less',
    'tokens: never gives more',
    'races: with one refresh token',
  ],
  'R15 offline and online': ['tokens: is not given without being asked for', 'tokens: of online access ends with the session'], // prettier-ignore
  'R16 public refresh': ['tokens: of a public app is taken without its name'],
  'R17 lifetimes': ['requirements: lives no longer than it should'],
  'R18 id_token': ['launch: names the person in a signed id_token', 'requirements: says who somebody is only where that was granted'], // prettier-ignore
  'R19 OpenID discovery': ['login: describes itself as its provider does'],
  'R20 assertions': ['backend-services: is refused with an assertion', 'backend-services: is refused an assertion a second time'], // prettier-ignore
  'R21 keys of clients': ['backend-services: are fetched, and a new one is known at once'],
  'R22 what both say': ['backend-services: gets what both say, and system scopes alone'],
  'R23 introspection': [
    'tokens: tells a client of its own tokens',
    'tokens: says only that it is not active',
  ],
  'R24 introspection by a bearer token': ['tokens: answers a bearer token of a client that may'],
  'R25 revocation here and elsewhere': ['tokens: ends access at once', 'ended-elsewhere: ends within ten seconds', 'login: lists what was approved and takes it back'], // prettier-ignore
  'R26 401, 403, 404': ['tokens: is told to sign in', 'tokens: for what the scopes do not have is forbidden', 'dpop: sent as a bearer token is refused'], // prettier-ignore
  'R27 entry by entry': [
    'guarded-store: are judged entry by entry',
    'guarded-store: are judged for every route',
  ],
  'R28 every path': ['leak/leak: is to %s like what is not there, by every probe', 'leak/leak: is in nothing that %s gathers'], // prettier-ignore
  'R29 brands': ['brands: has what the profiles ask for', 'brands: is read by any page without a token'],
  'R30 app state': ['app-state: keeps its code and its subject', 'app-state: needs If-Match', 'app-state: is refused where it is not'], // prettier-ignore
  'R31 throttled, hashed, audited': ['login: tries at most five of twenty guesses', 'login: each code and recovery code is good once', 'secrets-at-rest: is in any document', 'requirements: are in the audit trail'], // prettier-ignore
  'R32 CORS without credentials': ['answers: answers a preflight without a token', 'attacks: is never answered with credentials allowed'], // prettier-ignore
};

export const attacks: Table = {
  'foreign or missing aud': ['tokens: for another server', 'tokens: for no server'],
  'redirect_uri variants': ['tokens: which is not registered'],
  'POST and GET mixed, duplicate parameters': [
    'attacks: who mixes a body and a query',
    'attacks: is refused',
  ],
  'code replay, race, other client, guessed verifier': ['tokens: used twice ends what was issued', 'races: with one code', 'tokens: of another client is refused', 'attacks: who has a code and guesses verifiers'], // prettier-ignore
  'launch of another, reused, guessed, raced': ['launch: is for one app, one user and one time', 'races: with one launch of an EHR'], // prettier-ignore
  'two launches in one session': ['launch: goes on without signing in again, with a context of its own'],
  'framed pages, foreign forms, another browser': ['launch: that no other site can frame'],
  'wider consent': ['launch: never widens what was asked', 'remembered: is of no use to a wider request'],
  'a patient who is not theirs': ['launch: lets somebody who stands for several'],
  'session fixation': ['login: starts a session under a new id', 'requirements: starts under another id when somebody signs in'], // prettier-ignore
  'resume URL replay': [
    'attacks: who goes back in the browser',
    'requirements: is good once, and in one browser',
  ],
  'login CSRF': [
    'requirements: is filled in by nobody but its own browser',
    'launch: that no other site can frame',
  ],
  'upstream state of another, mix-up': ['upstream: by the answer to another browser', 'upstream: by an answer of one provider at the address of another'], // prettier-ignore
  'refresh race, widening, other client, unauthenticated': ['races: with one refresh token', 'tokens: never gives more', 'attacks: who takes a refresh token of another client', 'tokens: of a public app is taken without its name'], // prettier-ignore
  'token expired or revoked but cached': ['attacks: that has expired is worth nothing, remembered or not', 'tokens: ends access at once', 'ended-elsewhere: ends within ten seconds'], // prettier-ignore
  'disabled user': ['tokens: of a person ends all their tokens', 'ended-elsewhere: ends within ten seconds', 'login: is not possible for somebody who was disabled'], // prettier-ignore
  'role change reaches running tokens within 10 s over the network': ['ended-elsewhere: means less within ten seconds of a role change'], // prettier-ignore
  'deleted patient': ['requirements: who was deleted is in no context'],
  'DPoP token as Bearer, replay, wrong key, wrong address, old': ['dpop: sent as a bearer token is refused', 'dpop: takes of fifty requests with one proof exactly one', 'dpop: is by another key', 'dpop: is for another path', 'dpop: is old'], // prettier-ignore
  'token in the query, of another kind': ['tokens: with a refresh token, an id_token or a token in the URL', 'attacks: who uses an access token as a refresh token'], // prettier-ignore
  'token of another tenant': ['audience: for one FHIR base is refused at every other'],
  'JWT without or with a foreign signature as an access token': [
    'requirements: made up as a JWT is worth nothing',
  ],
  'huge tokens': ['attacks: who puts a colon, a null or a thousand characters'],
  'assertions: audience, Host, X-Forwarded, expiry, jku, kid, other key': ['backend-services: for another audience', 'backend-services: is not deceived by another Host', 'backend-services: that is good for an hour', 'backend-services: with a foreign jku', 'attacks: who registers two keys under one kid', 'attacks: who signs with the key of one client'], // prettier-ignore
  'jwks_uri: private, redirecting, endless': ['attacks: who publishes keys on this machine', 'attacks: are not followed through a redirect', 'attacks: are not read beyond their limit'], // prettier-ignore
  'registration that grants itself': ['login: lets an app register itself once', 'requirements: keeps what an app says of itself from granting anything'], // prettier-ignore
  'introspecting foreign tokens': ['tokens: says only that it is not active'],
  'scopes that are none, smuggled, endless': ['leak/attacks: by smuggling a second pair', 'leak/attacks: by ten thousand scopes', 'attacks: who asks for ten thousand scopes', 'scopes: decodes values once'], // prettier-ignore
  'no patient, openid alone': ['smart-grant: sees nothing by patient scopes without a patient', 'smart-grant: without resource scopes can do nothing'], // prettier-ignore
  'conditional writes, moving records, history, batches': ['guarded-store: creates where only something hidden matches', 'leak/attacks: by moving a record of another', 'guarded-store: has a history without the hidden', 'leak/attacks: by a batch that hides'], // prettier-ignore
  'page links and receipts of another': [
    'guarded-store: opens no page link of another',
    'leak/attacks: by the receipt of another',
  ],
  'contained, Provenance, List, Group, Patient.link, AuditEvent': ['leak/attacks: by contained resources', 'leak/attacks: by a Provenance, a List or a Group', 'leak/attacks: by Patient.link', 'leak/attacks: by the audit trail'], // prettier-ignore
  'parallel guesses, codes twice': ['login: tries at most five of twenty guesses', 'login: is tried at most five times at once', 'login: each code and recovery code is good once'], // prettier-ignore
  'argon2 flood': ['door-limits: before the password is looked at'],
};

/** Each has to be in the configuration, and nothing else may be. */
export const capabilities: Table = {
  'launch-ehr': ['launch: brings the context of the EHR'],
  'launch-standalone': ['launch: gives a public app a token for the chosen patient'],
  'authorize-post': ['launch: asks by POST as by GET'],
  'client-public': ['launch: gives a public app a token'],
  'client-confidential-symmetric': ['launch: works for a client that proves itself by a %s'],
  'client-confidential-asymmetric': ['launch: works for a client that proves itself by a %s', 'backend-services: gets a short token'], // prettier-ignore
  'sso-openid-connect': ['launch: names the person in a signed id_token'],
  'context-banner': ['launch: brings the context of the EHR'],
  'context-style': ['launch: brings the context of the EHR'],
  'context-ehr-patient': ['launch: brings the context of the EHR', 'open-app: the app gets both'],
  'context-ehr-encounter': ['launch: brings the context of the EHR', 'open-app: the app gets both'],
  'context-standalone-patient': ['launch: gives a public app a token for the chosen patient'],
  'context-standalone-encounter': ['launch: gives the chosen visit'],
  'permission-offline': ['tokens: gives the same again, or less'],
  'permission-online': ['tokens: of online access ends with the session'],
  'permission-patient': ['smart-grant: for a patient sees that record'],
  'permission-user': ['smart-grant: of a user who is a patient'],
  'permission-v1': ['scopes: is written in one way'],
  'permission-v2': ['smart-grant: is held to the search arguments of its scope'],
};

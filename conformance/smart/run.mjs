// npm run conformance -- smart: every server-side test of Inferno's SMART App Launch 2.2 kit, and what the ONC (g)(10) kit
// adds, written anew and run over HTTP against a Tsela of its own. TLS itself is the deployment's; those tests are not
// here. https://github.com/inferno-framework/smart-app-launch-test-kit, https://github.com/onc-healthit/onc-certification-g10-test-kit
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { discoveryCases, introspectionCases, backendCases, launchCases } from './cases.mjs';
import { certificationCases } from './certification.mjs';
import { brandCases } from './brands.mjs';
import { clientKeys, postAs } from './kit.mjs';

/** Runs one case after another; nothing is skipped in silence. */
function runner() {
  const results = [];
  let group = '';
  return {
    results,
    group(name) {
      group = name;
    },
    /** `check` throws, or answers a sentence where something failed. */
    async test(id, check) {
      let why;
      try {
        why = await check();
      } catch (error) {
        why = error instanceof Error ? error.message : String(error);
      }
      results.push({ group, id, why });
      console.log(
        `${why === undefined ? 'ok  ' : 'FAIL'}  ${group}  ${id}${why === undefined ? '' : `: ${why}`}`,
      );
    },
  };
}

export async function run(args) {
  const { ready } = await import('../../scripts/ready.mjs');
  ready();
  const folder = mkdtempSync(join(tmpdir(), 'tsela-conformance-'));
  const server = await openServer(folder);
  const tests = runner();
  try {
    const about = await described(server);
    await discoveryCases(tests, about);
    await launchCases(tests, about);
    await backendCases(tests, about);
    await introspectionCases(tests, about);
    await certificationCases(tests, about);
    await brandCases(tests, about);
  } finally {
    await server.close();
    rmSync(folder, { recursive: true, force: true });
  }
  const failed = tests.results.filter(({ why }) => why !== undefined);
  if (!args.includes('--no-report')) report(tests.results);
  console.log(`\n${tests.results.length - failed.length} passed, ${failed.length} failed`);
  process.exitCode = failed.length === 0 ? 0 : 1;
}

/** A server with people, records and clients; the cases see addresses, names and secrets alone. */
async function openServer(data) {
  const { start } = await import('../../dist/main.js');
  const { silentLog } = await import('../../dist/audit/log.js');
  const { defaultConfig } = await import('../../dist/config.js');
  const file = join(data, 'brand.json');
  writeFileSync(file, JSON.stringify(brand));
  const { MONGODB_URL: _, ...env } = process.env;
  const cli = fileURLToPath(new URL('../../dist/cli.js', import.meta.url));
  execFileSync(process.execPath, [cli, 'brand', 'set', file, '--data', data], { env });
  return start(
    {
      ...defaultConfig,
      port: 0,
      data,
      mongoUrl: undefined,
    },
    silentLog,
  );
}

const brand = {
  resourceType: 'Organization',
  name: 'Quthing District Health',
  identifier: [{ system: 'urn:ietf:rfc:3986', value: 'https://health.example.org' }],
  telecom: [{ system: 'url', value: 'https://health.example.org' }],
};

const redirectUri = 'https://inferno.example.org/custom/smart/redirect';

async function described({ url: base, origin, authorization: { accounts, clients } }) {
  const person = async (name, fhirUser, role, patients) => {
    const password = 'conformance password';
    await accounts.add({ name, password, fhirUser, roles: [role], ...(patients ? { patients } : {}) });
    return { name, password, fhirUser };
  };
  const keys = clientKeys();
  const scopes =
    'openid fhirUser profile offline_access online_access launch launch/patient launch/encounter patient/*.cruds user/*.cruds'.split(
      ' ',
    );
  const client = async (name, kind, more = {}) => {
    const { client: added, secret } = await clients.add({
      name,
      kind,
      redirectUris: [redirectUri],
      scopes,
      ...(kind === 'key' ? { jwks: keys.jwks } : {}),
      launchUri: 'https://inferno.example.org/custom/smart/launch',
      ...more,
    });
    return {
      id: added.id,
      secret,
      kind,
      keys: keys.private,
      origin: new URL(redirectUri).origin,
      launchUri: added.launchUri,
    };
  };
  const service = { redirectUris: [], scopes: ['system/*.cruds'] };
  const about = {
    base,
    origin,
    redirectUri,
    patient: '85',
    otherPatient: '355',
    people: {
      doctor: await person('conformance-doctor', 'Practitioner/p1', 'doctor'),
      patient: await person('conformance-patient', 'Patient/85', 'patient', ['85']),
    },
    clients: {
      public: await client('Public app', 'public'),
      symmetric: await client('Confidential app', 'secret'),
      asymmetric: await client('App with keys', 'key'),
      ehr: await client('EHR', 'secret', { launches: true, trusted: true }),
      backend: await client('Backend service', 'key', service),
      loader: await client('Loader', 'secret', service),
      resourceServer: await client('Resource server', 'secret', { ...service, introspect: true }),
    },
  };
  await load(about);
  return about;
}

async function load({ base, origin, clients, patient, otherPatient }) {
  const { body } = await postAs(clients.loader, `${origin}/auth/token`, {
    grant_type: 'client_credentials',
    scope: 'system/*.cruds',
  });
  const coding = (system, code) => [{ coding: [{ system, code }] }];
  const observation = (id, about, category) => ({
    resourceType: 'Observation',
    id,
    status: 'final',
    category: coding('http://terminology.hl7.org/CodeSystem/observation-category', category),
    code: { text: id },
    subject: { reference: `Patient/${about}` },
  });
  const condition = (id, about, category) => ({
    resourceType: 'Condition',
    id,
    clinicalStatus: {
      coding: [{ system: 'http://terminology.hl7.org/CodeSystem/condition-clinical', code: 'active' }],
    },
    category: coding('http://terminology.hl7.org/CodeSystem/condition-category', category),
    code: { text: id },
    subject: { reference: `Patient/${about}` },
  });
  const resources = [
    { resourceType: 'Practitioner', id: 'p1', name: [{ family: 'Moleko' }] },
    { resourceType: 'Patient', id: patient, name: [{ family: 'Nthako', given: ['Pule'] }] },
    { resourceType: 'Patient', id: otherPatient, name: [{ family: 'Letsie', given: ['Neo'] }] },
    ...['laboratory', 'vital-signs', 'social-history'].flatMap(category => [
      observation(`o-${category}`, patient, category),
      observation(`x-${category}`, otherPatient, category),
    ]),
    condition('c-problem', patient, 'problem-list-item'),
    condition('c-visit', patient, 'encounter-diagnosis'),
    {
      resourceType: 'AllergyIntolerance',
      id: 'a1',
      clinicalStatus: {
        coding: [
          { system: 'http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical', code: 'active' },
        ],
      },
      patient: { reference: `Patient/${patient}` },
    },
  ];
  for (const resource of resources) {
    const response = await fetch(`${base}/${resource.resourceType}/${resource.id}`, {
      method: 'PUT',
      headers: { authorization: `Bearer ${body.access_token}`, 'content-type': 'application/fhir+json' },
      body: JSON.stringify(resource),
    });
    if (!response.ok) throw new Error(`${resource.id}: ${response.status} ${await response.text()}`);
  }
}

function report(results) {
  const folder = new URL('./', import.meta.url);
  mkdirSync(folder, { recursive: true });
  const failed = results.filter(({ why }) => why !== undefined).length;
  const lines = [
    '# SMART App Launch 2.2 and (g)(10): result',
    '',
    `Run on ${new Date().toISOString().slice(0, 10)} by \`npm run conformance -- smart\`: ${results.length - failed} passed, ${failed} failed.`,
    'Not here: TLS versions (the deployment’s).',
    '',
    '| Group | Test | Result |',
    '|---|---|---|',
    ...results.map(
      ({ group, id, why }) => `| ${group} | ${id} | ${why === undefined ? 'passed' : `failed: ${why}`} |`,
    ),
  ];
  writeFileSync(new URL('result.md', folder), `${lines.join('\n')}\n`);
}

// npm run demo [-- --port 8080 --patients 50 --data data/demo --once]: on a machine with nothing but Node, installs,
// builds, starts Tsela with made-up patients, people who can sign in and an app, and says what to try. Stays until Ctrl-C;
// --once stops after printing.
import { spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { createServer } from 'node:net';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { fail, ready, root, run } from './ready.mjs';

const { values: options } = parseArgs({
  options: {
    port: { type: 'string', default: '8080' },
    patients: { type: 'string', default: '50' },
    data: { type: 'string', default: 'data/demo' },
    once: { type: 'boolean', default: false },
  },
});

/** The port where it is free, else a free one. */
const freePort = wanted =>
  new Promise(found => {
    const probe = createServer();
    probe.once('error', () => found(freePort(0)));
    probe.listen(wanted, '127.0.0.1', () => {
      const { port } = probe.address();
      probe.close(() => found(port));
    });
  });

ready();
const port = await freePort(Number(options.port));
if (port !== Number(options.port) && options.port !== '0')
  console.log(`Port ${options.port} is taken, so ${port} is used.`);
const origin = `http://127.0.0.1:${port}`;
const fhir = `${origin}/fhir`;

const env = { ...process.env, TSELA_LOG_LEVEL: process.env.TSELA_LOG_LEVEL ?? 'warn' };
delete env.NODE_ENV; // production refuses open mode, and this is no production
const server = spawn(
  process.execPath,
  ['dist/cli.js', 'start', '--open', '--port', String(port), '--data', options.data],
  {
    cwd: root,
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
  },
);
const demoScope =
  'openid fhirUser offline_access online_access launch launch/patient launch/encounter patient/*.cruds user/*.cruds';
let said = '';
server.stdout.on('data', chunk => (said = (said + chunk).slice(-10_000)));
const ended = new Promise(resolve => server.once('exit', code => resolve(code ?? 1)));
let isStopping = false;
ended.then(code => {
  if (!isStopping) fail(`${said}\nThe server ended with code ${code}.`);
});
const stop = () => {
  isStopping = true;
  server.kill('SIGTERM');
};
process.once('SIGINT', stop).once('SIGTERM', stop);

await untilReady();
const where = process.env.MONGODB_URL ? 'MongoDB' : `embedded SQLite in ${options.data}`;
console.log(`Tsela runs on ${where}. Loading ${options.patients} made-up patients …`);
if (
  run(process.execPath, ['dist/cli.js', 'sample', '--patients', options.patients, '--url', fhir], {
    quiet: true,
  }) !== 0
) {
  stop();
  await ended;
  fail('The sample data could not be loaded.');
}
await say(await people());
if (options.once) stop();
await ended;

async function untilReady() {
  const deadline = Date.now() + 120_000;
  while (Date.now() < deadline && !isStopping) {
    const response = await fetch(`${origin}/health/ready`).catch(() => undefined);
    if (response?.ok) return;
    await new Promise(done => setTimeout(done, 50));
  }
  stop();
  fail('The server did not become ready within two minutes.');
}

/** Addresses, logins, and requests; each of them was answered before it is shown. */
async function say(logins) {
  const { entry = [], total } = await answered(`${fhir}/Patient?_count=1&_total=accurate`);
  const requests = [`${fhir}/Patient?_count=3&_pretty=true`];
  const patient = entry[0]?.resource;
  if (patient !== undefined) {
    const family = patient.name?.[0]?.family;
    requests.push(`${fhir}/Patient/${patient.id}?_pretty=true`);
    if (family) requests.push(`${fhir}/Patient?family=${encodeURIComponent(family)}&_pretty=true`);
    requests.push(`${fhir}/Observation?patient=Patient/${patient.id}&_sort=-date&_count=5&_pretty=true`);
  }
  for (const request of requests) await answered(request);
  const lines = [
    '',
    `  FHIR base    ${fhir}`,
    `  Statement    ${fhir}/metadata`,
    `  Health       ${origin}/health/ready`,
    `  Metrics      ${origin}/metrics`,
    `  Sign in      ${origin}/auth/manage`,
    '  Open mode    answers requests without a token to everyone on this machine, and nobody else',
    `  Data         ${total} patients in ${process.env.MONGODB_URL ? 'MongoDB' : resolve(root, options.data)}`,
    '',
    '  People, with passwords made for this run:',
    ...logins.map(
      ({ name, password, is }) =>
        `    ${name.padEnd(14)} ${password}   ${is}${name === 'demo-admin' ? '   (asks for an authenticator app)' : ''}`,
    ),
    '',
    '  App          client_id demo-app, public, back to http://127.0.0.1:8090/callback (docs/smart.md)',
    '',
    '  Try:',
    ...requests.map(request => `    curl '${request}'`),
    `    curl -X POST '${fhir}/Patient' -H 'Content-Type: application/fhir+json' \\`,
    `      -d '{"resourceType":"Patient","name":[{"family":"Nthako"}],"birthDate":"1990-05-01"}'`,
    '',
    ...(options.once ? [] : ['  Ctrl-C stops it.', '']),
  ];
  console.log(lines.join('\n'));
}

/** Accounts for an administrator, a doctor and a patient, each with a new password, and a registered app. */
async function people() {
  const [first, second] = await firstIds('Practitioner', 2);
  const [patient] = await firstIds('Patient', 1);
  const wanted = [
    ['administrator', `Practitioner/${first ?? 'administrator'}`, ['administrator']],
    ['doctor', `Practitioner/${second ?? first ?? 'doctor'}`, ['doctor']],
    ...(patient === undefined ? [] : [['patient', `Patient/${patient}`, ['patient']]]),
  ];
  tsela(['client', 'add', 'Demo app', '--id', 'demo-app', '--redirect', 'http://127.0.0.1:8090/callback', '--scope', demoScope]); // prettier-ignore
  return wanted.map(([role, is, roles]) => {
    const name = `demo-${role === 'administrator' ? 'admin' : role}`;
    const password = randomBytes(9).toString('base64url');
    const added = tsela(
      ['user', 'add', name, '--is', is, ...roles.flatMap(each => ['--role', each]), '--password-stdin'],
      password,
    );
    if (!added) tsela(['user', 'password', name, '--password-stdin'], password);
    return { name, password, is };
  });
}

async function firstIds(type, count) {
  const { entry = [] } = await answered(`${fhir}/${type}?_count=${count}&_elements=id`);
  return entry.map(({ resource }) => resource.id);
}

/** A command on the same data, while the server runs; answers whether it succeeded. */
function tsela(args, input = '') {
  const data = process.env.MONGODB_URL ? [] : ['--data', options.data];
  return (
    spawnSync(process.execPath, ['dist/cli.js', ...args, ...data], { cwd: root, env, input }).status === 0
  );
}

async function answered(url) {
  const response = await fetch(url);
  if (response.ok) return response.json();
  stop();
  return fail(`${url} was answered ${response.status}: ${await response.text()}`);
}

// What access costs: reads by id with a token, audited, against the same reads in open mode; searches held to a patient's
// compartment against the same searches open; and tokens a second, each synced to disk before it is answered.
import { createSign, generateKeyPairSync, randomUUID } from 'node:crypto';
import { expectStatus, medianOf, ratioOf, rounds } from '../rounds.mjs';
import { puts, resourcesOf } from '../material.mjs';
import { latency } from '../statistics.mjs';

const concurrency = 16;

export async function measure(bench) {
  const env = { TSELA_PAGE_CACHE: '1' }; // bytes: every search is carried out
  const guarded = await bench.tsela({ open: false, env });
  const open = await bench.tsela({ env });
  const loading = bearer((await guarded.call('client', 'secret')).token);
  const some = resourcesOf(bench.bundles.slice(0, 4)).slice(0, 1000);
  for (const [server, headers] of [
    [open, {}],
    [guarded, loading],
  ])
    // prettier-ignore
    expectStatus(
      await bench.loader.call('closed', {
        port: server.port,
        concurrency: 2,
        requests: [...puts(some)].map(body => ({ method: 'POST', url: '/fhir', body, headers })),
      }),
      200,
    );
  const patient = some.find(({ resourceType }) => resourceType === 'Patient').id;
  const mine = bearer(await guarded.call('patientToken', patient));
  const reads = some.map(({ resourceType, id }) => ({ url: `/fhir/${resourceType}/${id}` }));
  const searches = Array.from({ length: 200 }, (_, i) => ({
    url: `/fhir/Observation?patient=${patient}&_sort=-date&_count=${20 + (i % 20)}&_lastUpdated=gt20${10 + (i % 10)}-01-01`,
  }));
  const rows = [
    { id: 'read-with-token', what: 'read by id with a token and audited, against open mode', target: { least: 0.7 }, ...(await against(bench, guarded, open, reads, loading)) }, // prettier-ignore
    { id: 'search-in-compartment', what: 'search under a patient’s grant, against open mode', target: { least: 0.77 }, ...(await against(bench, guarded, open, searches, mine)) }, // prettier-ignore
    ...(await tokens(bench, guarded)),
  ];
  await guarded.stop();
  await open.stop();
  return rows;
}

const bearer = token => ({ authorization: `Bearer ${token}` });

/** Requests a second of the guarded server, and of the open one for the same. */
async function against({ loader, rounds: many, seconds }, guarded, open, requests, headers) {
  const run = async (server, asked) => {
    const { result, cpu } = await server.during(() =>
      loader.call('closed', { port: server.port, concurrency, requests: asked, seconds }),
    );
    const { count, seconds: took, milliseconds } = expectStatus(result, 200);
    return { rate: count / took, cpu: (cpu / count) * 1e6, ...latency(milliseconds) };
  };
  const withToken = requests.map(request => ({ ...request, headers }));
  const { ours, limit } = await rounds(many, {
    ours: () => run(guarded, withToken),
    limit: () => run(open, requests),
  });
  return {
    unit: 'requests/s',
    ours: medianOf(ours, one => one.rate),
    limit: medianOf(limit, one => one.rate),
    ratio: ratioOf(ours, limit, one => one.rate),
    detail: {
      'server CPU µs': medianOf(ours, one => one.cpu),
      'open CPU µs': medianOf(limit, one => one.cpu),
      'p50 ms': medianOf(ours, one => one.p50),
      'p99 ms': medianOf(ours, one => one.p99),
    },
  };
}

/** Tokens of backend services a second. Assertions are signed before: each is good once. */
async function tokens({ loader, quick }, server) {
  const ask = { grant_type: 'client_credentials', scope: 'system/*.rs' };
  const form = { 'content-type': 'application/x-www-form-urlencoded' };
  const rows = [];
  for (const kind of ['secret', 'ES384', 'RS384']) {
    const keys = kind === 'ES384' ? generateKeyPairSync('ec', { namedCurve: 'P-384' }) : generateKeyPairSync('rsa', { modulusLength: 2048 }); // prettier-ignore
    const jwk = { ...keys.publicKey.export({ format: 'jwk' }), kid: 'k1' };
    const { id, secret, endpoint } = await server.call('client', kind === 'secret' ? 'secret' : 'key', jwk);
    const basic = `Basic ${Buffer.from(`${id}:${secret}`).toString('base64')}`;
    const requests = Array.from({ length: quick ? 100 : 1000 }, () => {
      const proof = kind === 'secret' ? {} : { client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer', client_assertion: assertion(kind, keys.privateKey, id, endpoint) }; // prettier-ignore
      return {
        method: 'POST',
        url: '/auth/token',
        body: new URLSearchParams({ ...ask, ...proof }).toString(),
        headers: {
          ...form,
          host: new URL(endpoint).host,
          ...(kind === 'secret' ? { authorization: basic } : {}),
        },
      };
    });
    const result = await loader.call('closed', { port: server.port, concurrency: 8, requests });
    const { count, seconds, milliseconds } = expectStatus(result, 200);
    const { p50, p99 } = latency(milliseconds);
    rows.push({
      id: `token-${kind}`,
      what: `token of a backend service by ${kind}`,
      unit: 'tokens/s',
      ours: count / seconds,
      detail: { 'p50 ms': p50, 'p99 ms': p99 },
    });
  }
  return rows;
}

function assertion(alg, key, id, aud) {
  const part = value => Buffer.from(JSON.stringify(value)).toString('base64url');
  const claims = { iss: id, sub: id, aud, exp: Math.floor(Date.now() / 1000) + 300, jti: randomUUID() };
  const unsigned = `${part({ alg, kid: 'k1', typ: 'JWT' })}.${part(claims)}`;
  const signature = createSign('SHA384').update(unsigned).sign({ key, dsaEncoding: 'ieee-p1363' });
  return `${unsigned}.${signature.toString('base64url')}`;
}

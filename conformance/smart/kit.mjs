// What an app, a browser and a resource server do, over HTTP alone: the cases know no code of Tsela.
import { createHash, createSign, generateKeyPairSync, randomBytes } from 'node:crypto';

export const base64url = value => Buffer.from(value).toString('base64url');
export const pkce = () => {
  const verifier = randomBytes(32).toString('base64url');
  return { verifier, challenge: createHash('sha256').update(verifier).digest('base64url') };
};

/** Keys of a client as its registration wants them: one for each algorithm SMART names. */
export function clientKeys() {
  const ec = generateKeyPairSync('ec', { namedCurve: 'P-384' });
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const jwks = {
    keys: [
      { ...ec.publicKey.export({ format: 'jwk' }), kid: 'ES384', alg: 'ES384', use: 'sig' },
      { ...rsa.publicKey.export({ format: 'jwk' }), kid: 'RS384', alg: 'RS384', use: 'sig' },
    ],
  };
  return { jwks, private: { ES384: ec.privateKey, RS384: rsa.privateKey } };
}

/** A signed assertion as the kit makes it: no iat, five minutes, a kid, typ JWT. */
export function assertion(client, audience, { alg = 'ES384', payload = {}, header = {} } = {}) {
  const head = base64url(JSON.stringify({ alg, kid: alg, typ: 'JWT', ...header }));
  const body = base64url(
    JSON.stringify({
      iss: client.id,
      sub: client.id,
      aud: audience,
      exp: Math.floor(Date.now() / 1000) + 300,
      jti: randomBytes(16).toString('hex'),
      ...payload,
    }),
  );
  const signature = createSign('SHA384')
    .update(`${head}.${body}`)
    .sign({ key: client.keys[alg], dsaEncoding: 'ieee-p1363' })
    .toString('base64url');
  return `${head}.${body}.${signature}`;
}

export const assertionType = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';

/** POST with the client's way to prove who it is, and the Origin header where it is a page. */
export async function postAs(client, url, fields, headers = {}) {
  const proof = {};
  const sent = { ...headers };
  if (client?.kind === 'public') {
    proof.client_id = client.id;
    sent.origin = client.origin;
  }
  if (client?.kind === 'secret')
    sent.authorization = `Basic ${Buffer.from(`${encodeURIComponent(client.id)}:${client.secret}`).toString('base64')}`;
  if (client?.kind === 'key')
    Object.assign(proof, { client_assertion_type: assertionType, client_assertion: assertion(client, url) });
  const response = await fetch(url, {
    method: 'POST',
    body: new URLSearchParams({ ...proof, ...fields }),
    headers: sent,
  });
  const text = await response.text();
  return { status: response.status, headers: response.headers, text, body: parsed(text) };
}

export async function get(url, { token, accept = 'application/json', origin } = {}) {
  const headers = { accept };
  if (token !== undefined) headers.authorization = `Bearer ${token}`;
  if (origin !== undefined) headers.origin = origin;
  const response = await fetch(url, { headers });
  const text = await response.text();
  return { status: response.status, headers: response.headers, text, body: parsed(text) };
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** A browser that a person sits at: cookies, redirects, forms. */
export class Browser {
  cookies = new Map();

  async open(url, init = {}) {
    const { pathname, origin } = new URL(url);
    const isAt = path => pathname === path || pathname.startsWith(path.endsWith('/') ? path : `${path}/`);
    const cookie = [...this.cookies.values()].filter(({ path }) => isAt(path)).map(({ pair }) => pair);
    const response = await fetch(url, {
      ...init,
      redirect: 'manual',
      headers: {
        ...(cookie.length > 0 ? { cookie: cookie.join('; ') } : {}),
        ...(init.method === 'POST' ? { origin } : {}),
      },
    });
    for (const line of response.headers.getSetCookie()) {
      const [pair, ...attributes] = line.split(/; */);
      const path = attributes.find(each => /^path=/i.test(each))?.slice(5) ?? '/';
      this.cookies.set(`${pair.split('=')[0]} ${path}`, { pair, path });
      if (/expires=Thu, 01 Jan 1970/i.test(line)) this.cookies.delete(`${pair.split('=')[0]} ${path}`);
    }
    return response;
  }

  async follow(url, init) {
    const home = new URL(url).origin;
    let response = await this.open(url, init);
    for (let hops = 0; hops < 10; hops++) {
      const location = response.headers.get('location');
      if (location === null) return { url, status: response.status, text: await response.text() };
      url = new URL(location, url).href;
      if (new URL(url).origin !== home) return { url };
      response = await this.open(url);
    }
    throw new Error(`too many redirects, last to ${url}`);
  }

  submit(url, fields) {
    return this.follow(url, { method: 'POST', body: new URLSearchParams(fields) });
  }
}

const checked = page =>
  [...page.matchAll(/<input\s[^>]*name="scope"[^>]*>/g)]
    .map(([tag]) => tag)
    .filter(tag => /\schecked/.test(tag))
    .map(tag => /value="([^"]*)"/.exec(tag)[1].replaceAll('&amp;', '&'));

/**
 * An authorization request with sign-in and approval; answers where the browser came back to, or the page it stayed at.
 * `choose`: scopes the person leaves checked.
 */
export async function authorize(endpoint, params, { person, patient, choose, post = false }) {
  const browser = new Browser();
  const query = new URLSearchParams(params);
  let at = post
    ? await browser.follow(endpoint, { method: 'POST', body: query })
    : await browser.follow(`${endpoint}?${query}`);
  if (at.text?.includes('name="password"'))
    at = await browser.submit(at.url, { name: person.name, password: person.password });
  for (let page = 0; page < 2 && at.text?.includes('name="answer"'); page++) {
    const fields = [['answer', 'allow'], ...(choose ?? checked(at.text)).map(scope => ['scope', scope])];
    if (at.text.includes('name="patient"')) fields.push(['patient', patient]);
    at = await browser.submit(at.url, fields);
  }
  return { page: at, back: new URL(at.url) };
}

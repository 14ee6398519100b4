// XML on every interaction of a listening server: what is sent and what comes back. https://hl7.org/fhir/R4/http.html#mime-type
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from 'fhir-kit-client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { defaultConfig } from '../../src/config.js';
import type { JsonObject } from '../../src/fhir/json.js';
import type { Resource } from '../../src/fhir/resource.js';
import { parseXml } from '../../src/fhir/xml-read.js';
import { writeXml } from '../../src/fhir/xml-write.js';
import { start } from '../../src/main.js';

let folder: string;
let server: { url: string; close(): Promise<void> };
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'tsela-xml-'));
  server = await start({
    ...defaultConfig,
    port: 0,
    open: true,
    data: folder,
    logLevel: 'silent',
    bodyLimit: 1_000_000,
  });
});
afterAll(async () => {
  await server.close();
  rmSync(folder, { recursive: true, force: true });
});

const xml = 'application/fhir+xml';
const json = 'application/fhir+json';
const ns = 'xmlns="http://hl7.org/fhir"';

interface Answer {
  readonly status: number;
  readonly type: string;
  readonly text: string;
  readonly headers: Headers;
  /** Parsed as what it says it is. */
  readonly resource: Resource;
}

async function ask(
  method: string,
  path: string,
  more: { body?: string | Buffer; type?: string; accept?: string; headers?: Record<string, string> } = {},
): Promise<Answer> {
  const response = await fetch(`${server.url}/${path}`, {
    method,
    headers: {
      ...(more.type === undefined ? {} : { 'content-type': more.type }),
      ...(more.accept === undefined ? {} : { accept: more.accept }),
      ...more.headers,
    },
    ...(more.body === undefined ? {} : { body: more.body }),
  });
  const text = await response.text();
  const type = response.headers.get('content-type') ?? '';
  const resource =
    text === ''
      ? {}
      : type.includes('xml')
        ? parseXml(text)
        : type.includes('json')
          ? (JSON.parse(text) as Resource)
          : {};
  return { status: response.status, type, text, headers: response.headers, resource: resource as Resource };
}

const patient = (more: object = {}): Resource => ({
  resourceType: 'Patient',
  name: [{ family: 'Xml' }],
  ...more,
});
const create = async (resource: Resource): Promise<string> =>
  (await ask('POST', resource.resourceType, { body: writeXml(resource), type: xml, accept: json })).resource[
    'id'
  ] as string;

describe('each interaction', () => {
  it('create, read, vread, update, delete and history', async () => {
    const div = '<div xmlns="http://www.w3.org/1999/xhtml">a <b>b</b>&#160;</div>';
    const sent = patient({
      text: { status: 'generated', div },
      _birthDate: {
        extension: [
          { url: 'http://hl7.org/fhir/StructureDefinition/data-absent-reason', valueCode: 'unknown' },
        ],
      },
      extension: [{ url: 'http://e.org/decimal', valueDecimal: 1.5 }],
    });
    const created = await ask('POST', 'Patient', { body: writeXml(sent), type: xml, accept: xml });
    expect([created.status, created.type]).toEqual([201, `${xml}; charset=utf-8`]);
    expect(created.text).toMatch(
      /^<\?xml version="1.0" encoding="UTF-8"\?><Patient xmlns="http:\/\/hl7.org\/fhir"><id value="/,
    );
    expect(created.resource).toMatchObject(sent);
    const id = created.resource['id'] as string;

    const read = await ask('GET', `Patient/${id}`, { accept: xml });
    expect(read.resource).toEqual(created.resource);
    expect(read.headers.get('etag')).toBe('W/"1"');
    expect(read.headers.get('vary')).toContain('Accept');
    expect((await ask('GET', `Patient/${id}`, { accept: json })).resource).toEqual(created.resource);
    expect((await ask('GET', `Patient/${id}/_history/1`, { accept: xml })).resource).toEqual(
      created.resource,
    );

    const updated = await ask('PUT', `Patient/${id}`, {
      body: writeXml({ ...read.resource, active: true }),
      type: xml,
      headers: { 'if-match': 'W/"1"' },
    });
    expect([updated.status, updated.type]).toEqual([200, `${xml}; charset=utf-8`]);
    expect(updated.resource).toMatchObject({ active: true, meta: { versionId: '2' } });

    const history = await ask('GET', `Patient/${id}/_history`, { accept: xml });
    expect(history.resource).toMatchObject({ resourceType: 'Bundle', type: 'history', total: 2 });
    expect((await ask('DELETE', `Patient/${id}`, { accept: xml })).status).toBe(204);
    const gone = await ask('GET', `Patient/${id}`, { accept: xml });
    expect([gone.status, gone.resource.resourceType]).toEqual([410, 'OperationOutcome']);
  });

  it('HEAD has the length of XML and no body', async () => {
    const id = await create(patient());
    const { text } = await ask('GET', `Patient/${id}`, { accept: xml });
    const head = await ask('HEAD', `Patient/${id}`, {
      accept: xml,
      headers: { 'accept-encoding': 'identity' },
    });
    expect(head.headers.get('content-length')).toBe(String(Buffer.byteLength(text)));
    expect(head.text).toBe('');
  });

  it('search by GET and POST, with includes, summary, elements and pages', async () => {
    const organization = await create({ resourceType: 'Organization', name: 'Xml' });
    const family = `F${organization}`;
    for (const given of ['a', 'b', 'c'])
      await create(
        patient({
          name: [{ family, given: [given] }],
          managingOrganization: { reference: `Organization/${organization}` },
        }),
      );
    const found = await ask('GET', `Patient?family=${family}&_include=Patient:organization&_sort=given`, {
      accept: xml,
    });
    const entries = found.resource['entry'] as JsonObject[];
    expect(entries.map(entry => (entry['resource'] as Resource).resourceType)).toEqual([
      'Patient',
      'Patient',
      'Patient',
      'Organization',
    ]);
    const posted = await ask('POST', 'Patient/_search', {
      body: `family=${family}&_count=2&_total=accurate&_format=xml`,
      type: 'application/x-www-form-urlencoded',
    });
    expect(posted.type).toBe(`${xml}; charset=utf-8`);
    expect(posted.resource).toMatchObject({ type: 'searchset', total: 3 });
    const page = await ask('GET', `Patient?family=${family}&_elements=gender&_count=2&_format=xml`);
    const next = (page.resource['link'] as { relation: string; url: string }[]).find(
      link => link.relation === 'next',
    )!;
    expect((parseXml(await (await fetch(next.url)).text())['entry'] as unknown[]).length).toBe(1);
    expect(
      (await ask('GET', `Patient?family=${family}&_summary=count`, { accept: xml })).resource,
    ).toMatchObject({ total: 3 });
  });

  it('batch and transaction', async () => {
    const bundle = (type: string): string =>
      writeXml({
        resourceType: 'Bundle',
        type,
        entry: [
          {
            fullUrl: 'urn:uuid:4e1b1b3a-7a3e-4f0e-9d0e-1d2c3b4a5f6e',
            resource: patient(),
            request: { method: 'POST', url: 'Patient' },
          },
          { request: { method: 'GET', url: 'Patient?family=Xml&_summary=count' } },
        ],
      });
    for (const type of ['batch', 'transaction']) {
      const answer = await ask('POST', '', { body: bundle(type), type: xml, accept: xml });
      expect([answer.status, answer.resource['type']], answer.text).toEqual([200, `${type}-response`]);
      expect(answer.resource['entry']).toMatchObject([
        { response: { status: '201 Created' } },
        { resource: { resourceType: 'Bundle' }, response: { status: '200 OK' } },
      ]);
    }
    const refused = await ask('POST', '', { body: bundle('collection'), type: xml });
    expect([refused.status, refused.type, refused.resource.resourceType]).toEqual([
      400,
      `${xml}; charset=utf-8`,
      'OperationOutcome',
    ]);
  });

  it('patch by FHIRPath, and operations', async () => {
    const id = await create(patient());
    const parameters = writeXml({
      resourceType: 'Parameters',
      parameter: [
        {
          name: 'operation',
          part: [
            { name: 'type', valueCode: 'add' },
            { name: 'path', valueString: 'Patient' },
            { name: 'name', valueString: 'active' },
            { name: 'value', valueBoolean: true },
          ],
        },
      ],
    });
    const patched = await ask('PATCH', `Patient/${id}`, { body: parameters, type: xml });
    expect([patched.status, patched.resource['active']]).toEqual([200, true]);
    const meta = writeXml({
      resourceType: 'Parameters',
      parameter: [{ name: 'meta', valueMeta: { tag: [{ system: 'http://e.org', code: 'x' }] } }],
    });
    const added = await ask('POST', `Patient/${id}/$meta-add`, { body: meta, type: xml });
    expect(added.resource).toMatchObject({
      resourceType: 'Parameters',
      parameter: [{ valueMeta: { tag: [{ code: 'x' }] } }],
    });
  });

  it('XML Patch, alone and in Bundles', async () => {
    const type = 'application/xml-patch+xml';
    const patch = (value: boolean): string =>
      `<diff xmlns="http://hl7.org/fhir"><replace sel="f:Patient/f:active/@value">${value}</replace></diff>`;
    const id = await create(patient({ active: true }));
    const patched = await ask('PATCH', `Patient/${id}`, { body: patch(false), type });
    expect([patched.status, patched.resource['active']]).toEqual([200, false]);
    for (const [kind, value] of [
      ['batch', true],
      ['transaction', false],
    ] as const) {
      const data = Buffer.from(patch(value)).toString('base64');
      const resource = { resourceType: 'Binary', contentType: type, data };
      const entry = [{ resource, request: { method: 'PATCH', url: `Patient/${id}` } }];
      const answer = await ask('POST', '', {
        body: writeXml({ resourceType: 'Bundle', type: kind, entry }),
        type: xml,
      });
      expect(answer.resource['entry'], answer.text).toMatchObject([{ response: { status: '200 OK' } }]);
      expect((await ask('GET', `Patient/${id}`, { accept: xml })).resource['active']).toBe(value);
    }
    const nothing = await ask('PATCH', `Patient/${id}`, { body: '<diff/>', type, accept: xml });
    expect([nothing.status, nothing.resource.resourceType]).toEqual([400, 'OperationOutcome']);
    const astray = await ask('PATCH', `Patient/${id}`, {
      body: '<diff><remove sel="f:Patient/f:gender"/></diff>',
      type,
    });
    expect(astray.status).toBe(422);
  });

  it('capabilities, which say so', async () => {
    const { resource, type } = await ask('GET', 'metadata', { accept: xml });
    expect(type).toBe(`${xml}; charset=utf-8`);
    expect(resource['format']).toEqual([json, xml, 'json', 'xml']);
    expect(resource).toEqual((await ask('GET', 'metadata')).resource);
  });

  it('Binary: a resource where FHIR is meant, else the content', async () => {
    const content = '<note>not FHIR</note>';
    const raw = await ask('POST', 'Binary', { body: content, type: 'application/xml', accept: json });
    expect(raw.resource).toMatchObject({
      resourceType: 'Binary',
      contentType: 'application/xml',
      data: Buffer.from(content).toString('base64'),
    });
    const id = raw.resource['id'] as string;
    const back = await fetch(`${server.url}/Binary/${id}`, { headers: { accept: 'application/xml' } });
    expect([back.headers.get('content-type'), await back.text()]).toEqual(['application/xml', content]);
    expect((await ask('GET', `Binary/${id}`, { accept: xml })).resource).toMatchObject({
      resourceType: 'Binary',
    });
    const resource = { resourceType: 'Binary', contentType: 'text/plain', data: 'eA==' };
    const put = await ask('PUT', 'Binary/of-xml', {
      body: writeXml({ ...resource, id: 'of-xml' }),
      type: xml,
      accept: xml,
    });
    expect(put.resource).toMatchObject(resource);
  });
});

describe('what is sent back', () => {
  it.each([
    [{ accept: xml }, '', xml],
    [{ accept: 'application/xml' }, '', 'application/xml'],
    [{ accept: 'text/xml' }, '', 'text/xml'],
    [{ accept: 'xml' }, '', xml],
    [{ accept: `${xml}; fhirVersion=4.0` }, '', xml],
    [{ accept: `${json};q=0.5, ${xml}` }, '', xml],
    [{ accept: `${xml};q=1.0, */*;q=0.1` }, '', xml],
    [{ accept: `${xml};q=0.4, ${json};q=0.5` }, '', json],
    [{ accept: `${xml}, ${json}` }, '', json],
    [{ accept: `${json};q=0, application/json;q=0, text/json;q=0, */*` }, '', xml],
    [{ accept: 'text/html, application/xhtml+xml, application/xml;q=0.9, */*;q=0.8' }, '', 'application/xml'],
    [{ accept: json }, '?_format=xml', xml],
    [{ accept: json }, '?_format=application/fhir%2Bxml', xml],
    [{ accept: json }, '?_format=application/fhir+xml', xml],
    [{ accept: json }, '?_format=text/xml', 'text/xml'],
    [{ accept: xml }, '?_format=json', json],
    [{}, '', json],
  ])('to %j and "%s" is %s', async (headers, query, type) => {
    const answer = await ask('GET', `metadata${query}`, headers);
    expect([answer.status, answer.type]).toEqual([200, `${type}; charset=utf-8`]);
    expect(answer.resource.resourceType).toBe('CapabilityStatement');
  });

  it('is what was sent where nothing is said', async () => {
    const body = writeXml(patient());
    expect((await ask('POST', 'Patient', { body, type: xml })).type).toBe(`${xml}; charset=utf-8`);
    expect((await ask('POST', 'Patient', { body, type: 'text/xml' })).type).toBe('text/xml; charset=utf-8');
    expect((await ask('POST', 'Patient', { body, type: xml, accept: json })).type).toBe(
      `${json}; charset=utf-8`,
    );
  });

  it('is indented where _pretty asks for it', async () => {
    const id = await create(patient());
    expect((await ask('GET', `Patient/${id}?_pretty=true`, { accept: xml })).text).toMatch(
      /^<\?xml[^\n]*\n<Patient [^\n]*\n {2}<id value/,
    );
    expect((await ask('GET', 'Patient/none?_pretty=true', { accept: xml })).text).toMatch(/\n {2}<issue>\n/);
  });

  it('is compressed like JSON', async () => {
    const response = await fetch(`${server.url}/metadata`, {
      headers: { accept: xml, 'accept-encoding': 'gzip' },
    });
    expect(response.headers.get('content-encoding')).toBe('gzip');
    expect(parseXml(await response.text()).resourceType).toBe('CapabilityStatement');
  });

  it.each([
    ['GET', 'Patient/none', 404],
    ['GET', 'Patient?nmae=x', 400],
    ['GET', 'Nothing/1', 404],
    ['PUT', 'Patient', 400],
    ['GET', 'Patient/%FF', 400],
  ])('%s %s is an OperationOutcome in XML', async (method, path, status) => {
    const answer = await ask(method, path, { accept: xml });
    expect(answer.type).toBe(`${xml}; charset=utf-8`);
    expect([answer.status, answer.resource.resourceType]).toEqual([status, 'OperationOutcome']);
  });
});

describe('refused', () => {
  it.each([
    ['turtle', 'text/turtle', 415],
    ['a charset other than UTF-8', `${xml}; charset=iso-8859-1`, 415],
    ['another version', `${xml}; fhirVersion=5.0`, 415],
    ['HTML', 'text/html', 415],
  ])('%s', async (_, type, status) => {
    expect((await ask('POST', 'Patient', { body: writeXml(patient()), type })).status).toBe(status);
  });

  it('what nobody can be sent', async () => {
    for (const accept of ['text/turtle', 'text/html', `${xml}; fhirVersion=3.0`, `${xml};q=0`])
      expect((await ask('GET', 'metadata', { accept })).status, accept).toBe(406);
    expect((await ask('GET', 'metadata?_format=ttl')).status).toBe(406);
  });

  it.each([
    ['a DOCTYPE', `<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><Patient ${ns}/>`, 'DOCTYPE'],
    ['an entity', `<Patient ${ns}><name><text value="&x;"/></name></Patient>`, '&x;'],
    ['nesting', `<Patient ${ns}>${'<extension url="x">'.repeat(20_000)}`, 'levels'],
    ['JSON that says it is XML', '{"resourceType":"Patient"}', 'no XML'],
    ['an empty resource of another type', `<Basic ${ns}/>`, 'Patient'],
    ['a value the gate refuses', `<Patient ${ns}><gender value="mal"/></Patient>`, 'gender'],
    [
      'a number that is none',
      `<Patient ${ns}><multipleBirthInteger value="two"/></Patient>`,
      'multipleBirth',
    ],
  ])('%s, by an OperationOutcome in XML', async (_, body, says) => {
    const answer = await ask('POST', 'Patient', { body, type: xml });
    expect([answer.status, answer.resource.resourceType]).toEqual([400, 'OperationOutcome']);
    expect(answer.text).toContain(says.replace('&', '&amp;'));
  });

  it('a body over the limit', async () => {
    const body = `<Patient ${ns}><name><text value="${'x'.repeat(1_000_001)}"/></name></Patient>`;
    const answer = await ask('POST', 'Patient', { body, type: xml, accept: xml });
    expect([answer.status, answer.type]).toEqual([413, `${xml}; charset=utf-8`]);
  });

  it('and the next request is served', async () => expect((await ask('GET', 'metadata')).status).toBe(200));
});

it('fhir-kit-client reads what came as XML', async () => {
  const client = new Client({ baseUrl: server.url });
  const id = await create(patient({ active: true }));
  expect(await client.read({ resourceType: 'Patient', id })).toMatchObject({ id, active: true });
});

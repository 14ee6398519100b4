// What apps show people who look for their records: nothing until it is set up, and then true of every address served.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openBrandBook, openBrands, type BrandBook, type BrandBundle } from '../../src/auth/brands.js';
import { putFacility } from '../../src/facilities/facility.js';
import type { Resource } from '../../src/fhir/resource.js';
import { gate } from '../../src/validation/gate.js';
import { openSqliteDocuments } from '../../src/storage/sqlite/documents.js';
import type { Json } from '../json.js';
import { onEveryStore } from '../system.js';
import { json, openSmartServer, type SmartServer } from './smart-server.js';

const cli = fileURLToPath(new URL('../../dist/cli.js', import.meta.url));
const { MONGODB_URL: _, ...embedded } = process.env;
const logo = 'data:image/svg+xml;base64,PHN2Zy8+';
const brand = {
  resourceType: 'Organization',
  name: 'Quthing District Health',
  alias: ['District of Moorosi'],
  identifier: [{ system: 'urn:ietf:rfc:3986', value: 'https://health.example.org' }],
  telecom: [{ system: 'url', value: 'https://health.example.org/' }],
  address: [{ city: 'Moyeni', country: 'LS' }],
  extension: [
    {
      url: 'http://hl7.org/fhir/StructureDefinition/organization-brand',
      extension: [{ url: 'brandLogo', valueUrl: logo }],
    },
  ],
};

const resourcesOf = (bundle: Json, type: string): Json[] =>
  (bundle['entry'] as Json[])
    .map(({ resource }) => resource as Json)
    .filter(({ resourceType }) => resourceType === type);

describe('a server with a brand and two facilities', () => {
  const folder = mkdtempSync(join(tmpdir(), 'tsela-brands-'));
  let server: SmartServer;
  const command = (args: readonly string[], input = ''): string =>
    execFileSync(process.execPath, [cli, ...args, '--data', folder], { input, encoding: 'utf8', env: embedded }); // prettier-ignore
  beforeAll(async () => {
    const documents = await openSqliteDocuments({ path: join(folder, 'documents.sqlite') });
    for (const [id, name] of [
      ['quthing', 'Quthing Hospital'],
      ['maseru', 'Maseru Hospital'],
    ] as const)
      await putFacility(documents, { id, name, organizations: [], clients: [] }, true);
    await documents.close();
    command(['brand', 'set', '-', '--developers', 'https://developers.example.org'], JSON.stringify(brand));
    const own = { ...brand, name: 'Queen II', identifier: [{ value: 'queen-2' }] };
    command(['brand', 'set', '-', '--facility', 'maseru'], JSON.stringify(own));
    server = await openSmartServer('SQLite', { data: folder, seeded: false });
  });
  afterAll(async () => {
    await server?.stop();
    rmSync(folder, { recursive: true, force: true });
  });
  const configuration = async (base: string) => json(await fetch(`${base}/.well-known/smart-configuration`));
  const facility = (id: string): string => `${server.origin}/facilities/${id}/fhir`;

  it('is found by its configuration, each base by its own brand', async () => {
    const [main, quthing, maseru] = await Promise.all([server.url, facility('quthing'), facility('maseru')].map(configuration)); // prettier-ignore
    const address = `${server.url}/.well-known/user-access-brands`;
    for (const each of [main, quthing, maseru]) expect(each.user_access_brand_bundle).toBe(address);
    expect(main.user_access_brand_identifier).toEqual(brand.identifier[0]);
    expect(maseru.user_access_brand_identifier).toEqual({ value: 'queen-2' });
    const bundle = await json(await fetch(address));
    for (const { user_access_brand_identifier: identifier } of [main, quthing, maseru]) {
      const those = resourcesOf(bundle, 'Organization').filter(
        organization =>
        organization.identifier.some(({ value, system }: Json) => value === identifier.value && system === identifier.system), // prettier-ignore
      );
      expect(those).toHaveLength(1);
    }
  });

  it('has what the profiles ask for, and what an administrator gave', async () => {
    const bundle = await json(await fetch(`${server.url}/.well-known/user-access-brands`));
    expect(gate(bundle as Resource)).toEqual([]);
    expect(bundle).toMatchObject({ resourceType: 'Bundle', type: 'collection' });
    expect(bundle.meta.lastUpdated).toBe(bundle.timestamp);
    const [organizations, endpoints] = [resourcesOf(bundle, 'Organization'), resourcesOf(bundle, 'Endpoint')];
    expect(organizations.map(({ name }) => name)).toEqual(['Quthing District Health', 'Queen II', 'Quthing Hospital']); // prettier-ignore
    expect(organizations[0]).toMatchObject({ alias: brand.alias, address: brand.address });
    expect(organizations[0]!.extension[0]).toEqual(brand.extension[0]);
    expect(endpoints.map(({ address }) => address)).toEqual([server.url, facility('maseru'), facility('quthing')]); // prettier-ignore
    for (const organization of organizations) {
      const named = organization.endpoint.map(({ reference }: Json) => reference);
      const ofPortals = organization.extension
        .filter(({ url }: Json) => url.endsWith('organization-portal'))
        .flatMap(({ extension }: Json) => extension)
        .flatMap(({ url, valueReference }: Json) =>
          url === 'portalEndpoint' ? [valueReference.reference] : [],
        );
      expect(ofPortals).toEqual(named);
      for (const reference of named)
        expect(bundle.entry.filter(({ fullUrl }: Json) => fullUrl.endsWith(`/${reference}`))).toHaveLength(1);
      expect(organization.telecom).toHaveLength(1);
    }
    // The primary brand leads to every address.
    expect(organizations[0]!.endpoint).toHaveLength(3);
    for (const endpoint of endpoints) {
      expect(endpoint.contact).toEqual([{ system: 'url', value: 'https://developers.example.org' }]);
      expect((await fetch(`${endpoint.address}/metadata`)).status).toBe(200);
    }
  });

  it('is read by any page without a token, and is sent again only where it has changed', async () => {
    const address = `${server.url}/.well-known/user-access-brands`;
    const first = await fetch(address, { headers: { origin: 'https://directory.example' } });
    expect(first.headers.get('access-control-allow-origin')).toBe('*');
    expect(first.headers.get('content-type')).toContain('application/fhir+json');
    const etag = first.headers.get('etag')!;
    expect(etag).toMatch(/^W\/"/);
    const again = await fetch(address, { headers: { 'if-none-match': etag } });
    expect([again.status, await again.text()]).toEqual([304, '']);
    const preflight = await fetch(address, { method: 'OPTIONS', headers: { origin: 'https://directory.example', 'access-control-request-method': 'GET', 'access-control-request-headers': 'if-none-match' } }); // prettier-ignore
    expect(preflight.status).toBe(204);
    expect(preflight.headers.get('access-control-allow-headers')?.toLowerCase()).toContain('if-none-match');
    expect((await fetch(address, { method: 'POST', body: '{}' })).status).toBe(404);
  });

  it('is listed and removed by its command', () => {
    expect(command(['brand', 'list'])).toBe(
      'district\tQuthing District Health\thttps://developers.example.org\nfacility-maseru\tQueen II\n',
    );
    expect(command(['brand', 'remove', '--facility', 'maseru'])).toContain('removed');
    expect(() => command(['brand', 'set', '-'], '{"resourceType":"Organization","name":7}')).toThrow(/name/);
  });
});

onEveryStore('brands', {}, tsela => {
  const places = () => [{ base: 'https://x.example/fhir' }];
  const opened = (): Promise<BrandBundle | undefined> =>
    openBrands(tsela().system.documents, 'https://x.example/auth', places).bundle();
  const book = (): BrandBook => openBrandBook(tsela().system.documents);

  it('are not there until the district has one', async () => {
    expect(await opened()).toBeUndefined();
    await book().set('facility-alone', { ...brand, identifier: [{ value: 'alone' }] });
    expect(await opened()).toBeUndefined();
  });

  it('have another name and time when they change, and no other time when they do not', async () => {
    await book().set('district', brand);
    const [one, two] = [await opened(), await opened()];
    expect(two).toMatchObject({ etag: one!.etag, body: one!.body });
    await book().set('district', { ...brand, name: 'Another' });
    const three = await opened();
    expect(three!.etag).not.toBe(one!.etag);
    const timeOf = ({ body }: BrandBundle): string => (JSON.parse(body) as { timestamp: string }).timestamp;
    expect(timeOf(three!) >= timeOf(one!)).toBe(true);
  });

  it('are refused with what the server makes, without what apps need, and under a name another has', async () => {
    const refused: readonly (readonly [unknown, RegExp])[] = [
      ['text', /a brand is an Organization/],
      [{ ...brand, resourceType: 'Patient' }, /a brand is an Organization/],
      [{ ...brand, name: undefined }, /name/],
      [{ ...brand, identifier: [{ system: 'x' }] }, /identifier/],
      [{ ...brand, telecom: [] }, /telecom/],
      [{ ...brand, telecom: [{ system: 'phone', value: '1' }] }, /telecom/],
      [{ ...brand, endpoint: [{ reference: 'Endpoint/1' }] }, /endpoint/],
      [{ ...brand, extension: [{ url: 'x', extension: [{ url: 'portalEndpoint' }] }] }, /portalEndpoint/],
      [{ ...brand, extension: [{ url: 'x', extension: [{ url: 'brandLogo', valueUrl: 'http://x.example/l' }] }] }, /brandLogo/], // prettier-ignore
    ];
    for (const [given, why] of refused) await expect(book().set('district', given)).rejects.toThrow(why);
    await expect(book().set('district', brand, 'nowhere')).rejects.toThrow(/nowhere/);
    await book().set('district', brand);
    await expect(book().set('facility-other', brand)).rejects.toThrow(/district has it/);
  });
});

// The User-Access Brands suite of Inferno's SMART App Launch 2.2 kit. https://hl7.org/fhir/smart-app-launch/brands.html
import { expect, wellKnown } from './cases.mjs';
import { get } from './kit.mjs';

const profile = name => `http://hl7.org/fhir/smart-app-launch/StructureDefinition/${name}`;
const portals = organization =>
  (organization.extension ?? []).filter(
    ({ url }) => url === 'http://hl7.org/fhir/StructureDefinition/organization-portal',
  );

export async function brandCases({ group, test }, about) {
  group('user-access brands');
  const configuration = await wellKnown(about);
  const page = 'https://inferno.example.org';
  let answer;
  const resources = type =>
    answer.body.entry.map(({ resource }) => resource).filter(({ resourceType }) => resourceType === type);
  await test('retrieve_bundle', async () => {
    answer = await get(configuration.user_access_brand_bundle, { origin: page });
    expect(answer.status === 200, `status ${answer.status}`);
    const allowed = answer.headers.get('access-control-allow-origin');
    expect(allowed === '*' || allowed === page, `Access-Control-Allow-Origin ${allowed}`);
    expect(/^W\/".+"$/.test(answer.headers.get('etag') ?? ''), 'no weak ETag');
  });
  await test('valid_bundle', () => {
    const { resourceType, type, timestamp, entry, meta } = answer.body;
    expect(resourceType === 'Bundle' && type === 'collection', `${resourceType} of type ${type}`);
    expect(!Number.isNaN(Date.parse(timestamp)), 'no timestamp');
    expect(!Number.isNaN(Date.parse(meta.lastUpdated)), 'no meta.lastUpdated');
    expect(entry.length > 0, 'no entry');
    expect(new Set(entry.map(({ fullUrl }) => fullUrl)).size === entry.length, 'an entry twice');
    expect(resources('Organization').length + resources('Endpoint').length === entry.length, 'other entries');
  });
  await test('valid_endpoints', () => {
    expect(resources('Endpoint').length > 0, 'no Endpoint');
    for (const endpoint of resources('Endpoint')) {
      const { id, meta, extension, connectionType, contact, payloadType, status } = endpoint;
      expect(meta.profile.includes(profile('user-access-endpoint')), `${id}: no profile`);
      expect(
        extension.some(
          ({ url, valueCode }) => url.endsWith('/endpoint-fhir-version') && valueCode === '4.0.1',
        ),
        `${id}: no FHIR version`,
      );
      expect(status === 'active' && connectionType.code === 'hl7-fhir-rest', `${id}: status or connection`);
      expect(
        contact.some(({ system, value }) => system === 'url' && URL.canParse(value)),
        `${id}: no contact`,
      );
      expect(payloadType.length === 1 && payloadType[0].coding[0].code === 'none', `${id}: payloadType`);
      const owners = resources('Organization').filter(organization =>
        organization.endpoint.some(({ reference }) => reference === `Endpoint/${id}`),
      );
      expect(owners.length > 0, `${id}: no Organization has it`);
    }
  });
  await test('valid_endpoint_urls', async () => {
    for (const { address } of resources('Endpoint')) {
      const { status, body } = await get(`${address}/metadata`);
      expect(status === 200 && body.resourceType === 'CapabilityStatement', `${address}: ${status}`);
    }
  });
  await test('valid_brands', () => {
    expect(resources('Organization').length > 0, 'no Organization');
    for (const organization of resources('Organization')) {
      const { id, meta, name, telecom, identifier, endpoint } = organization;
      expect(meta.profile.includes(profile('user-access-brand')), `${id}: no profile`);
      expect(typeof name === 'string' && name !== '', `${id}: no name`);
      expect(telecom.length === 1 && telecom[0].system === 'url', `${id}: no website`);
      expect(identifier.length > 0, `${id}: no identifier`);
      const named = endpoint.map(({ reference }) => reference);
      const ofPortals = portals(organization)
        .flatMap(({ extension }) => extension)
        .flatMap(({ url, valueReference }) => (url === 'portalEndpoint' ? [valueReference.reference] : []));
      expect(ofPortals.length > 0, `${id}: no portal`);
      for (const reference of ofPortals)
        expect(named.includes(reference), `${id}: ${reference} is not in Organization.endpoint`);
      for (const reference of named)
        expect(
          answer.body.entry.some(({ fullUrl }) => fullUrl.endsWith(`/${reference}`)),
          `${id}: ${reference} is not in the Bundle`,
        );
    }
  });
  await test('user_access_brand_identifier', () => {
    const { system, value } = configuration.user_access_brand_identifier;
    const those = resources('Organization').filter(({ identifier }) =>
      identifier.some(each => each.value === value && each.system === system),
    );
    expect(those.length === 1, `${those.length} brands have it`);
  });
}

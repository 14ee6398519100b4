// What apps show people who look for the place where their records are: the brand of the district and of each facility,
// with their FHIR addresses, as a Bundle for everybody. The brands are Organizations that an administrator gives; their
// endpoints are made here from what is served. https://hl7.org/fhir/smart-app-launch/brands.html
import { FhirError } from '../errors.js';
import { isObject, objectsOf, writeJson, type JsonObject } from '../fhir/json.js';
import type { Documents } from '../storage/documents.js';
import { hashed } from './secrets.js';

/** A FHIR base of this server, and whose it is. */
export interface Place {
  readonly base: string;
  /** Absent: the district. */
  readonly facility?: { readonly id: string; readonly name: string };
}

export interface BrandBundle {
  readonly body: string;
  /** Weak: it names the content. */
  readonly etag: string;
  /** The identifier of the brand whose base it is. */
  readonly identifierOf: (base: string) => JsonObject;
}

export interface Brands {
  /** Undefined until the district has a brand. */
  bundle(): Promise<BrandBundle | undefined>;
}

export interface BrandBook {
  all(): Promise<ReadonlyMap<string, Brand>>;
  /** @param whose as `brandId` names it. @throws FhirError `value`, `required` */
  set(whose: string, organization: unknown, developers?: string): Promise<void>;
  /** Whether there was one. */
  remove(whose: string): Promise<boolean>;
}

export interface Brand {
  readonly organization: JsonObject;
  /** The website where developers register apps; absent: that of the brand. */
  readonly developers?: string;
}

/** How a brand and what belongs to it are named; without a facility, the district's. */
export const brandId = (facility?: string): string =>
  facility === undefined ? district : `facility-${facility}`;

const district = 'district';
const collection = 'brands';
const portalUrl = 'http://hl7.org/fhir/StructureDefinition/organization-portal';
const profiles = 'http://hl7.org/fhir/smart-app-launch/StructureDefinition/';
/** ms. What was made is sent again for so long. */
const keepFor = 5000;

export const openBrandBook = (documents: Documents): BrandBook => ({
  all: () => brandsIn(documents),
  async set(whose, organization, developers) {
    const brand = readBrand(organization);
    if (developers !== undefined && !isWebAddress(developers))
      throw new FhirError(
        'value',
        `"${developers}" is no address of a website, such as https://example.org.`,
      );
    const taken = [...(await brandsIn(documents))].find(
      ([other, { organization: known }]) =>
        other !== whose && keyOf(firstIdentifier(known)) === keyOf(firstIdentifier(brand)),
    );
    if (taken !== undefined)
      throw new FhirError('value', `Organization.identifier[0]: the brand of ${taken[0]} has it.`);
    await documents.put(collection, whose, {
      organization: brand,
      ...(developers === undefined ? {} : { developers }),
    } satisfies Brand);
  },
  remove: whose => documents.delete(collection, whose),
});

const brandsIn = async (documents: Documents): Promise<ReadonlyMap<string, Brand>> =>
  new Map((await documents.list(collection)).map(({ key, value }) => [key, value as Brand]));

/** @param issuer addresses of entries are made below it; `places` may grow */
export function openBrands(documents: Documents, issuer: string, places: () => readonly Place[]): Brands {
  let made: { readonly at: number; readonly bundle: BrandBundle | undefined } | undefined;
  return {
    async bundle() {
      if (made !== undefined && made.at > Date.now() - keepFor) return made.bundle;
      const brands = await brandsIn(documents);
      const bundle = brands.has(district) ? await bundleOf(documents, issuer, brands, places()) : undefined;
      made = { at: Date.now(), bundle };
      return bundle;
    },
  };
}

async function bundleOf(
  documents: Documents,
  issuer: string,
  brands: ReadonlyMap<string, Brand>,
  places: readonly Place[],
): Promise<BrandBundle> {
  const { organization: primary, developers } = brands.get(district)!;
  const website = textAt(objectsOf(primary['telecom'])[0], 'value');
  const organizations = new Map<string, JsonObject>();
  const endpoints: JsonObject[] = [];
  const all = places.map(place => `Endpoint/${idOf(place)}`);
  for (const place of places) {
    const id = idOf(place);
    const given = brands.get(id);
    const organization = given?.organization ?? {
      name: place.facility?.name ?? id,
      identifier: [{ system: 'urn:ietf:rfc:3986', value: place.base }],
      telecom: [{ system: 'url', value: website }],
    };
    // The primary brand leads to every address; a facility's to its own.
    const leadsTo = id === district ? all : [`Endpoint/${id}`];
    organizations.set(place.base, {
      ...withPortal(organization, leadsTo, `${issuer}/manage`),
      resourceType: 'Organization',
      id,
      meta: { profile: [`${profiles}user-access-brand`] },
      active: true,
      ...(id === district ? {} : { partOf: { reference: `Organization/${district}` } }),
      endpoint: leadsTo.map(reference => ({ reference })),
    });
    endpoints.push(
      endpointOf(place, textAt(organization, 'name'), given?.developers ?? developers ?? website),
    );
  }
  const entry = [...organizations.values(), ...endpoints].map(resource => ({
    fullUrl: `${issuer}/brands/${textAt(resource, 'resourceType')}/${textAt(resource, 'id')}`,
    resource,
  }));
  const print = hashed(JSON.stringify(entry));
  const timestamp = await lastChange(documents, print);
  return {
    body: writeJson({
      resourceType: 'Bundle',
      id: 'user-access-brands',
      meta: { lastUpdated: timestamp, profile: [`${profiles}user-access-brands-bundle`] },
      type: 'collection',
      timestamp,
      entry,
    }),
    etag: `W/"${print}"`,
    identifierOf: base => firstIdentifier(organizations.get(base) ?? primary),
  };
}

const idOf = ({ facility }: Place): string => brandId(facility?.id);

/** When the content became what it is: kept, so that every process says the same. */
async function lastChange(documents: Documents, print: string): Promise<string> {
  for (;;) {
    const document = await documents.get('settings', 'brand-bundle');
    const known = document?.value as { print: string; since: string } | undefined;
    if (known?.print === print) return known.since;
    const since = new Date().toISOString();
    const expected = document?.revision ?? 0;
    if ((await documents.put('settings', 'brand-bundle', { print, since }, { expected })) !== undefined)
      return since;
  }
}

const endpointOf = (place: Place, name: string, developers: string): JsonObject => ({
  resourceType: 'Endpoint',
  id: idOf(place),
  meta: { profile: [`${profiles}user-access-endpoint`] },
  extension: [{ url: 'http://hl7.org/fhir/StructureDefinition/endpoint-fhir-version', valueCode: '4.0.1' }],
  status: 'active',
  connectionType: {
    system: 'http://terminology.hl7.org/CodeSystem/endpoint-connection-type',
    code: 'hl7-fhir-rest',
  },
  name: `FHIR R4 of ${name}`,
  managingOrganization: { reference: `Organization/${idOf(place)}` },
  contact: [{ system: 'url', value: developers }],
  payloadType: [
    { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/endpoint-payload-type', code: 'none' }] },
  ],
  address: place.base,
});

/** Its portals with their endpoints; where none is given, the page where people see who has access. */
function withPortal(organization: JsonObject, endpoints: readonly string[], manage: string): JsonObject {
  const extensions = objectsOf(organization['extension']);
  const leadingTo = endpoints.map(reference => ({ url: 'portalEndpoint', valueReference: { reference } }));
  const portal = {
    url: portalUrl,
    extension: [
      { url: 'portalName', valueString: textAt(organization, 'name') },
      { url: 'portalUrl', valueUrl: manage },
      ...leadingTo,
    ],
  };
  const portals = extensions.filter(({ url }) => url === portalUrl);
  return {
    ...organization,
    extension: [
      ...extensions.filter(({ url }) => url !== portalUrl),
      ...(portals.length === 0
        ? [portal]
        : portals.map(each => ({ ...each, extension: [...objectsOf(each['extension']), ...leadingTo] }))),
    ],
  };
}

const textAt = (object: JsonObject | undefined, name: string): string => {
  const value = object?.[name];
  return typeof value === 'string' ? value : '';
};
const firstIdentifier = (organization: JsonObject): JsonObject => {
  const { system, value } = objectsOf(organization['identifier'])[0]!;
  return { ...(system === undefined ? {} : { system }), value: value! };
};
const keyOf = (identifier: JsonObject): string =>
  `${textAt(identifier, 'system')}|${textAt(identifier, 'value')}`;
const isWebAddress = (text: string): boolean => /^https?:\/\//.test(text) && URL.canParse(text);

/** What the profile of a brand asks for, and nothing of what is made here. @throws FhirError `value`, `required` */
function readBrand(given: unknown): JsonObject {
  const refuse = (element: string, accepted: string): never => {
    throw new FhirError('value', `Organization${element}: ${accepted}.`);
  };
  if (!isObject(given) || given['resourceType'] !== 'Organization')
    return refuse('', 'a brand is an Organization');
  if (textAt(given, 'name') === '') refuse('.name', 'the name that people know it by is needed');
  const identifiers = objectsOf(given['identifier']);
  if (identifiers.length === 0 || identifiers.some(each => textAt(each, 'value') === ''))
    refuse('.identifier', 'at least one with a value is needed, such as its website under urn:ietf:rfc:3986');
  const telecom = objectsOf(given['telecom']);
  if (telecom.length !== 1 || telecom[0]!['system'] !== 'url' || !isWebAddress(textAt(telecom[0], 'value')))
    refuse('.telecom', 'exactly one is needed: its website, with the system url');
  for (const name of ['endpoint', 'partOf'])
    if (given[name] !== undefined) refuse(`.${name}`, 'is made by the server');
  const parts = objectsOf(given['extension']).flatMap(({ extension }) => objectsOf(extension));
  if (parts.some(({ url }) => url === 'portalEndpoint'))
    refuse('.extension', 'portalEndpoint is made by the server');
  for (const { url, valueUrl } of parts)
    if (
      typeof url === 'string' &&
      url.endsWith('Logo') &&
      !/^(?:https:\/\/|data:image\/)/.test(String(valueUrl))
    )
      refuse('.extension', `${url} is an address with https or the image itself (data:)`);
  return given;
}

// What the files of the sample district share: options, the shape of the district, and one patient's story so far.
import type { JsonObject } from '../../fhir/json.js';
import { refKey, type Resource } from '../../fhir/resource.js';
import type { Random } from './random.js';

export interface SampleOptions {
  readonly patients: number;
  /** 32-bit integer; with `patients` and `today` it decides every byte. */
  readonly seed: number;
  /** `YYYY-MM-DD`: the day the data was taken, in Lesotho. */
  readonly today: string;
}

export type Role = 'doctor' | 'nurse' | 'pharmacist' | 'laboratory' | 'reception';

export interface Staff {
  /** Practitioner id. */
  readonly id: string;
  readonly role: Role;
  readonly name: string;
  readonly facility: Facility;
}

export interface Facility {
  /** Organization id: the short name of the place. */
  readonly id: string;
  readonly name: string;
  readonly town: string;
  readonly districtName: string;
  readonly isHospital: boolean;
  readonly latitude: number;
  readonly longitude: number;
  /** The hospital a health centre sends to; a hospital names itself. */
  readonly hospital: Facility;
  readonly staff: readonly Staff[];
  /** Location ids by department. */
  readonly locations: Readonly<Record<'outpatients' | 'laboratory' | 'pharmacy' | 'ward', string>>;
}

/** One patient being told: facts every later resource has to agree with. */
export interface Story {
  readonly random: Random;
  /** `0001`, part of every id of this patient. */
  readonly number: string;
  /** Milliseconds: midnight of the sample's day. */
  readonly today: number;
  readonly home: Facility;
  readonly sex: 'female' | 'male';
  readonly givenName: string;
  readonly familyName: string;
  /** Milliseconds. */
  readonly born: number;
  readonly penicillinAllergy: boolean;
  /** Reference to the Patient. */
  readonly patient: JsonObject;
  /** `observation-0001-07`: the next id of a kind. */
  id(kind: string): string;
  /** Appends the resource to the output and answers a reference to it. */
  tell(resource: Resource & { id: string }): JsonObject;
}

export const reference = (type: string, id: string): JsonObject => ({ reference: refKey({ type, id }) });

export const practitioner = (staff: Staff): JsonObject => ({
  ...reference('Practitioner', staff.id),
  display: staff.name,
});

export const organization = (facility: Facility): JsonObject => ({
  ...reference('Organization', facility.id),
  display: facility.name,
});

/** Somebody of the role at the facility, or at the hospital it sends to. */
export function staffOf(facility: Facility, role: Role, random: Random): Staff {
  const here = facility.staff.filter(one => one.role === role);
  if (here.length > 0) return random.pick(here);
  if (facility.hospital === facility) throw new Error(`${facility.name} has nobody of role ${role}`);
  return staffOf(facility.hospital, role, random);
}

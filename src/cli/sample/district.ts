// The sample district's standing part: organizations, locations, practitioners and their roles.
// The places are real towns of Lesotho; the facilities, their staff and their codes are made up.
import type { JsonObject } from '../../fhir/json.js';
import type { Resource } from '../../fhir/resource.js';
import { concept, identifierSystems, systems } from './codes.js';
import { familyNames, femaleNames, maleNames } from './names.js';
import { random, type Random } from './random.js';
import {
  organization,
  reference,
  type Facility,
  type Role,
  type SampleOptions,
  type Staff,
} from './story.js';

interface Place {
  readonly id: string;
  readonly name: string;
  readonly town: string;
  readonly districtName: string;
  readonly latitude: number;
  readonly longitude: number;
}

const hospitals: readonly Place[] = [
  {
    id: 'quthing',
    name: 'Quthing District Hospital',
    town: 'Moyeni',
    districtName: 'Quthing',
    latitude: -30.4,
    longitude: 27.7,
  },
  {
    id: 'maseru',
    name: 'Maseru District Hospital',
    town: 'Maseru',
    districtName: 'Maseru',
    latitude: -29.31,
    longitude: 27.48,
  },
  {
    id: 'mafeteng',
    name: 'Mafeteng District Hospital',
    town: 'Mafeteng',
    districtName: 'Mafeteng',
    latitude: -29.82,
    longitude: 27.24,
  },
];
const healthCentres: readonly Place[] = [
  {
    id: 'mount-moorosi',
    name: 'Mount Moorosi Health Centre',
    town: 'Mount Moorosi',
    districtName: 'Quthing',
    latitude: -30.28,
    longitude: 27.87,
  },
  {
    id: 'mazenod',
    name: 'Mazenod Health Centre',
    town: 'Mazenod',
    districtName: 'Maseru',
    latitude: -29.41,
    longitude: 27.55,
  },
  {
    id: 'tsakholo',
    name: 'Tsakholo Health Centre',
    town: 'Tsakholo',
    districtName: 'Mafeteng',
    latitude: -29.65,
    longitude: 27.18,
  },
];
const network = 'lowlands';
const clinicCode: Readonly<Record<Role, JsonObject>> = {
  doctor: concept(systems.practitionerRole, 'doctor', 'Doctor'),
  nurse: concept(systems.practitionerRole, 'nurse', 'Nurse'),
  pharmacist: concept(systems.practitionerRole, 'pharmacist', 'Pharmacist'),
  laboratory: concept(systems.staffRole, 'laboratory', 'Laboratory technologist'),
  reception: concept(systems.staffRole, 'reception', 'Receptionist'),
};

export interface District {
  readonly facilities: readonly Facility[];
  /** Organization, Location, Practitioner, PractitionerRole: what everything else refers to. */
  readonly resources: readonly Resource[];
}

export function district({ patients, seed }: SampleOptions): District {
  const draw = random(seed, -1);
  const resources: Resource[] = [networkOrganization()];
  const facilities: Facility[] = [];
  // One doctor and one nurse more per facility for every 1,500 patients keeps the diaries within half a year.
  const more = Math.floor(patients / 1500);
  const open = (place: Place, hospital?: Facility): void => {
    const facility = openFacility(place, hospital, more, draw);
    facilities.push(facility);
    resources.push(
      ...facilityResources(facility),
      ...facility.staff.flatMap(one => staffResources(one, draw)),
    );
  };
  for (const place of hospitals) open(place);
  for (const place of healthCentres) {
    open(
      place,
      facilities.find(one => one.districtName === place.districtName),
    );
  }
  return { facilities, resources };
}

function openFacility(place: Place, hospital: Facility | undefined, more: number, draw: Random): Facility {
  const staff: Staff[] = [];
  const locations = hospital
    ? { ...hospital.locations, outpatients: `${place.id}-outpatients` }
    : {
        outpatients: `${place.id}-outpatients`,
        laboratory: `${place.id}-laboratory`,
        pharmacy: `${place.id}-pharmacy`,
        ward: `${place.id}-ward`,
      };
  const facility: Facility = {
    ...place,
    isHospital: !hospital,
    staff,
    locations,
    get hospital() {
      return hospital ?? facility;
    },
  };
  const posts: readonly (readonly [Role, number])[] = hospital
    ? [
        ['doctor', 1 + more],
        ['nurse', 1 + more],
        ['reception', 1],
      ]
    : [
        ['doctor', 2 + more],
        ['nurse', 2 + more],
        ['pharmacist', 1],
        ['laboratory', 1],
        ['reception', 1],
      ];
  for (const [role, count] of posts) {
    for (let n = 1; n <= count; n++) {
      const given = draw.pick(draw.chance(0.55) ? femaleNames : maleNames);
      staff.push({
        id: `${role}-${place.id}-${n}`,
        role,
        name: `${given} ${draw.pick(familyNames)}`,
        facility,
      });
    }
  }
  return facility;
}

const networkOrganization = (): Resource => ({
  resourceType: 'Organization',
  id: network,
  active: true,
  type: [concept(systems.organizationType, 'govt', 'Government')],
  name: 'Lowlands Health District',
  address: [{ use: 'work', country: 'LS' }],
});

function facilityResources(facility: Facility): Resource[] {
  const { id, name, town, districtName, isHospital } = facility;
  const address = { use: 'work', line: ['Main Road'], city: town, district: districtName, country: 'LS' };
  const location = (suffix: string, label: string, kind: JsonObject): Resource => ({
    resourceType: 'Location',
    id: `${id}-${suffix}`,
    status: 'active',
    name: `${name}, ${label}`,
    mode: 'instance',
    type: [kind],
    address,
    physicalType: concept(systems.locationForm, 'wa', 'Ward'),
    position: { longitude: facility.longitude, latitude: facility.latitude },
    managingOrganization: organization(facility),
    partOf: reference('Location', id),
  });
  const building: Resource = {
    resourceType: 'Location',
    id,
    status: 'active',
    name,
    mode: 'instance',
    type: [
      isHospital
        ? concept(systems.roleCode, 'HOSP', 'Hospital')
        : concept(systems.roleCode, 'OF', 'Outpatient facility'),
    ],
    address,
    physicalType: concept(systems.locationForm, 'bu', 'Building'),
    position: { longitude: facility.longitude, latitude: facility.latitude },
    managingOrganization: organization(facility),
  };
  return [
    {
      resourceType: 'Organization',
      id,
      identifier: [{ system: identifierSystems.facility, value: `LS-${id.toUpperCase()}` }],
      active: true,
      type: [concept(systems.organizationType, 'prov', 'Healthcare Provider')],
      name,
      telecom: [{ system: 'email', value: `records@${id}.example.org`, use: 'work' }],
      address: [address],
      partOf: reference('Organization', network),
    },
    building,
    location('outpatients', 'outpatient department', concept(systems.roleCode, 'OF', 'Outpatient facility')),
    ...(isHospital
      ? [
          location('laboratory', 'laboratory', concept(systems.roleCode, 'HLAB', 'hospital laboratory')),
          location('pharmacy', 'pharmacy', concept(systems.roleCode, 'PHARM', 'Pharmacy')),
          location('ward', 'medical ward', concept(systems.roleCode, 'HU', 'Hospital unit')),
        ]
      : []),
  ];
}

const department = (staff: Staff): string => {
  const { locations } = staff.facility;
  if (staff.role === 'laboratory') return locations.laboratory;
  return staff.role === 'pharmacist' ? locations.pharmacy : locations.outpatients;
};

function staffResources(staff: Staff, draw: Random): Resource[] {
  const [given = '', family = ''] = staff.name.split(' ');
  const female = (femaleNames as readonly string[]).includes(given);
  const licensed = staff.role !== 'reception';
  return [
    {
      resourceType: 'Practitioner',
      id: staff.id,
      ...(licensed
        ? {
            identifier: [
              { system: identifierSystems.licence, value: `LS-${draw.int(10_000, 99_999)}-${staff.id}` },
            ],
          }
        : {}),
      active: true,
      name: [
        { use: 'official', family, given: [given], ...(staff.role === 'doctor' ? { prefix: ['Dr'] } : {}) },
      ],
      telecom: [{ system: 'email', value: `${staff.id}@example.org`, use: 'work' }],
      gender: female ? 'female' : 'male',
      communication: [
        concept(systems.language, 'st', 'Southern Sotho'),
        concept(systems.language, 'en', 'English'),
      ],
    },
    {
      resourceType: 'PractitionerRole',
      id: `role-${staff.id}`,
      active: true,
      practitioner: { ...reference('Practitioner', staff.id), display: staff.name },
      organization: organization(staff.facility),
      code: [clinicCode[staff.role]],
      location: [reference('Location', department(staff))],
      availableTime: [
        {
          daysOfWeek: ['mon', 'tue', 'wed', 'thu', 'fri'],
          availableStartTime: '08:00:00',
          availableEndTime: '17:00:00',
        },
      ],
    },
  ];
}

// Tsela's own sample data: a small health district in Lesotho, made up from a seed. It streams: one patient's resources
// are in memory at a time. Every reference names something told earlier, so that it can be loaded in order.
import { refKey, type Resource } from '../../fhir/resource.js';
import { day, minute, startOfDay, yearsBetween } from './calendar.js';
import { diary, type Diary } from './diary.js';
import { district } from './district.js';
import { antenatalCare, childHealthVisit } from './illnesses.js';
import {
  openStory,
  tellAllergies,
  tellChronicIllnesses,
  tellConsent,
  tellPatient,
  type Chronic,
} from './person.js';
import { staffOf, type Facility, type SampleOptions, type Story } from './story.js';
import { acuteIllness, tellImmunizations, tellVisit, type Visit } from './visit.js';

/** The day the sample was taken unless told otherwise: a Monday. */
export const defaultToday = '2026-01-05';

/**
 * Groups of resources that belong together: the district itself, then one group per patient, then the free slots.
 * @throws RangeError where an option is out of range.
 */
export function* generate(options: SampleOptions): Generator<Resource[]> {
  const today = startOfDay(options.today);
  if (today === undefined)
    throw new RangeError(`--today: ${options.today} is not a day, expected YYYY-MM-DD`);
  if (!Number.isSafeInteger(options.patients) || options.patients < 0) {
    throw new RangeError('--patients: expected a whole number from 0');
  }
  if (options.seed !== (options.seed | 0)) throw new RangeError('--seed: expected a whole number of 32 bits');

  const { facilities, resources } = district(options);
  const appointments = diary(facilities, today);
  yield [...resources, ...appointments.resources];
  for (let index = 1; index <= options.patients; index++) {
    const output: Resource[] = [];
    tellLife(index, openStory(index, options, today, facilities, output), facilities, appointments);
    yield output;
  }
  yield [...appointments.rest()];
}

function tellLife(index: number, story: Story, facilities: readonly Facility[], appointments: Diary): void {
  const { random, today } = story;
  const age = yearsBetween(story.born, today);
  const visitDays = daysOfVisits(story);
  const latest = visitDays.at(-1) ?? today - 300 * day;
  const died =
    age >= 60 && latest < today - 30 * day && random.chance(0.08)
      ? latest + random.int(2, 25) * day
      : undefined;

  tellPatient(story, died);
  tellConsent(story, index, facilities);
  tellAllergies(story);
  const chronic = tellChronicIllnesses(story);
  if (age < 5) tellImmunizations(story);

  const traits = {
    stature: random.around(0, 1, 2),
    hypertensive: chronic.some(({ illness }) => illness.snomed === '38341003'),
  };
  // What had begun when somebody died ended with them.
  const lived: Story = died === undefined ? story : { ...story, today: died };
  for (const start of visitDays)
    tellVisit(lived, { start, ...reasonToCome(story, chronic, start), ...traits });
  if (died === undefined) tellAppointments(story, appointments, chronic, traits);
}

/** Times of visits in the last two years, in order, never before birth. */
function daysOfVisits(story: Story): number[] {
  const { random, today } = story;
  const days = new Set<number>();
  // The three days before today are left to booked visits and to laboratories that still work.
  for (let n = random.int(1, 4); n > 0; n--) days.add(random.int(14, 730));
  if (random.chance(0.05)) days.add(1);
  return [...days]
    .sort((a, b) => b - a)
    .map(ago => today - ago * day + random.int(16, 31) * 30 * minute)
    .filter(start => start > story.born + day);
}

function reasonToCome(
  story: Story,
  chronic: readonly Chronic[],
  when: number,
): Pick<Visit, 'illness' | 'chronic' | 'doctor'> {
  const { random } = story;
  const age = yearsBetween(story.born, when);
  const known = chronic.filter(({ since }) => since < when);
  const doctor = staffOf(story.home, 'doctor', random);
  if (known.length > 0 && random.chance(0.65))
    return { illness: random.pick(known).illness, chronic: true, doctor };
  const { ages } = antenatalCare;
  if (story.sex === 'female' && age >= ages[0] && age <= ages[1] && random.chance(0.2)) {
    return { illness: antenatalCare, chronic: false, doctor };
  }
  if (age < 5 && random.chance(0.35)) return { illness: childHealthVisit, chronic: false, doctor };
  const illness = acuteIllness(story, age);
  return {
    illness,
    chronic: false,
    doctor: illness.isEmergency ? staffOf(story.home.hospital, 'doctor', random) : doctor,
  };
}

/** Appointments: a third of the patients came to one, some have one before them, some cancelled or stayed away. */
function tellAppointments(
  story: Story,
  appointments: Diary,
  chronic: readonly Chronic[],
  traits: Pick<Visit, 'stature' | 'hypertensive'>,
): void {
  const { random, today } = story;
  if (story.born < today - 200 * day && random.chance(0.33)) {
    const doctor = staffOf(story.home, 'doctor', random);
    const came = random.chance(0.85);
    const { appointment, start } = appointments.book(story, doctor, 'past', came ? 'fulfilled' : 'noshow');
    if (came)
      tellVisit(story, { start, ...reasonToCome(story, chronic, start), doctor, appointment, ...traits });
  }
  if (random.chance(chronic.length > 0 ? 0.6 : 0.15)) {
    const doctor = staffOf(story.home, 'doctor', random);
    appointments.book(story, doctor, 'future', random.chance(0.1) ? 'cancelled' : 'booked');
  }
}

/** The whole sample as NDJSON lines without their line ends. */
export function* sampleLines(options: SampleOptions): Generator<string> {
  for (const group of generate(options)) for (const resource of group) yield JSON.stringify(resource);
}

/** The whole sample as transaction bundles, one to a line: each group is a bundle of PUTs. */
export function* sampleBundles(options: SampleOptions): Generator<string> {
  for (const group of generate(options)) {
    const entry = group.map(resource => {
      const url = refKey({ type: resource.resourceType, id: resource['id'] as string });
      return { resource, request: { method: 'PUT', url } };
    });
    if (entry.length > 0) yield JSON.stringify({ resourceType: 'Bundle', type: 'transaction', entry });
  }
}

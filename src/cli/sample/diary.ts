// Schedules, slots and appointments of the sample district. Each doctor's diary is filled from today outwards, every
// fourth slot left free, so that no two appointments share a slot and only a counter per doctor is kept in memory.
// https://hl7.org/fhir/R4/appointment.html
import type { JsonObject } from '../../fhir/json.js';
import type { Resource } from '../../fhir/resource.js';
import { date, dateTime, day, hour, minute, workingDay } from './calendar.js';
import { concept, systems } from './codes.js';
import { practitioner, reference, type Facility, type Staff, type Story } from './story.js';

export type AppointmentStatus = 'booked' | 'fulfilled' | 'cancelled' | 'noshow';

export interface Booking {
  readonly appointment: JsonObject;
  /** Milliseconds. */
  readonly start: number;
  readonly end: number;
  readonly doctor: Staff;
}

const slotLength = 30 * minute;
const slotsPerDay = 16;
/** Free slots are offered for at least so many working days. */
const daysOffered = 5;

export interface Diary {
  /** Schedules, one per doctor. */
  readonly resources: readonly Resource[];
  /** Takes the doctor's next slot after today, or the last one not yet taken before it, and tells the appointment. */
  book(story: Story, doctor: Staff, when: 'future' | 'past', status: AppointmentStatus): Booking;
  /** The free slots that remain in the days on offer. */
  rest(): Iterable<Resource>;
}

export function diary(facilities: readonly Facility[], today: number): Diary {
  const doctors = facilities.flatMap(facility => facility.staff.filter(one => one.role === 'doctor'));
  const taken = new Map(doctors.map(doctor => [doctor, { future: 0, past: 0 }]));

  const slotTimes = (when: 'future' | 'past', ordinal: number): { start: number; end: number } => {
    const days = Math.floor(ordinal / slotsPerDay) + 1;
    const within = ordinal % slotsPerDay;
    // Eight half hours from 08:00, and eight from 13:00.
    const start =
      workingDay(today, when === 'future' ? days : -days) +
      8 * hour +
      within * slotLength +
      (within < 8 ? 0 : hour);
    return { start, end: start + slotLength };
  };
  const slot = (
    doctor: Staff,
    when: 'future' | 'past',
    ordinal: number,
    status: string,
  ): Resource & { id: string } => {
    const { start, end } = slotTimes(when, ordinal);
    return {
      resourceType: 'Slot',
      id: `slot-${doctor.id}-${when}-${ordinal + 1}`,
      schedule: reference('Schedule', `schedule-${doctor.id}`),
      status,
      start: dateTime(start),
      end: dateTime(end),
    };
  };
  const leftFree = (ordinal: number): boolean => ordinal % 4 === 3;

  return {
    resources: doctors.map(doctor => ({
      resourceType: 'Schedule',
      id: `schedule-${doctor.id}`,
      active: true,
      actor: [practitioner(doctor), reference('Location', doctor.facility.locations.outpatients)],
      planningHorizon: { start: date(today - 365 * day), end: date(today + 365 * day) },
      comment: 'Outpatient consultations, Monday to Friday',
    })),

    book: (story, doctor, when, status) => {
      const counters = taken.get(doctor);
      if (!counters) throw new Error(`${doctor.id} has no schedule`);
      if (leftFree(counters[when])) {
        if (when === 'future') story.tell(slot(doctor, when, counters[when], 'free'));
        counters[when]++;
      }
      const ordinal = counters[when]++;
      const { start, end } = slotTimes(when, ordinal);
      const slotReference = story.tell(slot(doctor, when, ordinal, status === 'cancelled' ? 'free' : 'busy'));
      const appointment = story.tell({
        resourceType: 'Appointment',
        id: story.id('appointment'),
        status,
        ...(status === 'cancelled' ? { cancelationReason: { text: 'Cancelled by the patient' } } : {}),
        appointmentType: concept(
          systems.appointmentReason,
          'FOLLOWUP',
          'A follow up visit from a previous appointment',
        ),
        start: dateTime(start),
        end: dateTime(end),
        minutesDuration: slotLength / minute,
        slot: [slotReference],
        created: dateTime(Math.min(start, today) - 20 * day),
        participant: [
          {
            actor: story.patient,
            required: 'required',
            status: status === 'cancelled' ? 'declined' : 'accepted',
          },
          { actor: practitioner(doctor), required: 'required', status: 'accepted' },
          { actor: reference('Location', doctor.facility.locations.outpatients), status: 'accepted' },
        ],
      });
      return { appointment, start, end, doctor };
    },

    *rest() {
      for (const doctor of doctors) {
        for (let ordinal = taken.get(doctor)?.future ?? 0; ordinal < daysOffered * slotsPerDay; ordinal++) {
          yield slot(doctor, 'future', ordinal, 'free');
        }
      }
    },
  };
}

// The searches that this server knows by name. https://hl7.org/fhir/R4/search.html#query
import { FhirError } from '../errors.js';
import type { NamedQuery } from '../search/named-query.js';

const isDay = /^\d{4}-\d{2}-\d{2}$/;
const mostWords = 10;

/** A value of a filter: in quotes, so that it may hold spaces and brackets. */
const literal = (text: string): string => JSON.stringify(text);

/** One word at the front desk: whatever of a patient begins with it or is it. */
function aboutPatient(word: string): string {
  const ways = [`name sw ${literal(word)}`, `identifier eq ${literal(word)}`, `phone eq ${literal(word)}`];
  if (isDay.test(word)) ways.push(`birthdate eq ${word}`);
  return ways.join(' or ');
}

export const queries: readonly NamedQuery[] = [
  {
    name: 'find',
    type: 'Patient',
    title: 'Find a patient at the front desk',
    says: 'Patients of whom every word is the beginning of a name, an identifier, a telephone number or the date of birth.',
    parameters: [
      {
        name: 'words',
        type: 'string',
        required: true,
        says: 'Words in any order, such as "mokoena 1980-02-01".',
      },
    ],
    sort: 'family,given',
    criteria(values) {
      const words = values.get('words')!.split(/[\s,]+/).filter(Boolean); // prettier-ignore
      if (words.length === 0 || words.length > mostWords)
        throw new FhirError('invalid-search', `words must be 1 to ${mostWords} words, not ${words.length}.`);
      return words.map(word => ['_filter', aboutPatient(word)]);
    },
  },
  {
    name: 'agenda',
    type: 'Appointment',
    title: 'The appointments of a day',
    says: 'What somebody or some place has on a day, without what was cancelled, missed or entered in error, by time.',
    parameters: [
      {
        name: 'actor',
        type: 'reference',
        required: true,
        says: 'Who or what takes part, such as Practitioner/7.',
      },
      {
        name: 'day',
        type: 'date',
        required: true,
        says: 'The day, such as 2027-01-04, in the zone of the server.',
      },
    ],
    sort: 'date',
    criteria(values) {
      const day = values.get('day')!;
      if (!isDay.test(day)) throw new FhirError('invalid-search', `day must be a day such as 2027-01-04.`);
      return [
        ['actor', values.get('actor')!],
        ['date', day],
        ['status:not', 'cancelled,noshow,entered-in-error'],
      ];
    },
  },
];

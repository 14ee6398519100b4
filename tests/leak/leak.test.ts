// Nothing leaks: not by status, count, order, header or body. Every caller tries every way; what is closed has to be
// answered, byte for byte, like what was never there. On every store.
import { beforeAll, expect, it } from 'vitest';
import { onEveryStoreAndThread, type Answer, type Send, type Tsela } from '../system.js';
import { absent, callers, closed, gatherings, marker, probes, seed, type About } from './world.js';

/** What of an answer somebody could tell apart, names and times aside. */
function shape({ status, headers, text }: Answer, about: About): object {
  const plain = (value: string): string =>
    Object.values(about as unknown as Record<string, string>)
      .reduce((rest, one) => rest.replaceAll(one, '*'.repeat(one.length)), value)
      .replaceAll(encodeURIComponent(about.number), '*')
      .replaceAll(about.name.toLowerCase(), '*')
      .replace(/"(lastUpdated|lastModified)":"[^"]*"/g, '')
      .replace(/last-modified":"[^"]*"/g, '')
      .replace(/_cursor=[\w-]*/g, '')
      .replace(/"content-length":"\d+"/g, '')
      .replace(/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g, '<new>')
      .replace(/"milliseconds","valueDecimal":[\d.]+/g, '');
  return { status, headers: plain(JSON.stringify(headers)), text: plain(text) };
}
const withoutQuestion = (text: string): string => text.replaceAll(encodeURIComponent(marker), '').replace(/_content=\w+/g, ''); // prettier-ignore

const settings = { expunge: true, conditionalDelete: 'multiple' as const, audit: 'on' as const };

onEveryStoreAndThread('what is closed', settings, (tsela: () => Tsela) => {
  beforeAll(async () => seed(tsela()));
  const as = async (who: string): Promise<Send> =>
    tsela().as(await tsela().system.compile(callers.find(([name]) => name === who)![1]));
  const names = callers.map(([who]) => who);

  it.each(names)('is to %s like what is not there, by every probe', async who => {
    const send = await as(who);
    const told: string[] = [];
    for (const [what, probe] of probes) {
      const found = await probe(send, closed);
      const none = await probe(send, absent);
      if (JSON.stringify(shape(found, closed)) !== JSON.stringify(shape(none, absent)))
        told.push(`${what}: ${JSON.stringify(shape(found, closed)).slice(0, 600)} ≠ ${JSON.stringify(shape(none, absent)).slice(0, 500)}`);
      if (withoutQuestion(found.text).includes(marker)) told.push(`${what} shows it`);
    }
    expect(told).toEqual([]);
  }); // prettier-ignore

  it.each(names)('is in nothing that %s gathers', async who => {
    const send = await as(who);
    const told: string[] = [];
    for (const url of gatherings) {
      const { text, status } = await send('GET', url);
      if (text.includes(marker) || text.includes(closed.name)) told.push(url);
      if (new RegExp(`"id":"(?:${closed.patient}|${closed.observation}|${closed.binary}|${closed.provenance}|${closed.gone}|obs-mv|cond|enc)"`).test(text)) told.push(`${url} names it`); // prettier-ignore
      if (url.startsWith('Observation/obs-mv') && status < 400) told.push(`${url} is there`);
    }
    expect(told).toEqual([]);
  });

  it('stays as it was', async () => {
    for (const [key, version] of [[`Patient/${closed.patient}`, 2], [`Observation/${closed.observation}`, 3], [`Binary/${closed.binary}`, 1]] as const) {
      const { status, headers } = await tsela().send('GET', key);
      expect([key, status, headers['etag']]).toEqual([key, 200, `W/"${version}"`]);
    }
  }); // prettier-ignore

  it('is seen by whom it is closed for no more: its patient', async () => {
    const grant = await tsela().system.compile({
      sub: 'c',
      clientId: 'portal',
      user: {
        account: 'c',
        fhirUser: `Patient/${closed.patient}`,
        roles: ['patient'],
        patients: [closed.patient],
      },
      patient: closed.patient,
      scopes: ['patient/*.cruds'],
      grantId: 'g',
    });
    const own = tsela().as(grant);
    expect((await own('GET', `Observation/${closed.observation}`)).text).toContain(marker);
    expect((await own('GET', 'Observation?_summary=count')).body['total']).toBe(2);
    expect((await own('GET', 'Patient/mine')).status).toBe(404);
  });

  it('leaves the Provenance of what is seen to be seen', async () => {
    const send = await as('doctor, user/*.cruds');
    expect((await send('GET', 'Provenance?_total=accurate')).body['total']).toBe(1);
    expect((await send('GET', 'Provenance?target=Observation/obs-mi')).body['entry']).toHaveLength(1);
    expect((await send('GET', 'Provenance/prv-mi')).status).toBe(200);
    const changed = { resourceType: 'Provenance', id: 'prv-mi', target: [{ reference: 'Observation/obs-mi' }], recorded: '2026-01-01T00:00:00Z', agent: [{ who: { display: 'y' } }] }; // prettier-ignore
    expect((await send('PUT', 'Provenance/prv-mi', changed)).status).toBe(200);
  });

  it('is behind no page link of another token', async () => {
    const { body } = await tsela().send('GET', 'Observation?_count=1');
    const next: string = body['link'].find((link: { relation: string }) => link.relation === 'next').url.split('/fhir/')[1]; // prettier-ignore
    for (const who of names) expect([who, (await (await as(who))('GET', next)).status]).toEqual([who, expect.toBeOneOf([400, 403])]); // prettier-ignore
  });
});

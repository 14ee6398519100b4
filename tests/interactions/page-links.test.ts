// The links of a search's pages: next, previous, first. https://hl7.org/fhir/R4/search.html#paging
import { beforeAll, expect, it } from 'vitest';
import { base, onEveryStore, type Answer } from '../system.js';

const idsOf = (answer: Answer): string[] => {
  expect(answer.status, answer.text).toBe(200);
  return (answer.body['entry'] as { resource: { id: string } }[]).map(entry => entry.resource.id);
};
const linkOf = (answer: Answer, relation: string): string | undefined =>
  (answer.body['link'] as { relation: string; url: string }[])
    .find(link => link.relation === relation)
    ?.url.slice(base.length + 1);

onEveryStore('page links', {}, tsela => {
  const get = (url: string) => tsela().send('GET', url);
  const put = (id: string, birthDate: string) =>
    tsela().send('PUT', `Patient/${id}`, { resourceType: 'Patient', id, birthDate });
  beforeAll(async () => {
    for (let i = 10; i < 20; i++) await put(`p${i}`, `19${i}`);
  });

  it.each(['Patient?_count=4', 'Patient?_count=4&_sort=birthdate', 'Patient?_count=4&_sort=-birthdate'])(
    '%s leads forward, back and to the start',
    async url => {
      const pages: Answer[] = [];
      for (let next: string | undefined = url; next !== undefined; next = linkOf(pages.at(-1)!, 'next'))
        pages.push(await get(next));
      expect(pages.map(page => idsOf(page).length)).toEqual([4, 4, 2]);
      const [first, second, third] = pages.map(idsOf);
      expect(linkOf(pages[0]!, 'previous')).toBeUndefined();
      expect(linkOf(pages[0]!, 'first')).toBeUndefined();

      const back = await get(linkOf(pages[2]!, 'previous')!);
      expect(idsOf(back)).toEqual(second);
      expect(idsOf(await get(linkOf(back, 'next')!))).toEqual(third);
      const start = await get(linkOf(back, 'previous')!);
      expect(idsOf(start)).toEqual(first);
      expect(linkOf(start, 'previous')).toBeUndefined();
      expect(linkOf(start, 'first')).toBeUndefined();
      expect(idsOf(await get(linkOf(pages[2]!, 'first')!))).toEqual(first);
    },
  );

  it('lead back to the same place while data changes', async () => {
    const first = await get('Patient?_count=4&_sort=birthdate');
    const second = await get(linkOf(first, 'next')!);
    const third = await get(linkOf(second, 'next')!);
    const known = [first, second, third].flatMap(idsOf);
    // One comes in before the page, one into it.
    await put('early', '1909');
    await put('between', '1914-06');
    const back = await get(linkOf(third, 'previous')!);
    expect(idsOf(back)[0]).toBe(idsOf(second)[0]);
    const on = [...idsOf(back)];
    for (let next = linkOf(back, 'next'); next !== undefined;) {
      const page = await get(next);
      on.push(...idsOf(page));
      next = linkOf(page, 'next');
    }
    expect(on.filter(id => id !== 'between')).toEqual(known.slice(4));
    expect(on).toContain('between');
    expect(idsOf(await get(linkOf(back, 'first')!))[0]).toBe('early');
  });

  it('end at the first page', async () => {
    let page = await get('Patient?_count=1&_sort=birthdate');
    let passed = 1;
    for (; linkOf(page, 'next') !== undefined; passed++) page = await get(linkOf(page, 'next')!);
    expect(passed).toBe(12);
    for (; linkOf(page, 'previous') !== undefined; passed--) page = await get(linkOf(page, 'previous')!);
    expect(passed).toBe(1);
    expect(idsOf(page)).toEqual(['early']);
  });

  it('stay short where values are long, and lead back to the start when they no longer know the way', async () => {
    for (let i = 10; i < 30; i++) {
      const name = Array.from({ length: 400 }, (_, at) => ((i * at * at) % 36).toString(36)).join('');
      await tsela().send('PUT', `Organization/o${i}`, {
        resourceType: 'Organization',
        id: `o${i}`,
        name: `${i}${name}`,
      });
    }
    let page = await get('Organization?_count=1&_sort=name');
    let passed = 1;
    for (; linkOf(page, 'next') !== undefined; passed++) {
      expect(linkOf(page, 'next')!.length).toBeLessThan(6000);
      page = await get(linkOf(page, 'next')!);
    }
    expect(passed).toBe(20);
    for (; linkOf(page, 'previous') !== undefined; passed--) page = await get(linkOf(page, 'previous')!);
    expect(passed).toBeGreaterThan(1);
    expect(idsOf(page)).toEqual([`o${passed + 9}`]);
    expect(idsOf(await get(linkOf(page, 'first')!))).toEqual(['o10']);
  });
});

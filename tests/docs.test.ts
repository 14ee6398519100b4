// Pages that are made from code are up to date, and links between pages lead somewhere.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { configurationPage, errorsPage, searchPage } from '../scripts/make-docs.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const text = (path: string): string => readFileSync(join(root, path), 'utf8');

describe('generated pages (node scripts/make-docs.mjs makes them anew)', () => {
  it.each([
    ['docs/configuration.md', configurationPage],
    ['docs/errors.md', errorsPage],
    ['docs/search.md', searchPage],
  ])('%s is up to date', async (path, page) => {
    expect(text(path)).toBe(await page());
  });
});

describe('links', () => {
  const folder = (path: string): string[] =>
    readdirSync(join(root, path))
      .filter(name => name.endsWith('.md'))
      .map(name => join(path, name));
  it.each(['README.md', 'CHANGELOG.md', ...folder('docs'), ...folder('docs/decisions')])(
    'of %s lead to files',
    page => {
      const targets = [...text(page).matchAll(/\]\(([^)#\s]+)(?:#[^)]*)?\)/g)]
        .map(match => match[1]!)
        .filter(target => !/^https?:/.test(target));
      expect(targets.filter(target => !existsSync(join(root, dirname(page), target)))).toEqual([]);
    },
  );
});

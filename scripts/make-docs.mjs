// Writes docs/configuration.md, docs/errors.md and the tables of docs/search.md from the code. tests/docs.test.ts fails
// while they are out of date. Run by hand: node scripts/make-docs.mjs
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ready, root } from './ready.mjs';

/** A code span that a table cell can hold. */
const code = text => `\`${String(text).replaceAll('|', '\\|')}\``;
const cell = text => text.replaceAll('|', '\\|');

export async function configurationPage() {
  const { settingRows } = await import(new URL('../dist/settings.js', import.meta.url));
  const lines = [
    '# Configuration',
    '',
    'Made from `src/settings.ts` by `node scripts/make-docs.mjs`. Settings are environment variables; an empty value counts as',
    'none. All problems are reported at once when Tsela starts. With `NODE_ENV=production` the values marked *development*',
    'are refused. A setting marked *secret* can be given by a file that holds it: its name with `_FILE` at the end, such as',
    '`TSELA_AUTH_SECRET_FILE=/run/secrets/auth`.',
  ];
  for (const section of new Set(settingRows.map(([, row]) => row.section))) {
    lines.push(
      '',
      `## ${section}`,
      '',
      '| Variable | Default | Meaning | Accepts | Example |',
      '|---|---|---|---|---|',
    );
    for (const [, row] of settingRows.filter(([, each]) => each.section === section)) {
      const development =
        (row.developmentOnly === undefined ? '' : ' *(development)*') + (row.secret ? ' *(secret)*' : '');
      const fallback = row.shown ?? code(row.fallback);
      lines.push(
        `| ${code(row.env)} | ${cell(fallback)} | ${cell(row.says)}${development} | ${cell(row.kind.accepts)} | ${code(row.example)} |`,
      );
    }
  }
  return `${lines.join('\n')}\n`;
}

export async function errorsPage() {
  const { errorTable } = await import(new URL('../dist/errors.js', import.meta.url));
  const lines = [
    '# Errors',
    '',
    'Made from `src/errors.ts` by `node scripts/make-docs.mjs`. Every failure is answered with an OperationOutcome whose first',
    'issue has this code; `details.text` says what was wrong and what is accepted, `expression` where. A failure of the server',
    'itself (500) says only the request id under which the log has its cause.',
    '',
    '| Code in logs | HTTP status | `issue.code` | When |',
    '|---|---|---|---|',
    ...Object.entries(errorTable).map(
      ([name, { status, issue, when }]) => `| ${code(name)} | ${status} | ${code(issue)} | ${cell(when)} |`,
    ),
  ];
  return `${lines.join('\n')}\n`;
}

const marks = ['<!-- made by scripts/make-docs.mjs from here -->', '<!-- to here -->'];

/** docs/search.md with the part between its marks made anew. */
export async function searchPage() {
  const { searchTables } = await import('./search-tables.mjs');
  const page = readFileSync(join(root, 'docs/search.md'), 'utf8');
  const [from, to] = marks.map(mark => page.indexOf(mark));
  if (from < 0 || to < from) throw new Error(`docs/search.md has not the marks ${marks.join(' … ')}`);
  return `${page.slice(0, from + marks[0].length)}\n\n${searchTables()}\n\n${page.slice(to)}`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  ready();
  writeFileSync(join(root, 'docs/configuration.md'), await configurationPage());
  writeFileSync(join(root, 'docs/errors.md'), await errorsPage());
  writeFileSync(join(root, 'docs/search.md'), await searchPage());
}

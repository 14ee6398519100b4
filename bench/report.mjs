// The table on the terminal, and the same in docs/performance.md between its two marks.
import Database from 'better-sqlite3';
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus, loadavg, release, totalmem, type } from 'node:os';
import { join } from 'node:path';
import { project } from './children.mjs';
import { short } from './statistics.mjs';

function commit() {
  try {
    return execFileSync('git', ['rev-parse', '--short', 'HEAD'], { cwd: project, encoding: 'utf8' }).trim();
  } catch {
    return 'unknown'; // a release is no repository
  }
}

export function machine() {
  const db = new Database(':memory:');
  const sqlite = db.prepare('SELECT sqlite_version()').pluck().get();
  db.close();
  return {
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: cpus().length,
    memory: `${Math.round(totalmem() / 1024 ** 3)} GB`,
    system: `${type()} ${release()}`,
    node: process.version,
    sqlite,
    commit: commit(),
    load: loadavg()[0],
  };
}

const targetText = target => {
  if (target === undefined) return '';
  const hope = target.hope === undefined ? '' : `, hope ${target.hope}`;
  return target.least !== undefined ? `≥ ${target.least}${hope}` : `≤ ${short(target.most)}`;
};

/** Whether a target is kept. Targets are of the ratio unless they say `ours`. */
export function isMet(target, { ours, ratio }) {
  const value = target.of === 'ours' ? ours : ratio;
  return target.least !== undefined ? value >= target.least : value <= target.most;
}

export function print({ machine: at, source, results }) {
  console.log(
    `\n${at.cpu}, ${at.cores} cores with a load of ${short(at.load)} before, Node ${at.node}, SQLite ${at.sqlite}; ${source}`,
  );
  for (const store of new Set(results.map(row => row.store))) {
    console.log(`\n${store}`);
    console.log('  ours      limit     ratio   target      ');
    for (const row of results.filter(each => each.store === store)) {
      if (row.table !== undefined) {
        console.log(`\n  ${row.table.title}`);
        for (const [name, ...cells] of [row.table.columns, ...row.table.rows])
          console.log(`  ${cells.map(cell => cell.padStart(14)).join('')}  ${name}`);
        console.log();
        continue;
      }
      const mark = row.met === undefined ? ' ' : row.met ? '✓' : '✗';
      const cells = [
        short(row.ours).padEnd(9),
        short(row.limit).padEnd(9),
        short(row.ratio).padEnd(7),
        targetText(row.target).padEnd(16),
      ];
      console.log(`${mark} ${cells.join(' ')} ${row.unit}: ${row.what}`);
      if (row.detail)
        console.log(
          `    ${Object.entries(row.detail)
            .map(([name, value]) => `${name} ${short(value)}`)
            .join(' · ')}`,
        );
    }
  }
}

const begin = part => `<!-- measured${part === undefined ? '' : ` ${part}`}: written by bench/run.mjs -->`;
const end = '<!-- /measured -->';

function tables({ date, command, machine: at, source, results }) {
  const lines = [
    `Measured ${date} at commit ${at.commit} by \`${command}\` on ${at.cores} cores of ${at.cpu} (load before: ${short(at.load)}), ${at.memory}, ${at.system}, Node ${at.node}, SQLite ${at.sqlite}. Data: ${source}.`,
  ];
  for (const store of new Set(results.map(row => row.store))) {
    const rows = results.filter(row => row.store === store && row.table === undefined);
    lines.push(
      '',
      `### ${store}`,
      '',
      '| measure | ours | limit | ratio | target | |',
      '|---|---|---|---|---|---|',
    );
    for (const row of rows) {
      const limit = row.limit === undefined ? '' : `${short(row.limit)} ${row.unit}`;
      const verdict = row.met === undefined ? '' : row.met ? 'met' : '**missed**';
      lines.push(
        `| ${row.what} | ${short(row.ours)} ${row.unit} | ${limit} | ${row.ratio === undefined ? '' : short(row.ratio)} | ${targetText(row.target)} | ${verdict} |`,
      );
    }
    lines.push('');
    for (const row of rows.filter(({ detail }) => detail !== undefined)) {
      lines.push(
        `- ${row.what}: ${Object.entries(row.detail)
          .map(([name, value]) => `${name} ${short(value)}`)
          .join(', ')}.`,
      );
    }
    for (const { table } of results.filter(row => row.store === store && row.table !== undefined)) {
      lines.push('', `${table.title}.`, '');
      for (const cells of [table.columns, table.columns.map(() => '---'), ...table.rows])
        lines.push(`| ${cells.join(' | ')} |`);
    }
  }
  return lines.join('\n');
}

/** Replaces what is between the marks of the part, and the part in result.json. The part without a name is the rest. */
export function record(result, part) {
  const json = join(project, 'bench/result.json');
  const { scale, ...rest } = existsSync(json) ? JSON.parse(readFileSync(json, 'utf8')) : {};
  const whole = part === undefined ? { ...result, scale } : { ...rest, scale: result };
  writeFileSync(json, `${JSON.stringify(whole, undefined, 2)}\n`);
  const file = join(project, 'docs/performance.md');
  const text = readFileSync(file, 'utf8');
  const [before, following] = text.split(begin(part));
  const at = following?.indexOf(end) ?? -1;
  if (at < 0) throw new Error(`docs/performance.md has lost its marks ${begin(part)} and ${end}`);
  writeFileSync(file, `${before}${begin(part)}\n${tables(result)}\n${following.slice(at)}`);
}

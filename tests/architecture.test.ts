// The rooms of the house: who may import whom, which package lives where, and the rules for files and names.
// docs/map.md is the same in prose. A new room is a row of `rooms`; a new package a row of `packageRooms`.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';
import { resourceTypes } from '../src/fhir/definitions.js';

const root = fileURLToPath(new URL('..', import.meta.url));

/** Room → rooms it may import, beside itself. A room is a folder of src or a file in it; the longest match counts. */
const ground = ['errors', 'give-way', 'fhir'];
const core = [
  ...ground,
  'terminology',
  'search',
  'validation',
  'storage',
  'auth',
  'jobs',
  'interactions',
  'clinic',
];
const rooms: Readonly<Record<string, readonly string[]>> = {
  errors: [],
  'give-way': [],
  'setting-kinds': [],
  setting: ['setting-kinds'],
  'mail-settings': ['setting-kinds', 'setting'],
  settings: ['setting-kinds', 'setting', 'mail-settings'],
  config: ['setting', 'settings'],
  fhir: ['errors', 'give-way'],
  terminology: ground,
  search: [...ground, 'terminology'],
  validation: [...ground, 'terminology', 'search'],
  storage: [...ground, 'search'],
  'storage/sqlite': [...ground, 'search', 'storage'],
  'storage/mongo': [...ground, 'search', 'storage'],
  'storage/local': [...ground, 'search', 'storage'],
  notifications: [],
  auth: [...ground, 'search', 'storage', 'config', 'notifications'],
  audit: [...ground, 'storage', 'config'],
  facilities: [...ground, 'search', 'storage'],
  clinic: [...ground, 'terminology', 'search', 'validation', 'storage', 'interactions'],
  jobs: [...ground, 'search', 'storage'],
  interactions: [...ground, 'terminology', 'search', 'validation', 'storage', 'auth', 'jobs'],
  operations: core,
  routes: ['interactions', 'operations'],
  dispatch: [...core, 'audit', 'routes'],
  http: [...ground, 'facilities', 'config', 'audit', 'auth', 'interactions'],
  system: [
    ...core,
    'config',
    'audit',
    'facilities',
    'notifications',
    'routes',
    'dispatch',
    'storage/sqlite',
    'storage/mongo',
    'storage/local',
  ],
  main: ['errors', 'config', 'audit', 'auth', 'http', 'system'],
  cli: [...core, 'config', 'audit', 'facilities', 'dispatch', 'system', 'main'],
};

/** Package → rooms where it may be imported. Packages not listed may not be imported at all. */
const packageRooms: Readonly<Record<string, readonly string[]>> = {
  koa: ['http'],
  '@koa/router': ['http'],
  'koa-mount': ['http'],
  'oidc-provider': ['auth'],
  'openid-client': ['auth'],
  jose: ['auth'],
  '@node-rs/argon2': ['auth'],
  otpauth: ['auth'],
  '@simplewebauthn/server': ['auth'],
  mongodb: ['storage/mongo'],
  'better-sqlite3': ['storage/sqlite'],
  ajv: ['validation'],
  pino: ['audit'],
  'prom-client': ['audit'],
  '@lhncbc/ucum-lhc': ['fhir'],
  nodemailer: ['notifications'],
  ioredis: ['http'],
  commander: ['cli'],
};

const forbiddenWords = new Set([
  'util',
  'utils',
  'helper',
  'helpers',
  'common',
  'base',
  'misc',
  'manager',
  'service',
  'factory',
  'impl',
  'v2',
  'fast',
  'new',
]);

/** What the protocol itself needs (TerminologyCapabilities: metadata?mode=terminology), and therefore rooms without knowledge of resource types may name. */
const protocolTypes = new Set([
  'Bundle',
  'Binary',
  'Parameters',
  'OperationOutcome',
  'CapabilityStatement',
  'StructureDefinition',
  'SearchParameter',
  'ValueSet',
  'CodeSystem',
  'ConceptMap',
  'CompartmentDefinition',
  'OperationDefinition',
  'List',
  'Group',
  'AuditEvent',
  'Provenance',
  'Consent',
  'Subscription',
  'TerminologyCapabilities',
]);
const roomsWithoutTypes = ['http', 'interactions', 'search', 'storage'];

interface Source {
  /** Relative to src, with slashes. */
  readonly path: string;
  readonly room: string;
  /** Modules of src, relative to it, without ending. */
  readonly modules: readonly string[];
  readonly packages: readonly string[];
  readonly literals: readonly string[];
  readonly text: string;
}

const filesIn = (folder: string): string[] =>
  existsSync(folder)
    ? readdirSync(folder, { withFileTypes: true }).flatMap(entry =>
        entry.isDirectory() ? filesIn(join(folder, entry.name)) : [join(folder, entry.name)],
      )
    : [];

const roomOf = (path: string): string => {
  const parts = path.replace(/\.ts$/, '').split('/');
  const candidates = parts.map((_, i) => parts.slice(0, parts.length - i).join('/'));
  return candidates.find(candidate => candidate in rooms) ?? `${parts[0]} (no row in rooms)`;
};

function readSource(file: string): Source {
  const path = relative(join(root, 'src'), file);
  const text = readFileSync(file, 'utf8');
  const specifiers: string[] = [];
  const literals: string[] = [];
  const visit = (node: ts.Node): void => {
    if (
      (ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) &&
      node.moduleSpecifier &&
      ts.isStringLiteral(node.moduleSpecifier)
    ) {
      specifiers.push(node.moduleSpecifier.text);
      return;
    }
    const isCall = ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword;
    const isUrl =
      ts.isNewExpression(node) &&
      node.expression.getText() === 'URL' &&
      /\.js['"]$/.test(node.arguments?.[0]?.getText() ?? '');
    const [first] = isCall || isUrl ? (node.arguments ?? []) : [];
    if (first && ts.isStringLiteral(first)) specifiers.push(first.text);
    else if (
      ts.isStringLiteralLike(node) ||
      ts.isTemplateHead(node) ||
      ts.isTemplateMiddle(node) ||
      ts.isTemplateTail(node)
    )
      literals.push(node.text);
    ts.forEachChild(node, visit);
  };
  visit(ts.createSourceFile(file, text, ts.ScriptTarget.Latest, true));
  const own = specifiers.filter(each => each.startsWith('.'));
  return {
    path,
    room: roomOf(path),
    modules: own.map(each => join(dirname(path), each).replace(/\.js$/, '')),
    packages: specifiers.filter(each => !each.startsWith('.') && !each.startsWith('node:')).map(packageOf),
    literals,
    text,
  };
}

const packageOf = (specifier: string): string =>
  specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/');

const sources = filesIn(join(root, 'src'))
  .filter(file => file.endsWith('.ts'))
  .map(readSource);

describe('imports', () => {
  it('follow the table of rooms', () => {
    const wrong = sources.flatMap(({ path, room, modules }) =>
      modules
        .map(module => ({ module, target: roomOf(module) }))
        .filter(({ target }) => target !== room && !(rooms[room] ?? []).includes(target))
        .map(({ module, target }) => `${path} (${room}) imports ${module} (${target})`),
    );
    expect(wrong).toEqual([]);
  });

  it('of packages stay in their rooms', () => {
    const wrong = sources.flatMap(({ path, room, packages }) =>
      packages
        .filter(name => !packageRooms[name]?.some(allowed => room === allowed))
        .map(name => `${path} imports ${name}`),
    );
    expect(wrong).toEqual([]);
  });

  it('of packages are exactly the dependencies', () => {
    const { dependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
      dependencies: Record<string, string>;
    };
    expect(Object.keys(packageRooms).sort()).toEqual(Object.keys(dependencies).sort());
  });

  it('have no cycle', () => {
    const byModule = new Map(sources.map(({ path, modules }) => [path.replace(/\.ts$/, ''), modules]));
    const done = new Set<string>();
    const cycles: string[] = [];
    const walk = (module: string, trail: readonly string[]): void => {
      const seenAt = trail.indexOf(module);
      if (seenAt >= 0) cycles.push([...trail.slice(seenAt), module].join(' → '));
      if (seenAt >= 0 || done.has(module)) return;
      for (const next of byModule.get(module) ?? []) walk(next, [...trail, module]);
      done.add(module);
    };
    for (const module of byModule.keys()) walk(module, []);
    expect(cycles).toEqual([]);
  });
});

describe('files', () => {
  const written = ['src', 'tests', 'scripts', 'bench', 'conformance'].flatMap(folder =>
    filesIn(join(root, folder)).filter(file => /\.(ts|mjs)$/.test(file)),
  );
  const names = written.map(file => relative(root, file));

  it('have at most 500 lines', () => {
    expect(
      names.filter(name => readFileSync(join(root, name), 'utf8').trimEnd().split('\n').length > 500),
    ).toEqual([]);
  });

  it('open with a comment that says what they do', () => {
    expect(
      names.filter(name => !/^(#!.*\n)?(\/\/|\/\*)/.test(readFileSync(join(root, name), 'utf8'))),
    ).toEqual([]);
  });

  it('have names in kebab-case that mean something', () => {
    const wrong = names.filter(name => {
      const words = name.split('/').map(part => basename(part).replace(/(\.test)?\.(ts|mjs)$/, ''));
      return words.some(
        word =>
          !/^[a-z0-9]+(-[a-z0-9]+)*$/.test(word) || word.split('-').some(each => forbiddenWords.has(each)),
      );
    });
    expect(wrong).toEqual([]);
  });

  it('of a room are explained by a README of at most 15 lines', () => {
    const folders = new Set(
      sources
        .map(({ path }) => path.split('/'))
        .filter(parts => parts.length > 1)
        .map(parts => parts[0]!),
    );
    const lines = (folder: string): number => {
      const file = join(root, 'src', folder, 'README.md');
      return existsSync(file) ? readFileSync(file, 'utf8').trimEnd().split('\n').length : Infinity;
    };
    expect([...folders].filter(folder => lines(folder) > 15)).toEqual([]);
  });
});

describe('knowledge', () => {
  it('of the environment is in config.ts alone', () => {
    expect(
      sources
        .filter(({ path, text }) => path !== 'config.ts' && text.includes('process.env'))
        .map(({ path }) => path),
    ).toEqual([]);
  });

  it('of resource types is not in rooms that serve them all', () => {
    const types = [...resourceTypes()].filter(type => !protocolTypes.has(type));
    const named = new RegExp(`^(?:${types.join('|')})(?:$|[/?])`);
    const wrong = sources
      .filter(({ path }) => roomsWithoutTypes.some(room => path.startsWith(`${room}/`)))
      .flatMap(({ path, literals }) =>
        literals.filter(literal => named.test(literal)).map(literal => `${path} names ${literal}`),
      );
    expect(wrong).toEqual([]);
  });

  it('of the system grant is where it is needed', () => {
    const users = sources
      .filter(({ path, text }) => path !== 'auth/grant.ts' && /\bSYSTEM\b(?!')/.test(text))
      .map(({ room }) => room);
    expect(
      users.filter(room => !['system', 'cli', 'operations', 'jobs', 'subscriptions'].includes(room)),
    ).toEqual([]);
  });
});

describe('docs/map.md', () => {
  const map = readFileSync(join(root, 'docs/map.md'), 'utf8');
  const paths = [
    ...map.matchAll(/`((?:src|tests|docs|scripts|bench|profiles|conformance|\.ci)(?:\/[\w.-]+)*\/?)`/g),
  ].map(match => match[1]!);

  it('names only what exists', () => {
    expect(paths.length).toBeGreaterThan(20);
    expect(paths.filter(path => !existsSync(join(root, path)))).toEqual([]);
  });

  it('names every room', () => {
    const tops = new Set(
      sources.map(({ path }) => (path.includes('/') ? `src/${path.split('/')[0]}/` : `src/${path}`)),
    );
    expect([...tops].filter(top => !paths.includes(top))).toEqual([]);
  });
});

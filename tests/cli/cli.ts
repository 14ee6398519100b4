// Runs the command line as people do: as a process of its own.
import { spawn, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const cli = fileURLToPath(new URL('../../dist/cli.js', import.meta.url));

export interface Ran {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

export interface Running {
  readonly process: ChildProcess;
  readonly ended: Promise<Ran>;
  /** Resolves when stdout holds the text. */
  says(text: string): Promise<string>;
  /** Of stdout so far. */
  said(): string;
}

/** Settings of the machine that runs the tests do not reach the process. */
const ownEnvironment = (): Record<string, string> => {
  const kept = Object.entries(process.env).filter(
    ([name]) => !/^(TSELA_|MONGODB_URL|REDIS_URL|NODE_ENV|NODE_OPTIONS)/.test(name),
  );
  return Object.fromEntries(kept.map(([name, value]) => [name, value ?? '']));
};

export function begin(
  args: readonly string[],
  more: { input?: Buffer | string; env?: Record<string, string> } = {},
): Running {
  const child = spawn(process.execPath, [cli, ...args], { env: { ...ownEnvironment(), ...more.env } });
  let out = '';
  let err = '';
  const waiting: { text: string; found: (out: string) => void }[] = [];
  child.stdout.on('data', (chunk: Buffer) => {
    out += chunk.toString();
    for (const { text, found } of waiting) if (out.includes(text)) found(out);
  });
  child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()));
  child.stdin.on('error', () => undefined); // it may end without reading
  child.stdin.end(more.input);
  const ended = new Promise<Ran>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', code => resolve({ code, out, err }));
  });
  return {
    process: child,
    ended,
    said: () => out,
    says: text =>
      new Promise((resolve, reject) => {
        if (out.includes(text)) return resolve(out);
        waiting.push({ text, found: resolve });
        void ended.then(ran =>
          reject(new Error(`ended with ${ran.code} before it said "${text}": ${ran.out}${ran.err}`)),
        );
      }),
  };
}

export const tsela = (args: readonly string[], more: Parameters<typeof begin>[1] = {}): Promise<Ran> =>
  begin(args, more).ended;

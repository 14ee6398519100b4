// Where a command works: on a running server by its address, or on the data of a stopped one in this process.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Config } from '../config.js';
import type { Documents } from '../storage/documents.js';
import type { System } from '../system.js';
import type { Sender } from './load/sender.js';
import { inProcess, overHttp } from './load/sender.js';
import { Problem, sentenceOf } from './problem.js';

export interface DataOptions {
  readonly data?: string;
  readonly mongodbUrl?: string;
}

export interface TargetOptions extends DataOptions {
  readonly url?: string;
  /** `Name: value`, sent with every request. */
  readonly header?: readonly string[];
}

/** The configuration with the command's options above the environment. @throws ConfigError */
export async function configOf({ data, mongodbUrl }: DataOptions): Promise<Config> {
  const { readConfig } = await import('../config.js');
  return readConfig({
    ...(data === undefined ? {} : { data }),
    ...(mongodbUrl === undefined ? {} : { mongoUrl: mongodbUrl }),
  });
}

/**
 * The whole system without a port. Its store belongs to this process until `close`.
 * @throws Problem where `mustExist` and there is no embedded store yet
 */
export async function openSystem(
  options: DataOptions,
  { mustExist = false } = {},
): Promise<{ system: System; base: string }> {
  const config = await configOf(options);
  if (mustExist && config.mongoUrl === undefined) checkStore(config);
  if (options.data !== undefined && config.mongoUrl !== undefined) {
    process.stderr.write(`MONGODB_URL is set: the store is MongoDB, not the one in ${options.data}.\n`);
  }
  const { originOf } = await import('../config.js');
  const { createSystem } = await import('../system.js');
  const base = `${originOf(config)}/fhir`;
  const system = await createSystem(config, base, {
    info: message => process.stderr.write(`${message}\n`),
    failure: error => process.stderr.write(`${sentenceOf(error)}\n`),
  });
  return { system, base };
}

/** Works on the documents of a server, also of one that is running, and closes them. */
export async function withDocuments<T>(
  options: DataOptions,
  work: (documents: Documents) => Promise<T>,
): Promise<T> {
  const { openDocuments } = await import('../system.js');
  const documents = await openDocuments(await configOf(options));
  try {
    return await work(documents);
  } finally {
    await documents.close();
  }
}

/** The file of the embedded store. */
export const storeOf = (config: Config): string => join(config.data, 'tsela.sqlite');

/** @throws Problem where there is no embedded store yet */
export function checkStore(config: Config): void {
  if (!existsSync(storeOf(config))) {
    throw new Problem(
      `There is no store in ${config.data}.`,
      'Give the folder the server was started with: --data FOLDER.',
    );
  }
}

/** @throws Problem where the options name no target, or two. */
export async function oneTarget(options: TargetOptions): Promise<void> {
  const { url, data, mongodbUrl } = options;
  const isHere = data !== undefined || mongodbUrl !== undefined;
  if (url !== undefined && isHere) {
    throw new Problem(
      '--url and --data or --mongodb-url exclude each other.',
      'Give --url for a running server, --data for a stopped one.',
    );
  }
  if (url === undefined && !isHere && (await configOf(options)).mongoUrl === undefined) {
    throw new Problem(
      'Which server? Give --url or --data.',
      'For example --url http://127.0.0.1:8080/fhir for a running server, or --data ./data for a stopped one.',
    );
  }
}

/** @throws Problem where the options contradict each other or no server answers. */
export async function openTarget(options: TargetOptions, connections: number): Promise<Sender> {
  await oneTarget(options);
  if (options.url !== undefined)
    return greeted(overHttp(options.url, headersOf(options.header), connections));
  const { system, base } = await openSystem(options);
  return inProcess(system, base);
}

export function headersOf(lines: readonly string[] = []): Record<string, string> {
  return Object.fromEntries(
    lines.map(line => {
      const [, name, value] = /^([!#$%&'*+.^_`|~A-Za-z0-9-]+):\s*(.+)$/.exec(line) ?? [];
      if (name === undefined || value === undefined)
        throw new Problem(`--header "${line}": expected "Name: value".`);
      return [name.toLowerCase(), value];
    }),
  );
}

/** Asks for the CapabilityStatement, so that a wrong address is told before thousands of requests fail. */
export async function greeted(sender: Sender): Promise<Sender> {
  const refuse = async (message: string, hint: string, cause?: unknown): Promise<never> => {
    await sender.close();
    throw new Problem(message, hint, { cause });
  };
  let status: number;
  try {
    ({ status } = await sender.send({
      method: 'GET',
      path: 'metadata',
      headers: { accept: 'application/fhir+json' },
    }));
  } catch (cause) {
    return refuse(
      `No server answers at ${sender.base}: ${sentenceOf(cause)}`,
      'Is it running? `tsela start --open` starts one; its FHIR base ends in /fhir.',
      cause,
    );
  }
  if (status === 404) {
    return refuse(
      `There is no FHIR server at ${sender.base}.`,
      'The address has to be the FHIR base, for example http://127.0.0.1:8080/fhir',
    );
  }
  if (status === 401 || status === 403) {
    return refuse(
      `The server at ${sender.base} wants a login (${status}).`,
      'Give a token: --header "Authorization: Bearer …"',
    );
  }
  return sender;
}

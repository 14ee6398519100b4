// tsela package install: an implementation guide's package into a running server, or into the data of a stopped one.
// https://hl7.org/fhir/R4/packages.html
import { readFile } from 'node:fs/promises';
import type { Answer } from './load/sender.js';
import { Problem, sentenceOf } from './problem.js';
import { openTarget, type TargetOptions } from './target.js';

interface Parameter {
  readonly name: string;
  readonly valueString?: string;
  readonly valueInteger?: number;
}

export async function installPackages(paths: readonly string[], options: TargetOptions): Promise<number> {
  const target = await openTarget(options, 1);
  try {
    for (const path of paths) {
      const content = await readFile(path).catch((cause: unknown) => {
        throw new Problem(`${path} cannot be read: ${sentenceOf(cause)}`, undefined, { cause });
      });
      const body = JSON.stringify({
        resourceType: 'Parameters',
        parameter: [{ name: 'npmContent', valueBase64Binary: content.toString('base64') }],
      });
      const answer = await target.send({
        method: 'POST',
        path: 'ImplementationGuide/$install',
        headers: { 'content-type': 'application/fhir+json', accept: 'application/fhir+json' },
        body: Buffer.from(body),
      });
      tell(path, answer);
    }
    return 0;
  } finally {
    await target.close();
  }
}

function tell(path: string, { status, body }: Answer): void {
  const answer = JSON.parse(body) as { parameter?: Parameter[]; issue?: { details?: { text?: string } }[] };
  if (status !== 200)
    throw new Problem(`${path} was not installed: ${answer.issue?.[0]?.details?.text ?? `status ${status}`}`);
  const parameters = answer.parameter ?? [];
  const valueOf = (name: string): string => {
    const found = parameters.find(one => one.name === name);
    return String(found?.valueString ?? found?.valueInteger ?? '');
  };
  process.stdout.write(
    `Installed ${valueOf('name')} ${valueOf('version')}: ${valueOf('definitions')} definitions.\n`,
  );
  for (const { valueString } of parameters.filter(({ name }) => name === 'missing'))
    process.stdout.write(`  It builds on ${valueString ?? ''}, which is not installed.\n`);
}

// npm run demo, as somebody runs it for the first time, but for the installation: every request it prints has an answer.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

const root = fileURLToPath(new URL('../..', import.meta.url));

it('starts with patients, says where everything is, and stops when asked', () => {
  const data = mkdtempSync(join(tmpdir(), 'tsela-demo-'));
  const env: NodeJS.ProcessEnv = { ...process.env };
  delete env['MONGODB_URL'];
  try {
    const demo = (): { status: number | null; stdout: string; stderr: string } =>
      spawnSync(
        process.execPath,
        ['scripts/demo.mjs', '--once', '--port', '0', '--patients', '3', '--data', data],
        { cwd: root, env, encoding: 'utf8' },
      );
    for (const { status, stdout, stderr } of [demo(), demo()]) {
      expect(stderr).not.toMatch(/error/i);
      expect(status).toBe(0);
      expect(stdout).toMatch(/FHIR base +http:\/\/127\.0\.0\.1:\d+\/fhir\n/);
      expect(stdout).toMatch(/demo-admin +[\w-]{12} +Practitioner\//);
      expect(stdout).toMatch(/demo-doctor +[\w-]{12} +Practitioner\//);
      expect(stdout).toMatch(/demo-patient +[\w-]{12} +Patient\//);
      expect(stdout).toContain('client_id demo-app');
      expect(stdout).toMatch(/curl 'http:\/\/127\.0\.0\.1:\d+\/fhir\/Patient\/[A-Za-z0-9.-]+\?_pretty=true'/);
      expect(stdout).toMatch(/\b3 patients\b/);
    }
  } finally {
    rmSync(data, { recursive: true, force: true });
  }
});

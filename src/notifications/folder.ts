// Mail for development: every message becomes a file of a folder. The files hold links with secrets, so that only their
// owner may read them and production refuses the setting.
import { randomBytes } from 'node:crypto';
import { constants, mkdirSync } from 'node:fs';
import { access, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { NotSent, type Mail } from './mail.js';

export function folderMail(folder: string): Mail {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  return {
    async send({ to, subject, text }) {
      const name = `${new Date().toISOString().replace(/[:.]/g, '-')}-${randomBytes(4).toString('hex')}.txt`;
      await writeFile(join(folder, name), `To: ${to}\nSubject: ${subject}\n\n${text}\n`, { mode: 0o600 });
    },
    async check() {
      await access(folder, constants.W_OK).catch(() =>
        Promise.reject(new NotSent('the folder cannot be written', false)),
      );
    },
    close: () => undefined,
  };
}

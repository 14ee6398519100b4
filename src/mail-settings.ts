// The settings of mail, part of the rows of src/settings.ts.
import { file, mailAddress, url } from './setting-kinds.js';
import { row } from './setting.js';

export const mailSettings = {
  smtpUrl: row({
    section: 'Mail',
    env: 'TSELA_SMTP_URL',
    kind: url('an smtp:// or smtps:// URL', 'smtp:', 'smtps:'),
    fallback: undefined,
    shown: 'none: no mail is sent',
    says: 'The mail server that invitations, new passwords and notices are sent through. `smtps:` begins with TLS; `smtp:` has to become TLS by STARTTLS, except on this machine.',
    example: 'smtp://tsela:password@mail.example.org:587',
    secret: true,
  }),
  smtpCa: row({
    section: 'Mail',
    env: 'TSELA_SMTP_CA',
    kind: file,
    fallback: undefined,
    shown: 'none: the public authorities',
    says: 'The file of the certificates (PEM) that the certificate of the mail server is signed by.',
    example: '/etc/tsela/hospital-ca.crt',
  }),
  mailFrom: row({
    section: 'Mail',
    env: 'TSELA_MAIL_FROM',
    kind: mailAddress,
    fallback: undefined,
    shown: 'none',
    says: 'The address mail comes from; a must with a mail server.',
    example: 'tsela@hospital.example.org',
  }),
  mailFolder: row({
    section: 'Mail',
    env: 'TSELA_MAIL_FOLDER',
    kind: file,
    fallback: undefined,
    shown: 'none',
    says: 'Instead of a mail server: the folder that messages are written into, with the links they hold.',
    example: './mail',
    developmentOnly: value => value !== undefined,
  }),
};

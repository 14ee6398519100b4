// Where somebody who works here finds a patient among those they may see and opens an app for them, without software of
// an EHR between. https://hl7.org/fhir/smart-app-launch/app-launch.html#launch-app-ehr-launch
import type { KoaContextWithOIDC, Provider } from 'oidc-provider';
import { userOf, type Account, type Accounts } from './accounts.js';
import type { Launches } from './approvals.js';
import type { ClientRecord, Clients } from './clients.js';
import type { Choice } from './consent.js';
import { ownGrant, type CompileGrant, type Directory } from './directory.js';
import { sentForm, type Middleware } from './endpoints.js';
import type { AccessEvent } from './events.js';
import type { Grant } from './grant.js';
import { goTo, html, sendPage, type Html } from './html.js';
import { launchAddress } from './launch.js';
import { isSealed, sessionOf } from './own-session.js';
import { originOrScheme, textOf } from './provider.js';
import { sealOf, type Secrets } from './secrets.js';

export interface OpenAppOptions {
  readonly provider: () => Provider;
  readonly prefix: string;
  readonly bases: readonly string[];
  readonly accounts: Accounts;
  readonly clients: Clients;
  readonly launches: Launches;
  readonly directory: Directory;
  readonly compile: CompileGrant;
  readonly secrets: Secrets;
  readonly onEvent: (event: AccessEvent) => void;
}

export const openAppPage =
  (options: OpenAppOptions): Middleware =>
  async (ctx, next) => {
    if (ctx.path !== '/apps' || !['GET', 'POST'].includes(ctx.method)) return void (await next());
    const { prefix, accounts, provider, secrets, compile } = options;
    const refuse = (status: number, title: string, words: string): void =>
      sendPage(ctx, title, html`<p class="wrong">${words}</p>`, { status, prefix });
    const form = await sentForm(ctx);
    const own = await sessionOf(provider(), accounts, ctx);
    if (own === undefined) return goTo(ctx, `${prefix}/sign-in`);
    const { session, account } = own;
    if (form === 'refused' || (form !== undefined && !isSealed(secrets, session, form)))
      return refuse(400, 'This page has expired', 'Open it again.');
    if (!/^Practitioner(?:Role)?\//.test(account.fhirUser))
      return refuse(403, 'Open an app', 'Only people who work here open apps for a patient.');
    const grant = await compile(ownGrant(userOf(account)));
    const seal = sealOf(secrets, session.uid);
    const page = { options, ctx, account, grant, seal, base: baseFor(account, options.bases) };
    const id = form?.get('patient') ?? textOf(ctx.query['patient']);
    const patient = id === undefined ? undefined : await options.directory.patient(page.base, grant, id);
    if (id !== undefined && patient === undefined)
      return refuse(404, 'Open an app', 'There is no such patient.');
    if (patient === undefined) return findPatient(page);
    if (form === undefined) return chooseApp(page, patient);
    await openApp(page, patient, form);
  };

interface Page {
  readonly options: OpenAppOptions;
  readonly ctx: KoaContextWithOIDC;
  readonly account: Account;
  readonly grant: Grant;
  readonly seal: string;
  readonly base: string;
}

/** Who belongs to a facility works there; everybody else at the district's address. */
const baseFor = ({ facility }: Account, bases: readonly string[]): string =>
  bases.find(base => facility !== undefined && base.endsWith(`/facilities/${facility}/fhir`)) ?? bases[0]!;

/** Apps that can be opened in a context. */
const isOpenable = ({ launchUri, redirectUris, scopes }: ClientRecord): boolean =>
  launchUri !== undefined && redirectUris.length > 0 && scopes.includes('launch');

async function findPatient({ options, ctx, grant, base }: Page): Promise<void> {
  const { prefix, directory } = options;
  const text = textOf(ctx.query['q']) ?? '';
  const found = await directory.patients(base, grant, text);
  const row = ({ id, title, detail }: Choice): Html =>
    html`<li>
      <a href="${prefix}/apps?${new URLSearchParams({ patient: id }).toString()}">${title}</a>
      <span class="quiet">${detail}</span>
    </li>`;
  sendPage(
    ctx,
    'Open an app',
    html`<form method="get" action="${prefix}/apps" role="search">
        <label for="q">Find a patient by name or identifier</label>
        <input type="search" id="q" name="q" value="${text}" />
        <button>Find</button>
      </form>
      ${
        found.length === 0
          ? html`<p>No patient was found.</p>`
          : html`<ul>
              ${found.map(row)}
            </ul>`
      }
      <p><a href="${prefix}/manage">Your access</a></p>`,
    { prefix },
  );
}

async function chooseApp(
  { options, ctx, grant, seal, base }: Page,
  patient: Choice,
  wrong?: string,
): Promise<void> {
  const { prefix, clients, directory } = options;
  const apps = (await clients.list()).filter(isOpenable).sort((a, b) => a.name.localeCompare(b.name));
  const visits = await directory.encounters(base, grant, patient.id);
  const radio = (name: string, { id, title, detail }: Choice, checked = false): Html =>
    html`<label class="choice"
      ><input type="radio" name="${name}" value="${id}" ${checked && html`checked`} /> ${title}
      <span class="quiet">${detail}</span></label
    >`;
  const again = html`<p><a href="${prefix}/apps">Another patient</a></p>`;
  const said = wrong !== undefined && html`<p class="wrong" role="alert">${wrong}</p>`;
  const who = html`<p>
    Patient: <strong>${patient.title}</strong> <span class="quiet">${patient.detail}</span>
  </p>`;
  const none = html`${who}
    <p>No app is registered that can be opened for a patient.</p>
    ${again}`;
  const form = html`${said} ${who}
    <form method="post" action="${prefix}/apps">
      <input type="hidden" name="seal" value="${seal}" />
      <input type="hidden" name="patient" value="${patient.id}" />
      <fieldset>
        <legend>Which app?</legend>
        ${apps.map(({ id, name }) => radio('app', { id, title: name, detail: '' }, apps.length === 1))}
      </fieldset>
      ${
        visits.length > 0 &&
        html`<fieldset>
          <legend>Which visit?</legend>
          ${radio('encounter', { id: '', title: 'none', detail: '' }, true)}
          ${visits.map(visit => radio('encounter', visit))}
        </fieldset>`
      }
      <button class="first">Open</button>
    </form>
    ${again}`;
  // Browsers hold the redirect after the form to these too.
  const leadsTo = [...new Set(apps.map(({ launchUri }) => originOrScheme(launchUri!)))].join(' ');
  sendPage(ctx, 'Open an app', apps.length === 0 ? none : form, {
    prefix,
    status: wrong === undefined ? 200 : 400,
    ...(leadsTo === '' ? {} : { leadsTo }),
  });
}

async function openApp(page: Page, patient: Choice, form: URLSearchParams): Promise<void> {
  const { options, ctx, account, grant, base } = page;
  const client = await options.clients.find(form.get('app') ?? '');
  if (client === undefined || !isOpenable(client)) return chooseApp(page, patient, 'Choose an app.');
  const visit = form.get('encounter') ?? '';
  const [encounter] = visit === '' ? [] : await options.directory.encounters(base, grant, patient.id, visit);
  if (visit !== '' && encounter === undefined)
    return chooseApp(page, patient, 'There is no such visit of this patient.');
  const launch = await options.launches.start({
    clientId: client.id,
    aud: base,
    account: account.id,
    context: {
      patient: patient.id,
      ...(encounter === undefined ? {} : { encounter: encounter.id }),
      // Opened on a page of its own: nothing around it says who the patient is.
      need_patient_banner: true,
    },
  });
  options.onEvent({ kind: 'launch', account: account.id, client: client.id });
  goTo(ctx, launchAddress(client.launchUri!, base, launch));
}

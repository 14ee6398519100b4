// The pages between an app's request and its code: sign in, then approve. The library keeps the request and leads here
// and back; what is answered here can only narrow it.
// https://hl7.org/fhir/smart-app-launch/app-launch.html#obtain-authorization-code
import type { Interaction, KoaContextWithOIDC, Provider } from 'oidc-provider';
import { userOf, type Account, type Accounts } from './accounts.js';
import type { Approvals, Launch, LaunchContext, Launches } from './approvals.js';
import type { ClientRecord, Clients } from './clients.js';
import { chosenOf, consentPage, type Choice } from './consent.js';
import { ownGrant, type CompileGrant, type Directory } from './directory.js';
import { impliedPrompt, sentForm, type Middleware } from './endpoints.js';
import type { AccessEvent } from './events.js';
import type { Grant } from './grant.js';
import { goTo, html, sendPage } from './html.js';
import type { Login } from './login.js';
import { answerOf, passwordPage, stepPage } from './login-page.js';
import { baseOf, lifetimes, originOrScheme, textOf } from './provider.js';
import { canBeKnown, type Answers } from './remembered.js';
import { granted, isStaticScope, scopesIn } from './scopes.js';
import type { Upstream } from './upstream.js';
import type { Links } from './upstream-links.js';
import { accountOf, othersAt, unlinked } from './upstream-pages.js';

export interface InteractionOptions {
  readonly provider: () => Provider;
  readonly bases: readonly string[];
  readonly prefix: string;
  readonly accounts: Accounts;
  readonly clients: Clients;
  readonly approvals: Approvals;
  readonly launches: Launches;
  readonly answers: Answers;
  readonly login: Login;
  /** Where a new password is asked for; absent where this server sends no mail. */
  readonly forgotten: string | undefined;
  readonly upstream: Upstream;
  readonly upstreamLinks: Links;
  readonly directory: Directory;
  readonly compile: CompileGrant;
  readonly onEvent: (event: AccessEvent) => void;
}

export const interactions =
  (options: InteractionOptions): Middleware =>
  async (ctx, next) => {
    const [, uid, elsewhere] = /^\/interaction\/([\w-]+)(\/upstream)?$/.exec(ctx.path) ?? [];
    const isKnown = ctx.method === 'GET' || (ctx.method === 'POST' && elsewhere === undefined);
    if (uid === undefined || !isKnown) return void (await next());
    const { prefix } = options;
    let interaction: Interaction;
    try {
      interaction = await options.provider().interactionDetails(ctx.req, ctx.res);
    } catch {
      return expired(ctx, prefix);
    }
    if (interaction.uid !== uid) return expired(ctx, prefix);
    const form = await sentForm(ctx);
    if (form === 'refused') return expired(ctx, prefix);
    if (interaction.prompt.name === 'login' && elsewhere !== undefined)
      await signInElsewhere(options, ctx, interaction);
    else if (elsewhere !== undefined) expired(ctx, prefix);
    else if (interaction.prompt.name === 'login') await signIn(options, ctx, interaction, form);
    else await approve(options, ctx, interaction, form);
  };

const expired = (ctx: KoaContextWithOIDC, prefix: string): void =>
  sendPage(ctx, 'This page has expired', html`<p>Go back to the app and start again.</p>`, {
    status: 400,
    prefix,
  });

/** Ends the interaction with what came of it; the browser goes on to the app or the next page. */
async function finish(
  { provider }: InteractionOptions,
  ctx: KoaContextWithOIDC,
  result: Parameters<Provider['interactionResult']>[2],
): Promise<void> {
  const to = await provider().interactionResult(ctx.req, ctx.res, result, {
    mergeWithLastSubmission: 'consent' in result,
  });
  goTo(ctx, to);
}

const redirectOf = (interaction: Interaction): string | undefined => {
  const uri = interaction.params['redirect_uri'];
  return typeof uri === 'string' && URL.canParse(uri) ? originOrScheme(uri) : undefined;
};

async function signIn(
  options: InteractionOptions,
  ctx: KoaContextWithOIDC,
  interaction: Interaction,
  form: URLSearchParams | undefined,
): Promise<void> {
  const { prefix, login, clients, forgotten, upstream, onEvent } = options;
  const clientId = String(interaction.params['client_id']);
  const client = await clients.find(clientId);
  const page = { prefix, leadsTo: redirectOf(interaction) };
  const action = `${prefix}/interaction/${interaction.uid}`;
  const others = othersAt(upstream, `${action}/upstream`);
  const show = (content: ReturnType<typeof passwordPage>, status = 200): void =>
    sendPage(ctx, 'Sign in', content, { ...page, status });
  const question = await login.question(interaction.uid);
  const fields = { action, to: client?.name, forgotten, question, others };
  if (form === undefined)
    return show(passwordPage({ ...fields, hint: textOf(interaction.params['login_hint']) ?? '' }));
  if (form.get('answer') === 'refuse')
    return finish(options, ctx, { error: 'access_denied', error_description: 'the user did not sign in' });
  const step = await answerOf(login, interaction.uid, form);
  if (step.is !== 'signed-in') {
    if (step.is === 'refused') onEvent({ kind: 'login-refused', client: clientId });
    const { content, status } = stepPage(step, { ...fields, hint: form.get('name') ?? '' });
    return show(content, status);
  }
  await signedIn(options, ctx, interaction, step);
}

async function signedIn(
  options: InteractionOptions,
  ctx: KoaContextWithOIDC,
  { params }: Interaction,
  { account, amr }: { account: Account; amr: readonly string[] },
): Promise<void> {
  options.onEvent({ kind: 'login', account: account.id, client: String(params['client_id']) });
  await finish(options, ctx, { login: { accountId: account.id, amr: [...amr], remember: false } });
}

/** To another provider with `to`, and back from it with its answer. */
async function signInElsewhere(
  options: InteractionOptions,
  ctx: KoaContextWithOIDC,
  interaction: Interaction,
): Promise<void> {
  const { prefix, login, upstream, onEvent } = options;
  const { uid } = interaction;
  const query = new URLSearchParams(ctx.querystring);
  const returns = `/interaction/${uid}/upstream`;
  const to = query.get('to');
  if (to !== null) {
    const anew = interaction.prompt.reasons.some(reason => reason !== 'no_session');
    return goTo(ctx, await upstream.start(to, returns, uid, anew));
  }
  const action = `${prefix}/interaction/${uid}`;
  const refused = { kind: 'login-refused', client: String(interaction.params['client_id']) } as const;
  const identified = await upstream.finish(query, returns, uid);
  if (identified === undefined) {
    onEvent(refused);
    return goTo(ctx, action);
  }
  const page = { prefix, leadsTo: redirectOf(interaction) };
  const account = await accountOf(options, identified);
  if (account === undefined) {
    onEvent(refused);
    return unlinked(ctx, identified, { ...page, back: action });
  }
  const step = await login.external(uid, account, identified.amr);
  if (step.is === 'signed-in') return signedIn(options, ctx, interaction, step);
  const { content, status } = stepPage(step, { action });
  sendPage(ctx, 'Sign in', content, { ...page, status });
}

/** What is to be approved, worked out anew for every request of the page: nothing of it comes from the form. */
interface Asked {
  readonly client: ClientRecord;
  readonly account: Account;
  readonly base: string;
  readonly offered: readonly string[];
  readonly launch: Launch | undefined;
  readonly grant: Grant;
}

async function approve(
  options: InteractionOptions,
  ctx: KoaContextWithOIDC,
  interaction: Interaction,
  form: URLSearchParams | undefined,
): Promise<void> {
  const { answers, onEvent } = options;
  const refuse = (error: string, description: string): Promise<void> =>
    finish(options, ctx, { error, error_description: description });
  const asked = await askedBy(options, interaction);
  if (typeof asked === 'string') return refuse('invalid_request', asked);
  const { client, account, offered } = asked;
  if (offered.length === 0)
    return refuse('invalid_scope', `nothing of what was asked is allowed for ${client.name}`);
  if (form?.get('answer') === 'refuse') {
    onEvent({ kind: 'consent-refused', account: account.id, client: client.id });
    return refuse('access_denied', 'the user refused');
  }
  const remembered = form === undefined ? await rememberedAnswer(options, interaction, asked) : undefined;
  const chosen = remembered ?? (form === undefined ? offered : chosenOf(form.getAll('scope'), offered));
  const subject = await subjectOf(options, asked, chosen, {
    patient: form?.get('patient') ?? undefined,
    encounter: form?.get('encounter') ?? undefined,
    text: ctx.query['q'],
  });
  if (subject.isLost === true)
    return refuse('access_denied', 'the user may not see the patient of the launch');
  const isAnswered =
    form?.get('answer') === 'allow' ||
    remembered !== undefined ||
    (form === undefined && client.trusted === true);
  const isKnown = canBeKnown(client, textOf(interaction.params['redirect_uri']));
  if (isAnswered && subject.open === undefined && chosen.length > 0) {
    if (isKnown && form?.get('remember') === 'yes')
      await answers.remember({
        account: account.id,
        clientId: client.id,
        aud: asked.base,
        asked: offered,
        scopes: chosen,
      });
    return grantAccess(options, ctx, interaction, asked, chosen, subject.context);
  }
  const { open } = subject;
  const wrong =
    form === undefined
      ? undefined
      : chosen.length === 0
        ? 'Choose at least one line, or refuse.'
        : open?.patients !== undefined
          ? 'Choose a patient.'
          : undefined;
  sendPage(
    ctx,
    `Allow ${client.name}?`,
    consentPage({
      action: `${options.prefix}/interaction/${interaction.uid}`,
      client: client.name,
      account,
      offered,
      patient: subject.patient,
      wrong,
      canRemember: isKnown && client.trusted !== true,
      ...open,
    }),
    { prefix: options.prefix, leadsTo: redirectOf(interaction) },
  );
}

/** What the person said before, unless the app wants them to be asked. */
async function rememberedAnswer(
  { answers }: InteractionOptions,
  { params }: Interaction,
  { client, account, base, offered }: Asked,
): Promise<readonly string[] | undefined> {
  const prompts = textOf(params['prompt'])?.split(' ') ?? [];
  const isWanted = prompts.includes('consent') && params[impliedPrompt] === undefined;
  if (isWanted || !canBeKnown(client, textOf(params['redirect_uri']))) return undefined;
  return answers.to(client, account.id, base, offered);
}

/** A sentence where the request cannot be approved by anybody. */
async function askedBy(
  { clients, accounts, bases, launches, compile }: InteractionOptions,
  { params, session }: Interaction,
): Promise<Asked | string> {
  const client = await clients.find(String(params['client_id']));
  const account = await accounts.find(session?.accountId ?? '');
  const base = baseOf(String(params['resource'] ?? params['aud']), bases);
  if (client === undefined || account === undefined || base === undefined)
    return 'the request cannot be served';
  const value = params['launch'];
  const launch = typeof value === 'string' ? await launches.find(value) : undefined;
  if (typeof value === 'string' && (launch === undefined || launch.account !== account.id))
    return 'launch is of another user, was used, or has expired';
  const offered = granted(scopesIn(params['scope'] as string | undefined), client.scopes).filter(
    scope => !scope.startsWith('system/'),
  );
  const grant = await compile(ownGrant(userOf(account)));
  return { client, account, base, offered, launch, grant };
}

interface Subject {
  readonly context: LaunchContext;
  /** The EHR named a patient whom this person may not see. */
  readonly isLost?: true;
  /** Who is in context already. */
  readonly patient?: Choice;
  /** What still has to be chosen. */
  readonly open?: {
    readonly patients?: { readonly choices: readonly Choice[]; readonly search?: string };
    readonly encounters?: readonly Choice[];
  };
}

/** Whom the launch is about: what the EHR said, else what the person is or chooses, and may see. */
async function subjectOf(
  { directory }: InteractionOptions,
  { launch, account, base, grant }: Asked,
  chosen: readonly string[],
  given: { patient: string | undefined; encounter: string | undefined; text: unknown },
): Promise<Subject> {
  const needsPatient = chosen.some(
    scope => scope.startsWith('patient/') || scope === 'launch/patient' || scope === 'launch/encounter',
  );
  const known = launch?.context;
  const own = account.patients ?? [];
  const isOwnRecord = /^(?:Patient|RelatedPerson)\//.test(account.fhirUser);
  const id = known?.patient ?? (needsPatient ? (own.length === 1 ? own[0] : given.patient) : undefined);
  const patient = id === undefined ? undefined : await directory.patient(base, grant, id);
  if (known?.patient !== undefined && patient === undefined) return { context: {}, isLost: true };
  if (needsPatient && patient === undefined) {
    const text = typeof given.text === 'string' ? given.text : '';
    const choices = await directory.patients(base, grant, text);
    return {
      context: known ?? {},
      open: { patients: { choices, ...(isOwnRecord ? {} : { search: text }) } },
    };
  }
  const context: LaunchContext = {
    ...known,
    ...(patient === undefined ? {} : { patient: patient.id }),
    ...(launch === undefined && patient !== undefined ? { need_patient_banner: true } : {}),
  };
  const asksVisit =
    chosen.includes('launch/encounter') && known?.encounter === undefined && patient !== undefined;
  if (!asksVisit) return { context, ...(patient === undefined ? {} : { patient }) };
  const encounters = await directory.encounters(base, grant, patient.id);
  const encounter = encounters.find(each => each.id === given.encounter)?.id;
  if (encounter === undefined && encounters.length > 0) return { context, patient, open: { encounters } };
  return { context: { ...context, ...(encounter === undefined ? {} : { encounter }) }, patient };
}

async function grantAccess(
  options: InteractionOptions,
  ctx: KoaContextWithOIDC,
  interaction: Interaction,
  { client, account, base, launch }: Asked,
  scopes: readonly string[],
  context: LaunchContext,
): Promise<void> {
  const { provider, approvals, launches, onEvent } = options;
  const value = interaction.params['launch'];
  if (launch !== undefined && (await launches.take(String(value))) === undefined)
    return finish(options, ctx, { error: 'invalid_request', error_description: 'launch was used' });
  const grant = new (provider().Grant)({ accountId: account.id, clientId: client.id });
  const known = scopes.filter(isStaticScope);
  if (known.length > 0) grant.addOIDCScope([...known]);
  grant.addResourceScope(resourceOf(interaction), [...scopes]);
  const grantId = await grant.save();
  const isOnline = scopes.includes('online_access') && !scopes.includes('offline_access');
  await approvals.put(
    {
      grantId,
      account: account.id,
      fhirUser: account.fhirUser,
      clientId: client.id,
      aud: base,
      scopes,
      context,
      ...(isOnline && interaction.session !== undefined ? { session: interaction.session.uid } : {}),
      created: Date.now(),
    },
    Date.now() + lifetimes.grant * 1000,
  );
  // The request becomes what was approved, so that no later step can give more.
  interaction.params['scope'] = scopes.join(' ');
  await interaction.persist();
  onEvent({ kind: 'consent', account: account.id, client: client.id, grantId });
  await finish(options, ctx, { consent: { grantId } });
}

/** The base as the request wrote it: the library compares it by text. */
const resourceOf = ({ params }: Interaction): string => {
  const resource = params['resource'] ?? params['aud'];
  return String(Array.isArray(resource) ? resource[0] : resource);
};

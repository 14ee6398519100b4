// What a person is asked before an app gets anything: which scopes, for which patient. What they answer can only be
// narrower than what was asked and what the app is registered for.
// https://hl7.org/fhir/smart-app-launch/scopes-and-launch-context.html#scopes-for-requesting-fhir-resources
import type { Account } from './accounts.js';
import { html, type Html } from './html.js';
import { canonicalScope, isLaunchScope, isStaticScope, parseResourceScope, within, type ResourceScope } from './scopes.js'; // prettier-ignore

/** Kinds of record that can be approved one by one, by the type they are of. */
const observation = 'http://terminology.hl7.org/CodeSystem/observation-category|';
const condition = 'http://terminology.hl7.org/CodeSystem/condition-category|';
const categories: Readonly<Record<string, readonly (readonly [category: string, words: string])[]>> = {
  Observation: [
    [`${observation}laboratory`, 'laboratory results'],
    [`${observation}vital-signs`, 'vital signs'],
    [`${observation}social-history`, 'social history'],
    [`${observation}survey`, 'surveys'],
    ['http://hl7.org/fhir/us/core/CodeSystem/us-core-category|sdoh', 'social determinants of health'],
    ['http://hl7.org/fhir/us/core/CodeSystem/us-core-category|clinical-test', 'clinical tests'],
  ],
  Condition: [
    [`${condition}problem-list-item`, 'the problem list'],
    [`${condition}encounter-diagnosis`, 'diagnoses of visits'],
    ['http://hl7.org/fhir/us/core/CodeSystem/condition-category|health-concern', 'health concerns'],
  ],
};

/** Narrower scopes a person can choose instead of the asked one. */
export function partsOf(scope: ResourceScope): readonly { readonly text: string; readonly words: string }[] {
  if (scope.criteria.length > 0) return [];
  const types = scope.type === '*' ? Object.keys(categories) : [scope.type];
  return types.flatMap(type =>
    (categories[type] ?? []).map(([category, words]) => ({
      text: canonicalScope({ ...scope, type, criteria: [['category', category]] }),
      words,
    })),
  );
}

/** Of what was chosen, what the offer allows; what is not about resources has to be in it by name. */
export function chosenOf(chosen: readonly string[], offered: readonly string[]): readonly string[] {
  const limits = offered.flatMap(text => parseResourceScope(text) ?? []);
  return [...new Set(chosen)].filter(text => {
    const scope = parseResourceScope(text);
    return scope === undefined ? offered.includes(text) : limits.some(limit => within(scope, limit));
  });
}

const verbs: Readonly<Record<string, string>> = {
  c: 'add',
  r: 'read',
  u: 'change',
  d: 'delete',
  s: 'search',
};

const listed = (words: readonly string[]): string =>
  words.length < 2 ? words.join('') : `${words.slice(0, -1).join(', ')} and ${words.at(-1)!}`;

/** A scope in plain words. */
export function wordsOf(text: string): string {
  const scope = parseResourceScope(text);
  if (scope === undefined) return plainWords[text] ?? text;
  const doing = listed([...scope.permissions].map(letter => verbs[letter]!));
  const what = scope.type === '*' ? 'all records' : `records of type ${scope.type}`;
  const whose = { patient: 'of this patient', user: 'that you may see', system: 'of this server' }[
    scope.context
  ];
  const only = scope.criteria.map(([param, value]) => `${param} is ${value.replace(/^.*\|/, '')}`);
  return `${doing} ${what} ${whose}${only.length === 0 ? '' : `, only where ${listed(only)}`}`;
}

const plainWords: Readonly<Record<string, string>> = {
  openid: 'know that it is you',
  fhirUser: 'know who you are in the records',
  profile: 'know your name',
  offline_access: 'keep this access after you sign out, until you take it back',
  online_access: 'keep this access while you are signed in',
  launch: 'know what is open in front of you',
  'launch/patient': 'know which patient is chosen',
  'launch/encounter': 'know which visit is chosen',
};

export interface Choice {
  readonly id: string;
  readonly title: string;
  readonly detail: string;
}

export interface ConsentForm {
  readonly action: string;
  readonly client: string;
  readonly account: Account;
  readonly offered: readonly string[];
  /** Present where a patient has to be chosen. */
  readonly patients?: { readonly choices: readonly Choice[]; readonly search?: string | undefined };
  readonly patient?: Choice | undefined;
  readonly encounters?: readonly Choice[];
  readonly wrong?: string | undefined;
  /** Whether the answer can be kept, so that the same question is not asked again. */
  readonly canRemember?: boolean;
}

export function consentPage(form: ConsentForm): Html {
  const { action, client, account, offered, patients, patient, encounters, wrong, canRemember } = form;
  const resources = offered.filter(text => parseResourceScope(text) !== undefined);
  const others = offered.filter(text => isStaticScope(text) || isLaunchScope(text));
  return html`${wrong !== undefined && html`<p class="wrong" role="alert">${wrong}</p>`}
    <p><strong>${client}</strong> asks for access. You are signed in as <strong>${account.name}</strong>.</p>
    ${
      patients?.search !== undefined &&
      html`<form method="get" action="${action}" role="search">
        <label for="q">Find a patient by name or identifier</label>
        <input type="search" id="q" name="q" value="${patients.search}" />
        <button>Find</button>
      </form>`
    }
    <form method="post" action="${action}">
      ${
        patient &&
        html`<p>
          Patient: <strong>${patient.title}</strong> <span class="quiet">${patient.detail}</span>
          <input type="hidden" name="patient" value="${patient.id}" />
        </p>`
      }
      ${patients && choices('Which patient?', 'patient', patients.choices, 'No patient was found.')}
      ${encounters && choices('Which visit?', 'encounter', encounters, 'This patient has no visits.')}
      <fieldset>
        <legend>It may</legend>
        ${resources.map(scopeChoice)}
        ${others.map(text => html`<label class="choice"><input type="checkbox" name="scope" value="${text}" checked /> ${wordsOf(text)}</label>`)}
      </fieldset>
      ${
        canRemember === true &&
        html`<label class="choice"
          ><input type="checkbox" name="remember" value="yes" /> Do not ask me this about ${client}
          again</label
        >`
      }
      <button class="first" name="answer" value="allow">Allow</button>
      <button name="answer" value="refuse">Refuse</button>
    </form>`;
}

function choices(legend: string, name: string, all: readonly Choice[], none: string): Html {
  if (all.length === 0) return html`<p>${none}</p>`;
  return html`<fieldset>
    <legend>${legend}</legend>
    ${all.map(
      ({ id, title, detail }) =>
        html`<label class="choice"
          ><input type="radio" name="${name}" value="${id}" /> ${title}
          <span class="quiet">${detail}</span></label
        >`,
    )}
  </fieldset>`;
}

function scopeChoice(text: string): Html {
  const scope = parseResourceScope(text);
  const parts = scope === undefined ? [] : partsOf(scope);
  return html`<label class="choice"
      ><input type="checkbox" name="scope" value="${text}" checked /> ${wordsOf(text)}</label
    >
    ${parts.length > 0 && html`<p class="part quiet">or only some of it: uncheck the line above and choose</p>`}
    ${parts.map(part => html`<label class="choice part"><input type="checkbox" name="scope" value="${part.text}" /> only ${part.words}</label>`)}`;
}

// Who may keep and ask for the state of apps: an app, under the codes it was registered for, within its scopes for Basic,
// about the patient in context, the person who uses it, whoever else the token shows, or nobody at all.
// https://hl7.org/fhir/smart-app-launch/app-state.html#security-and-access-controls
import type { Identity } from './identity.js';
import { parseResourceScope, type ResourceScope } from './scopes.js';

export interface StateAccess {
  /**
   * Whether the token may create, update, delete or search state under the code.
   * @param code `system|code`
   * @param subject relative, such as `Patient/1`; undefined for state about nobody
   * @returns `if-visible`: if the token shows the subject
   */
  judge(
    permission: 'c' | 'u' | 'd' | 's',
    code: string,
    subject: string | undefined,
  ): 'yes' | 'no' | 'if-visible';
}

export function stateAccess({ user, patient, scopes, stateCodes = [] }: Identity): StateAccess {
  const ofBasic = scopes
    .flatMap(text => parseResourceScope(text) ?? [])
    .filter(({ type }) => type === 'Basic' || type === '*');
  const inContext = patient === undefined ? undefined : `Patient/${patient}`;
  return {
    judge(permission, code, subject) {
      if (!stateCodes.some(each => covers(each, code))) return 'no';
      const contexts = new Set(
        ofBasic
          .filter(scope => scope.permissions.includes(permission) && isAbout(scope, code))
          .map(({ context }) => context),
      );
      const asPerson = contexts.has('user') && user !== undefined;
      const asService = contexts.has('system') && user === undefined;
      if (subject === undefined) {
        // State of the whole place is set by administrators and by services.
        const mayWrite = permission === 's' || user === undefined || user.roles.includes('administrator');
        return mayWrite && (asPerson || asService) ? 'yes' : 'no';
      }
      if (subject === inContext && (contexts.has('patient') || asPerson)) return 'yes';
      if (subject === user?.fhirUser && asPerson) return 'yes';
      return asPerson || asService ? 'if-visible' : 'no';
    },
  };
}

/** `system|` stands for every code of the system. */
const covers = (allowed: string, code: string): boolean =>
  allowed.endsWith('|') ? code.startsWith(allowed) : allowed === code;

/** What else a scope asks cannot be said of state, so that the scope is not about it. */
const isAbout = ({ criteria }: ResourceScope, code: string): boolean =>
  criteria.every(([param, value]) => param === 'code' && value.includes('|') && covers(value, code));

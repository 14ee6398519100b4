// What apps are told about this server before they know anything: .well-known/smart-configuration and the security part
// of the CapabilityStatement, both made from the running provider. https://hl7.org/fhir/smart-app-launch/conformance.html
import type { JsonObject } from '../fhir/json.js';

/** What the provider says about itself. https://www.rfc-editor.org/rfc/rfc8414 */
export interface ProviderMetadata {
  readonly issuer: string;
  readonly jwks_uri: string;
  readonly authorization_endpoint: string;
  readonly token_endpoint: string;
  readonly registration_endpoint?: string;
  readonly introspection_endpoint?: string;
  readonly revocation_endpoint?: string;
  readonly pushed_authorization_request_endpoint?: string;
  readonly end_session_endpoint?: string;
  readonly grant_types_supported: readonly string[];
  readonly response_types_supported: readonly string[];
  readonly scopes_supported: readonly string[];
  readonly code_challenge_methods_supported: readonly string[];
  readonly token_endpoint_auth_methods_supported: readonly string[];
  readonly token_endpoint_auth_signing_alg_values_supported: readonly string[];
  readonly dpop_signing_alg_values_supported: readonly string[];
}

const capabilities = [
  'launch-ehr',
  'launch-standalone',
  'authorize-post',
  'client-public',
  'client-confidential-symmetric',
  'client-confidential-asymmetric',
  'sso-openid-connect',
  'context-banner',
  'context-style',
  'context-ehr-patient',
  'context-ehr-encounter',
  'context-standalone-patient',
  'context-standalone-encounter',
  'permission-offline',
  'permission-online',
  'permission-patient',
  'permission-user',
  'permission-v1',
  'permission-v2',
];

/** Resource scopes have no end; these are examples of each kind. */
const resourceScopes = [
  'launch',
  'launch/patient',
  'launch/encounter',
  'patient/*.cruds',
  'patient/*.read',
  'user/*.cruds',
  'user/*.read',
  'system/*.cruds',
  'system/*.read',
];

/** The SMART configuration of one FHIR base. `more`: what is there only where it was set up. */
export function smartConfiguration(provider: ProviderMetadata, more: JsonObject): JsonObject {
  const pick = (name: keyof ProviderMetadata): JsonObject => {
    const value = provider[name];
    return value === undefined ? {} : { [name]: typeof value === 'string' ? value : [...value] };
  };
  return {
    ...pick('issuer'),
    ...pick('jwks_uri'),
    ...pick('authorization_endpoint'),
    ...pick('token_endpoint'),
    ...pick('registration_endpoint'),
    ...pick('introspection_endpoint'),
    ...pick('revocation_endpoint'),
    ...pick('pushed_authorization_request_endpoint'),
    ...pick('end_session_endpoint'),
    management_endpoint: `${provider.issuer}/manage`,
    ...pick('grant_types_supported'),
    ...pick('response_types_supported'),
    scopes_supported: [...provider.scopes_supported, ...resourceScopes],
    ...pick('code_challenge_methods_supported'),
    ...pick('token_endpoint_auth_methods_supported'),
    ...pick('token_endpoint_auth_signing_alg_values_supported'),
    ...pick('dpop_signing_alg_values_supported'),
    capabilities,
    ...more,
  };
}

/** CapabilityStatement.rest.security. */
export function securityOf(provider: ProviderMetadata): JsonObject {
  const uris: readonly (readonly [string, string | undefined])[] = [
    ['authorize', provider.authorization_endpoint],
    ['token', provider.token_endpoint],
    ['register', provider.registration_endpoint],
    ['introspect', provider.introspection_endpoint],
    ['revoke', provider.revocation_endpoint],
    ['manage', `${provider.issuer}/manage`],
  ];
  return {
    cors: true,
    service: [
      {
        coding: [
          {
            system: 'http://terminology.hl7.org/CodeSystem/restful-security-service',
            code: 'SMART-on-FHIR',
          },
        ],
        text: 'OAuth 2.0 by SMART App Launch 2.2 (http://hl7.org/fhir/smart-app-launch)',
      },
    ],
    extension: [
      {
        url: 'http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris',
        extension: uris.flatMap(([url, valueUri]) => (valueUri === undefined ? [] : [{ url, valueUri }])),
      },
    ],
  };
}

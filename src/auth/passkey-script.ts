// The one script of the pages: it asks the browser for a passkey and sends the answer with the form that holds the
// question. Without it, or without passkeys in the browser, those forms stay hidden and everything else works.
// https://www.w3.org/TR/webauthn-3/#sctn-parseCreationOptionsFromJSON
import { html, type Html } from './html.js';

/**
 * A form that is filled in by a passkey. `question`: what the browser is asked, as JSON; `act`: what it does with it.
 */
export const passkeyForm = (action: string, act: 'create' | 'get', question: string, content: Html): Html =>
  html`<form method="post" action="${action}" data-passkey="${act}" data-question="${question}" hidden>
    <input type="hidden" name="passkey" value="" />${content}
    <p class="wrong" role="alert" hidden>The passkey did not answer. Try again.</p>
  </form>`;

export const passkeyScript = `'use strict';
for (const form of document.querySelectorAll('form[data-passkey]')) {
  if (!window.PublicKeyCredential || !navigator.credentials) continue;
  const bytes = text => Uint8Array.from(atob(text.replace(/-/g, '+').replace(/_/g, '/')), one => one.charCodeAt(0));
  const text = buffer => btoa(String.fromCharCode(...new Uint8Array(buffer))).replace(/\\+/g, '-').replace(/\\//g, '_').replace(/=+$/, '');
  const known = list => (list || []).map(one => ({ ...one, id: bytes(one.id) }));
  const ask = async () => {
    const question = JSON.parse(form.dataset.question);
    question.challenge = bytes(question.challenge);
    if (form.dataset.passkey === 'create') {
      question.user.id = bytes(question.user.id);
      question.excludeCredentials = known(question.excludeCredentials);
      return navigator.credentials.create({ publicKey: question });
    }
    question.allowCredentials = known(question.allowCredentials);
    return navigator.credentials.get({ publicKey: question });
  };
  const answerOf = ({ id, rawId, type, response, authenticatorAttachment }) => {
    const parts = {};
    for (const name of ['clientDataJSON', 'attestationObject', 'authenticatorData', 'signature', 'userHandle'])
      if (response[name]) parts[name] = text(response[name]);
    if (response.getTransports) parts.transports = response.getTransports();
    return JSON.stringify({ id, rawId: text(rawId), type, authenticatorAttachment, clientExtensionResults: {}, response: parts });
  };
  form.addEventListener('submit', event => {
    event.preventDefault();
    const button = form.querySelector('button');
    button.disabled = true;
    ask().then(
      credential => {
        form.elements.namedItem('passkey').value = answerOf(credential);
        form.submit();
      },
      () => {
        button.disabled = false;
        form.querySelector('[role=alert]').hidden = false;
      },
    );
  });
  form.hidden = false;
}
`;

// The part of the page for managing access that links an account to other providers and unlinks it.
import type { Session } from 'oidc-provider';
import type { Account } from './accounts.js';
import { html, type Html } from './html.js';
import type { Tell } from './letters.js';
import { isFresh } from './own-session.js';
import { hashed } from './secrets.js';
import type { Upstream } from './upstream.js';
import type { Link, Links } from './upstream-links.js';
import { linkPath } from './upstream-pages.js';

interface Linking {
  readonly prefix: string;
  readonly upstream: Upstream;
  readonly upstreamLinks: Links;
  readonly tell: Tell;
}

const whichOf = ({ issuer, subject }: Link): string => hashed(`${issuer} ${subject}`);

/** Does what a form of the part asks; undefined where the page is simply shown anew. */
export async function linking(
  { prefix, upstream, upstreamLinks, tell }: Linking,
  session: Session,
  account: Account,
  form: URLSearchParams,
): Promise<Html | undefined> {
  const which = form.get('which') ?? '';
  if (form.get('do') === 'unlink') {
    const link = (await upstreamLinks.of(account.id)).find(each => whichOf(each) === which);
    if (link !== undefined && (await upstreamLinks.unlink(account.id, link.issuer, link.subject)))
      await tell(account, 'unlinked');
    return undefined;
  }
  // Whoever finds a browser open must not make a way in of their own.
  if (!isFresh(session))
    return html`<p class="wrong" role="alert">
      You signed in a while ago: <a href="${prefix}/sign-in">sign in again</a> first.
    </p>`;
  const to = await upstream.start(which, linkPath, session.uid);
  const { name = which } = upstream.providers.find(({ id }) => id === which) ?? {};
  return html`<p role="status"><a href="${to}">Go on to ${name}</a> and sign in there.</p>`;
}

/** Nothing where there is no provider and no link. */
export async function linksOf(
  { upstream, upstreamLinks }: Linking,
  account: Account,
  form: (doing: string, content: Html) => Html,
): Promise<Html | false> {
  const linked = await upstreamLinks.of(account.id);
  if (upstream.providers.length === 0 && linked.length === 0) return false;
  return html`<h2>Signing in elsewhere</h2>
    ${linked.map(
      link =>
        html`<p>Linked: <code>${link.subject}</code> at <code>${link.issuer}</code></p>
          ${form('unlink', html`<input type="hidden" name="which" value="${whichOf(link)}" /><button>Unlink</button>`)}`,
    )}
    ${upstream.providers.map(({ id, name }) =>
      form('link', html`<input type="hidden" name="which" value="${id}" /><button>Link ${name}</button>`),
    )}`;
}

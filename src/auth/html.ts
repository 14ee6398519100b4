// The pages of the authorization server: plain HTML from templates that escape whatever is put into them. One style sheet, no
// script but that of passkeys, readable by a screen reader and by a phone with a poor connection.
// https://www.w3.org/TR/CSP3/, https://www.w3.org/WAI/WCAG22/quickref/

/** Text that is HTML already. */
export class Html {
  constructor(readonly text: string) {}
}

type Part = string | number | Html | undefined | false | readonly Html[];

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};
export const escapeHtml = (text: string): string =>
  text.replace(/[&<>"']/g, character => entities[character]!);

const textOf = (part: Part): string => {
  if (part === undefined || part === false) return '';
  if (part instanceof Html) return part.text;
  if (typeof part === 'object') return part.map(each => each.text).join('');
  return escapeHtml(String(part));
};

/** A template whose parts are escaped unless they are HTML. */
export const html = (strings: TemplateStringsArray, ...parts: readonly Part[]): Html =>
  new Html(strings.reduce((all, text, i) => all + textOf(parts[i - 1]) + text));

export interface PageContext {
  status: number;
  type: string;
  body: unknown;
  set(name: string, value: string): void;
}

/** Sends the browser on, by GET whatever it asked with. */
export function goTo(ctx: Pick<PageContext, 'status' | 'set'>, to: string): void {
  ctx.status = 303;
  ctx.set('location', to);
}

/**
 * Sends a page. `leadsTo`: the origin (or scheme, such as `app:`) that a form of it may end at; browsers hold the
 * redirects after a form to form-action too. The script of passkeys comes where a form asks for one.
 */
export function sendPage(
  ctx: PageContext,
  title: string,
  content: Html,
  { status = 200, leadsTo, prefix }: { status?: number; leadsTo?: string | undefined; prefix: string },
): void {
  const script = content.text.includes(' data-passkey="'); // with quotation marks nobody else can write
  ctx.status = status;
  ctx.type = 'text/html; charset=utf-8';
  ctx.set(
    'content-security-policy',
    `default-src 'none'; style-src 'self';${script ? " script-src 'self';" : ''} form-action 'self'${leadsTo === undefined ? '' : ` ${leadsTo}`}; frame-ancestors 'none'; base-uri 'none'`,
  );
  ctx.set('cache-control', 'no-store');
  ctx.body = html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <title>${title} – Tsela</title>
        <link rel="stylesheet" href="${prefix}/style.css" />
        ${script && html`<script src="${prefix}/passkey.js" defer></script>`}
      </head>
      <body>
        <main>
          <h1>${title}</h1>
          ${content}
        </main>
      </body>
    </html> `.text;
}

export const style = `
:root { color-scheme: light dark; font: 1.0625rem/1.5 system-ui, sans-serif; }
body { margin: 0; background: Canvas; color: CanvasText; }
main { max-width: 34rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; line-height: 1.25; }
label, legend { font-weight: 600; }
fieldset { border: 1px solid GrayText; border-radius: .375rem; margin: 1rem 0; padding: .5rem 1rem 1rem; }
input[type=text], input[type=password], input[type=search] {
  display: block; width: 100%; box-sizing: border-box; font: inherit; padding: .5rem; margin: .25rem 0 1rem;
  border: 1px solid GrayText; border-radius: .25rem; background: Field; color: FieldText;
}
.choice { display: block; font-weight: 400; padding: .25rem 0; }
.part { margin-left: 1.75rem; }
button {
  font: inherit; padding: .5rem 1.25rem; border: 1px solid GrayText; border-radius: .25rem; margin-right: .5rem;
  background: ButtonFace; color: ButtonText; cursor: pointer;
}
button.first { background: #14532d; border-color: #14532d; color: #fff; }
:focus-visible { outline: 3px solid #2563eb; outline-offset: 2px; }
.wrong { border-left: .375rem solid #b91c1c; padding: .25rem .75rem; }
.quiet { color: GrayText; font-size: .9375rem; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: .375rem .5rem .375rem 0; border-bottom: 1px solid GrayText; }
code { overflow-wrap: anywhere; }
`;

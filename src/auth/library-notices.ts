// oidc-provider tells what it has to say on the console, some of it while it is imported; here it goes to the log instead.
// To be imported before the library is.

type Listener = (notice: string) => void;

const prefix = 'oidc-provider ';
/** Colours of a terminal. */
const colours = /\u001b\[[\d;]*m/g; // eslint-disable-line no-control-regex -- that is what they are made of
const early: string[] = [];
let listener: Listener = notice => void early.push(notice);

for (const level of ['info', 'warn'] as const) {
  const before = console[level].bind(console);
  console[level] = (...parts: unknown[]) => {
    const [first] = parts;
    const text = typeof first === 'string' ? first.replace(colours, '') : '';
    if (text.startsWith(prefix)) listener(text);
    else before(...parts);
  };
}

/** Hears what was said so far and from now on. */
export function onLibraryNotice(hear: Listener): void {
  listener = hear;
  for (const notice of early.splice(0)) hear(notice);
}

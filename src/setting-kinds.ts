// What the value of a setting may be, and how its text is read. src/settings.ts has the settings.
import { isIP } from 'node:net';

/** What a value may be; `parse` throws with a sentence that says what is accepted. */
export interface Kind<T> {
  readonly accepts: string;
  parse(text: string): T;
}

export const integer = (from: number, to: number): Kind<number> => ({
  accepts: `a whole number from ${from} to ${to}`,
  parse(text) {
    const value = Number(text);
    if (!/^\d+$/.test(text) || value < from || value > to) throw new Error(`expected ${this.accepts}`);
    return value;
  },
});

const units = (accepts: string, factors: Readonly<Record<string, number>>): Kind<number> => ({
  accepts,
  parse(text) {
    const [, digits, unit] = /^(\d+) ?([a-zA-Z]*)$/.exec(text) ?? [];
    const factor = unit === undefined ? undefined : factors[unit.toLowerCase()];
    const value = Number(digits) * (factor ?? 0);
    if (factor === undefined || value < 1 || !Number.isSafeInteger(value))
      throw new Error(`expected ${accepts}`);
    return value;
  },
});
export const bytes = units('a size in bytes, or with the unit KB, MB or GB', {
  '': 1,
  kb: 1024,
  mb: 1024 ** 2,
  gb: 1024 ** 3,
});
export const milliseconds = units('a time with the unit ms, s or m', { ms: 1, s: 1000, m: 60_000 });

const ratePeriods: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000 };

/** So many at once, and as many in each `per` milliseconds; undefined: without limit. */
export const rate: Kind<{ readonly count: number; readonly per: number } | undefined> = {
  accepts: '`off`, or a number per second, minute or hour such as `600/m`',
  parse(text) {
    if (text === 'off') return undefined;
    const [, digits, period = ''] = /^([1-9]\d{0,8})\/([smh])$/.exec(text) ?? [];
    if (digits === undefined) throw new Error('expected off, or a number with /s, /m or /h such as 600/m');
    return { count: Number(digits), per: ratePeriods[period]! };
  },
};

/** What stands for networks in a list of them. */
const namedNetworks: Readonly<Record<string, readonly string[]>> = {
  loopback: ['127.0.0.0/8', '::1'],
  private: ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', 'fc00::/7'],
};

export const networks: Kind<readonly string[]> = {
  accepts: 'addresses and networks (CIDR) separated by commas; `loopback` and `private` stand for theirs',
  parse(text) {
    return text.split(',').flatMap(part => {
      const each = part.trim();
      const named = namedNetworks[each];
      if (named !== undefined) return named;
      const [address = '', bits, ...more] = each.split('/');
      const family = isIP(address);
      const isNetwork =
        bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= (family === 6 ? 128 : 32));
      if (family === 0 || !isNetwork || more.length > 0)
        throw new Error(`"${each}" is not an address or a network such as 10.0.0.0/8`);
      return [each];
    });
  },
};

export const oneOf = <const T extends string>(...words: readonly T[]): Kind<T> => ({
  accepts: words.map(word => `\`${word}\``).join(', '),
  parse(text) {
    const word = words.find(each => each === text);
    if (word === undefined) throw new Error(`expected one of ${words.join(', ')}`);
    return word;
  },
});

export const trueOrFalse: Kind<boolean> = {
  accepts: '`true`, `false`',
  parse(text) {
    if (text !== 'true' && text !== 'false') throw new Error('expected true or false');
    return text === 'true';
  },
};

/** Profiles by resource type; `tsela` stands for the project's own, which src/validation/own-profiles.ts knows. */
export const profilesByType: Kind<ReadonlyMap<string, readonly string[]>> = {
  accepts: '`tsela`, `Type=url`, separated by commas',
  parse(text) {
    const found = new Map<string, readonly string[]>();
    for (const part of text.split(',').map(each => each.trim())) {
      const [, type, profile] = /^([A-Z][A-Za-z]+)=(\S+:\S+)$/.exec(part) ?? [];
      if (part === 'tsela') found.set('tsela', []);
      else if (type === undefined || profile === undefined)
        throw new Error(
          'expected tsela, or Type=url as in Patient=http://example.org/StructureDefinition/patient',
        );
      else found.set(type, [...(found.get(type) ?? []), profile]);
    }
    return found;
  },
};

export const file: Kind<string | undefined> = { accepts: 'the path of a file', parse: text => text };

export const mailAddress: Kind<string | undefined> = {
  accepts: 'one e-mail address without a name',
  parse(text) {
    if (!/^[^\s@<>(),;:"]+@[\w.-]+$/.test(text)) throw new Error('expected an e-mail address');
    return text;
  },
};

export const words: Kind<string> = { accepts: 'text', parse: text => text };

/** URL.parse is younger than Node 20. */
const parseUrl = (text: string): URL | undefined => (URL.canParse(text) ? new URL(text) : undefined);

export const url = (accepts: string, ...protocols: readonly string[]): Kind<string | undefined> => ({
  accepts,
  parse(text) {
    const parsed = parseUrl(text);
    if (!parsed || !protocols.includes(parsed.protocol) || parsed.host === '')
      throw new Error(`expected ${accepts}`);
    return text.replace(/\/+$/, '');
  },
});

export const publicUrl: Kind<string | undefined> = {
  accepts: 'an http or https URL without path, query or user',
  parse(text) {
    const parsed = parseUrl(text);
    const plain =
      parsed && /^https?:$/.test(parsed.protocol) && parsed.origin === text.replace(/\/$/, '').toLowerCase();
    if (!plain) throw new Error(`expected ${this.accepts}`);
    return parsed.origin;
  },
};

export const origins: Kind<readonly string[]> = {
  accepts: 'origins separated by commas, or `*`',
  parse(text) {
    const list = text.split(',').map(each => each.trim());
    for (const each of list) {
      if (each !== '*' && parseUrl(each)?.origin !== each)
        throw new Error(`"${each}" is not an origin such as https://app.example.org`);
    }
    return list;
  },
};

export const timeZone: Kind<string> = {
  accepts: 'an IANA time zone',
  parse(text) {
    try {
      return new Intl.DateTimeFormat('en', { timeZone: text }).resolvedOptions().timeZone;
    } catch {
      throw new Error('expected an IANA time zone such as Africa/Maseru');
    }
  },
};

export const secretText: Kind<string | undefined> = {
  accepts: 'at least 32 characters',
  parse(text) {
    if (text.length < 32) throw new Error('expected at least 32 characters');
    return text;
  },
};

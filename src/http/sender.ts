// Who sent a request. A proxy says for whom it asks in X-Forwarded-For, and how it was asked in X-Forwarded-Proto; both
// are believed of the proxies that are configured, read from the right, and ignored of everybody else.
// https://www.rfc-editor.org/rfc/rfc7239#section-8.1
import { AsyncLocalStorage } from 'node:async_hooks';
import type { IncomingMessage } from 'node:http';
import { BlockList, isIP } from 'node:net';

export interface Sender {
  readonly address: string;
  /** A program on this machine with no proxy in between. */
  readonly isHere: boolean;
  /** What a trusted proxy was asked by; undefined where none said. */
  readonly protocol?: string;
}

export type SenderOf = (req: IncomingMessage) => Sender;

/** So many proxies at most stand one behind the other. */
const mostHops = 20;

/** @param proxies addresses and networks in CIDR notation */
export function senderOf(proxies: readonly string[]): SenderOf {
  const trusted = new BlockList();
  for (const each of proxies) {
    const [network = '', bits] = each.split('/');
    const family = isIP(network) === 6 ? 'ipv6' : 'ipv4';
    if (bits === undefined) trusted.addAddress(network, family);
    else trusted.addSubnet(network, Number(bits), family);
  }
  const isTrusted = (address: string): boolean => {
    const family = isIP(address); // 0 of a socket that is gone
    return proxies.length > 0 && family !== 0 && trusted.check(address, family === 6 ? 'ipv6' : 'ipv4');
  };
  return ({ headers, socket }) => {
    const peer = plain(socket.remoteAddress ?? '');
    const said = headers['x-forwarded-for'];
    if (!isTrusted(peer)) {
      const isDirect = said === undefined && headers.forwarded === undefined;
      return { address: peer, isHere: isDirect && isLoopback(peer) };
    }
    let address = peer;
    const hops = said === undefined ? [] : String(said).split(',').slice(-mostHops).reverse();
    for (const hop of hops) {
      const next = plain(hop.trim());
      if (isIP(next) === 0) break;
      address = next;
      if (!isTrusted(address)) break;
    }
    const protocol = String(headers['x-forwarded-proto'] ?? '').split(',').at(-1)!.trim().toLowerCase(); // prettier-ignore
    return {
      address,
      isHere: said === undefined && isLoopback(address),
      ...(protocol === '' ? {} : { protocol }),
    };
  };
}

const isLoopback = (address: string): boolean => address === '::1' || address.startsWith('127.');

/** Without a port, brackets, a zone, or the prefix of an IPv4 address in IPv6. */
function plain(address: string): string {
  if (/^[\d.]+$/.test(address)) return address;
  const inner =
    /^\[([^\]]+)\](?::\d+)?$/.exec(address)?.[1] ?? /^([\d.]+):\d+$/.exec(address)?.[1] ?? address;
  return inner
    .toLowerCase()
    .replace(/%.*$/, '')
    .replace(/^::ffff:(?=\d+\.)/, '');
}

/** Of the address that what is happening was asked from. To be disabled whenever nothing is. */
export const asked = new AsyncLocalStorage<string>();

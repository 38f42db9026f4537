import type { IncomingMessage } from 'node:http';
import { isIP, isIPv6 } from 'node:net';
import proxyaddr from 'proxy-addr';
import type { TrustProxy } from '../../settings/settings.js';

/** What is read of `X-Forwarded-For`, from its end, where the nearest hop writes: as many addresses, with ports, as TRUST_PROXY may count. */
const MAX_FORWARDED = 2048;
/** The longest address with brackets, zone and port. */
const MAX_ENTRY = 80;

const BRACKETED = /^\[([^\]]*)\](?::.*)?$/;
const IPV4_WITH_PORT = /^(\d+\.\d+\.\d+\.\d+):.*$/;
const UNBRACKETED_WITH_PORT = /^(.*):\d{1,5}$/;

/** Which address a request comes from: limits, audit and the list of connections count by it. */
export class ClientAddresses {
  /** Whether the hop at this address, the n-th from here, is the operator's own. */
  private readonly trusts: (address: string, hop: number) => boolean;

  /** @param trustProxy TRUST_PROXY: which hops before this node are believed about who stands behind them. */
  constructor(trustProxy: TrustProxy) {
    if (trustProxy === false) this.trusts = () => false;
    else if (typeof trustProxy === 'number') this.trusts = (_address, hop) => hop < trustProxy;
    else this.trusts = proxyaddr.compile([...trustProxy]);
  }

  /** The nearest hop that is not trusted; of what a trusted one tells, only an address counts. */
  of({ socket, headers }: Pick<IncomingMessage, 'socket' | 'headers'>): string {
    let address = socket.remoteAddress ?? '';
    const forwarded = headers['x-forwarded-for'];
    // Most requests have none, and without it there is nobody to believe or not.
    if (forwarded === undefined || !this.trusts(address, 0)) return address;
    // Node.js joins the lines of several headers in their order.
    const entries = String(forwarded).slice(-MAX_FORWARDED).split(',');
    let hop = 0;
    let trusted = true;
    for (let i = entries.length - 1; i >= 0 && trusted; i -= 1) {
      const entry = (entries[i] as string).trim();
      if (entry === '') continue;
      hop += 1;
      // `unknown`, or what is no address: whoever it is counts under the hop that wrote so. Taken as it stands, each new word
      // would be a new client, with limits of its own.
      const next = addressIn(entry);
      if (next !== null) address = next;
      trusted = this.trusts(next ?? '', hop);
    }
    return address;
  }

  /** Whether the peer of this socket is one of the operator's own hops: behind it stand many. */
  isProxy(socket: IncomingMessage['socket']): boolean {
    return this.trusts(socket.remoteAddress ?? '', 0);
  }
}

/**
 * The address in an entry of `X-Forwarded-For`, as the various balancers write it: plain, with a port (`192.0.2.1:4711`,
 * `[2001:db8::1]:4711`), quoted. Null when there is none. A port must not be part of it: it differs with each connection.
 */
export function addressIn(entry: string): string | null {
  if (entry.length > MAX_ENTRY) return null;
  const text = entry.replace(/^"(.*)"$/, '$1').trim();
  const bare = BRACKETED.exec(text)?.[1] ?? IPV4_WITH_PORT.exec(text)?.[1] ?? text;
  const [address = ''] = bare.split('%', 1);
  if (isIP(address) !== 0) return address;
  const [, short = ''] = UNBRACKETED_WITH_PORT.exec(address) ?? [];
  return isIPv6(short) ? short : null;
}

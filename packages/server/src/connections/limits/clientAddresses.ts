import type { IncomingMessage } from 'node:http';
import { isIP, isIPv6 } from 'node:net';
import proxyaddr from 'proxy-addr';
import type { TrustProxy } from '../../settings/settings.js';

/** Bytes read of `X-Forwarded-For`, from its end, which the nearest hop writes. Enough for the hops that TRUST_PROXY may count. */
const MAX_FORWARDED = 2048;
/** The longest entry: an address with brackets, zone and port. */
const MAX_ENTRY = 80;

const BRACKETED = /^\[([^\]]*)\](?::.*)?$/;
const IPV4_WITH_PORT = /^(\d+\.\d+\.\d+\.\d+):.*$/;
const UNBRACKETED_WITH_PORT = /^(.*):\d{1,5}$/;

/** The client address of a request, for limits, audit and the list of connections. */
export class ClientAddresses {
  /** Whether the hop at this address, the n-th from here, belongs to the operator. */
  private readonly trusts: (address: string, hop: number) => boolean;

  /** @param trustProxy TRUST_PROXY: the hops whose `X-Forwarded-For` is trusted. */
  constructor(trustProxy: TrustProxy) {
    if (trustProxy === false) this.trusts = () => false;
    else if (typeof trustProxy === 'number') this.trusts = (_address, hop) => hop < trustProxy;
    else this.trusts = proxyaddr.compile([...trustProxy]);
  }

  /** The nearest hop that is not trusted. Of a trusted hop's entries only addresses count. */
  of({ socket, headers }: Pick<IncomingMessage, 'socket' | 'headers'>): string {
    let address = socket.remoteAddress ?? '';
    const forwarded = headers['x-forwarded-for'];
    // Most requests have no such header.
    if (forwarded === undefined || !this.trusts(address, 0)) return address;
    // Node.js joins several headers in their order.
    const entries = String(forwarded).slice(-MAX_FORWARDED).split(',');
    let hop = 0;
    let trusted = true;
    for (let i = entries.length - 1; i >= 0 && trusted; i -= 1) {
      const entry = (entries[i] as string).trim();
      if (entry === '') continue;
      hop += 1;
      // `unknown`, or no address at all: the client counts under the hop that wrote this. If the text itself counted, each new text
      // would be a new client with limits of its own.
      const next = addressIn(entry);
      if (next !== null) address = next;
      trusted = this.trusts(next ?? '', hop);
    }
    return address;
  }

  /** Whether the peer of this socket is one of the operator's hops, with many clients behind it. */
  isProxy(socket: IncomingMessage['socket']): boolean {
    return this.trusts(socket.remoteAddress ?? '', 0);
  }
}

/**
 * The address in an entry of `X-Forwarded-For`, in the forms that balancers write: plain, with a port (`192.0.2.1:4711`,
 * `[2001:db8::1]:4711`), quoted. Null if there is none. The port is removed, because it differs for each connection.
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

import type { IncomingMessage } from 'node:http';
import type { ClientAddresses } from '../limits/clientAddresses.js';

/** Of ALLOWED_ORIGINS: whatever the origin is, its host is the one that the request was sent to. */
const SAME_HOST = 'same-host';

const HOST = /^[a-z0-9._-]+(?::\d{1,5})?$|^\[[0-9a-f:.]+\](?::\d{1,5})?$/i;

/**
 * Which pages may connect. Browsers send `Origin` with each upgrade and no page can change it, so a page of somebody else's cannot
 * use what the browser would add by itself. What is no browser may send any: some libraries make one of the URL that they
 * connect to, and get in with `same-host`.
 */
export class Origins {
  private readonly allowed: ReadonlySet<string>;
  private readonly addresses: Pick<ClientAddresses, 'isProxy'>;
  private readonly any: boolean;

  /** @param allowed ALLOWED_ORIGINS; empty or with `*`: any. */
  constructor(allowed: readonly string[], addresses: Pick<ClientAddresses, 'isProxy'>) {
    this.allowed = new Set(allowed);
    this.addresses = addresses;
    this.any = allowed.length === 0 || allowed.includes('*');
  }

  allows(request: Pick<IncomingMessage, 'headers' | 'socket'>): boolean {
    const { origin } = request.headers;
    if (origin === undefined || this.any || this.allowed.has(origin)) return true;
    return this.allowed.has(SAME_HOST) && this.isOfSameHost(origin, request);
  }

  private isOfSameHost(origin: string, { headers, socket }: Pick<IncomingMessage, 'headers' | 'socket'>): boolean {
    const scheme = /^(https?:)\/\//.exec(origin)?.[1];
    // The host that the client asked for is known to the outermost proxy.
    const forwarded = this.addresses.isProxy(socket) ? headers['x-forwarded-host'] : undefined;
    const host = String(forwarded ?? headers.host ?? '')
      .split(',', 1)[0]
      ?.trim();
    if (scheme === undefined || host === undefined || !HOST.test(host) || !URL.canParse(origin)) return false;
    // A port that the scheme implies may be written or not.
    const target = `${scheme}//${host}`;
    return URL.canParse(target) && new URL(target).origin === new URL(origin).origin;
  }
}

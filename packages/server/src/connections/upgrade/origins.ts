import type { IncomingMessage } from 'node:http';
import type { ClientAddresses } from '../limits/clientAddresses.js';

/** Entry of ALLOWED_ORIGINS: any origin whose host is the one that the request was sent to. */
const SAME_HOST = 'same-host';

const HOST = /^[a-z0-9._-]+(?::\d{1,5})?$|^\[[0-9a-f:.]+\](?::\d{1,5})?$/i;

/**
 * The pages that may connect. Browsers send `Origin` with each upgrade and pages cannot change it, so a foreign page cannot use credentials
 * that the browser adds by itself. Other programs may send any `Origin`: some libraries derive it from the URL that they connect to,
 * and `same-host` admits them.
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
    // Only the outermost proxy knows the host that the client asked for.
    const forwarded = this.addresses.isProxy(socket) ? headers['x-forwarded-host'] : undefined;
    const host = String(forwarded ?? headers.host ?? '')
      .split(',', 1)[0]
      ?.trim();
    if (scheme === undefined || host === undefined || !HOST.test(host) || !URL.canParse(origin)) return false;
    // The default port of the scheme may be written or left out.
    const target = `${scheme}//${host}`;
    return URL.canParse(target) && new URL(target).origin === new URL(origin).origin;
  }
}

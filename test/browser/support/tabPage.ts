// What the pages of the tests run, bundled as an app bundles it.
import { type Client, createClient, type Positions, UnauthorizedError, type UnifiedError } from '@unified-ws/client';

/** A handler may be told to wait, so that its tab can die between receipt and handler. */
export interface TabPage {
  readonly events: { readonly type: string; readonly n: unknown; readonly id: string }[];
  readonly states: string[];
  readonly gaps: unknown[];
  readonly errors: string[];
  /** What the leader told to keep. */
  readonly saved: Positions[];
  client?: Client;
  isHolding: boolean;
  /** Handlers that wait. */
  readonly held: (() => void)[];
  start(options: { url: string; token: string; types: readonly string[]; tabs?: boolean }): Promise<void>;
}

const page: TabPage = {
  events: [],
  states: [],
  gaps: [],
  errors: [],
  saved: [],
  isHolding: false,
  held: [],
  async start({ url, token, types, ...options }) {
    const client = createClient<Record<string, { readonly n?: unknown }>>({
      url,
      getToken({ reason }) {
        if (reason === 'refused') throw new UnauthorizedError();
        return token;
      },
      positions: { load: () => null, save: (positions) => page.saved.push(positions), clear: () => undefined },
      onError: (error: UnifiedError) => page.errors.push(`${error.code} ${error.message}`),
      ...options,
    });
    page.client = client as unknown as Client;
    client.onState(({ status, reason }) => page.states.push(`${status} ${reason}`));
    client.onGap((gap) => page.gaps.push(gap));
    for (const type of types) {
      client.on(type, async ({ id, data }) => {
        if (page.isHolding) await new Promise<void>((resolve) => page.held.push(resolve));
        page.events.push({ type, n: data.n, id });
      });
    }
    await client.ready().catch(({ code }: UnifiedError) => page.errors.push(`ready ${code}`));
  },
};
Object.assign(globalThis, { tabPage: page });

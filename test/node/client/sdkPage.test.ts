import { type Client, type ClientOptions, createClient, UnauthorizedError } from '@unified-ws/client';
import { expect } from 'chai';
import { token } from '../../support/tokens.js';
import { until } from '../../support/wait.js';
import { docBlocks } from '../support/docBlocks.js';
import { publish } from '../support/sdkClients.js';
import { type LocalNode, World } from '../support/world.js';

/** From build/test/test/node/client. */
const ROOT = new URL('../../../../../', import.meta.url);
const AsyncFunction = (async () => undefined).constructor as new (
  ...args: string[]
) => (...args: unknown[]) => Promise<unknown>;

describe('the examples of the client', function () {
  this.timeout(20_000);
  const world = new World();
  let node: LocalNode;

  before(async () => {
    await world.start();
    node = await world.node();
  });
  after(() => world.stop());

  for (const page of ['README.md', 'docs/SDK.md']) {
    const blocks = docBlocks(new URL(page, ROOT), page).filter(
      ({ language, notRun, text }) => language === 'js' && notRun === null && text.includes('client'),
    );

    it(`${page}: each must run, and the first get its event`, async () => {
      const user = world.user();
      const printed: unknown[] = [];
      let client: Client | null = null;
      const surroundings = {
        createClient: (options: ClientOptions) => {
          client = createClient({ ...options, url: `${node.http}/api/unified/ws` });
          return client;
        },
        UnauthorizedError,
        console: { log: (...values: unknown[]) => printed.push(...values) },
        fetch: async () => ({ status: 200, text: async () => token(user, { roles: ['admin'] }) }),
        process: { env: {} },
      };
      try {
        expect(blocks).not.to.deep.equal([]);
        for (const { text, place } of blocks) {
          const all: Record<string, unknown> = text.includes('createClient(')
            ? surroundings
            : { ...surroundings, client };
          const run = new AsyncFunction(...Object.keys(all), text.replace(/^import .*$/gm, ''));
          await run(...Object.values(all)).catch((error: unknown) => {
            throw new Error(`${place}: ${String(error)}`);
          });
        }
        await (client as Client | null)?.ready();
        await publish(node, 'health_update', { status: 'ok' });
        const hasPrinted = (): boolean => printed.some((value) => JSON.stringify(value)?.includes('ok'));
        await until(hasPrinted, { what: () => `the event in ${JSON.stringify(printed)}` });
      } finally {
        (client as Client | null)?.close();
      }
    });
  }
});

import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import type { Report } from '@unified-ws/client';
import { buildSync } from 'esbuild';
import { type Browser as Chromium, chromium, type Page } from 'playwright-core';
import { token } from '../../support/tokens.js';
import { until } from '../../support/wait.js';
import type { TabPage } from './tabPage.js';

const CHROMIUM = '/usr/bin/chromium';
const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

function bundle(): string {
  const { outputFiles } = buildSync({
    entryPoints: [fileURLToPath(new URL('./tabPage.js', import.meta.url))],
    bundle: true,
    format: 'iife',
    target: 'es2022',
    external: ['ws'],
    write: false,
  });
  return outputFiles[0]?.text ?? '';
}

/** A page with a client. */
export class Tab {
  readonly page: Page;

  constructor(page: Page) {
    this.page = page;
  }

  /** What the page has seen so far. */
  seen(): Promise<Pick<TabPage, 'events' | 'states' | 'gaps' | 'errors' | 'saved'>> {
    return this.page.evaluate(() => {
      const { events, states, gaps, errors, saved } = (globalThis as unknown as { readonly tabPage: TabPage }).tabPage;
      return { events, states, gaps, errors, saved };
    });
  }

  /** What the connection of this tab counted: nothing, if another tab has it. */
  counts(): Promise<Report['counts']> {
    return this.page.evaluate(
      () => (globalThis as unknown as { readonly tabPage: TabPage }).tabPage.client?.report().counts ?? {},
    );
  }

  async numbers(): Promise<unknown[]> {
    return (await this.seen()).events.map(({ n }) => n);
  }

  /** Resolves when so many events came. */
  async got(count: number, timeoutMs = 10_000): Promise<void> {
    await until(async () => (await this.seen()).events.length >= count, {
      timeoutMs,
      what: `${count} events in a tab`,
      everyMs: 20,
    });
  }

  status(): Promise<string> {
    return this.page.evaluate(
      () => (globalThis as unknown as { readonly tabPage: TabPage }).tabPage.client?.state.status ?? 'none',
    );
  }

  /** Whether this tab has the connection. */
  async leads(): Promise<boolean> {
    return (await this.counts()).connections !== undefined;
  }

  async reconnect(): Promise<void> {
    await this.page.evaluate(() =>
      (globalThis as unknown as { readonly tabPage: TabPage }).tabPage.client?.reconnect(),
    );
  }

  /** The types that the server keeps for the user. */
  subscriptions(): Promise<readonly string[] | undefined> {
    return this.page.evaluate(async () => {
      const { client } = (globalThis as unknown as { readonly tabPage: TabPage }).tabPage;
      return (await client?.request('get_subscription_info'))?.subscriptions;
    });
  }

  /** Whether a handler waits. */
  holds(): Promise<boolean> {
    return this.page.evaluate(() => (globalThis as unknown as { readonly tabPage: TabPage }).tabPage.held.length > 0);
  }

  /** Handlers wait from now on, or those that wait go on. */
  async hold(isHolding: boolean): Promise<void> {
    await this.page.evaluate((holds) => {
      const { tabPage } = globalThis as unknown as { readonly tabPage: TabPage };
      tabPage.isHolding = holds;
      if (!holds) for (const go of tabPage.held.splice(0)) go();
    }, isHolding);
  }
}

export interface OpenOptions {
  readonly types?: readonly string[];
  readonly tabs?: boolean;
  /** Default: a good one. */
  readonly token?: string;
}

/** Chromium with one profile, and the server of its pages. */
export class Browser {
  private readonly server: Server;
  private readonly browser: Chromium;

  private constructor(server: Server, browser: Chromium) {
    this.server = server;
    this.browser = browser;
  }

  static async start(): Promise<Browser> {
    const script = bundle();
    const server = createServer((request, response) => {
      const isScript = request.url === '/page.js';
      response.setHeader('Content-Type', isScript ? 'text/javascript' : 'text/html');
      response.end(isScript ? script : '<!doctype html><title>tab</title><script src="/page.js"></script>');
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return new Browser(server, await chromium.launch({ executablePath: CHROMIUM, args: FLAGS }));
  }

  /** A profile: what its tabs share, others do not see. */
  async profile(): Promise<Profile> {
    const { port } = this.server.address() as AddressInfo;
    return new Profile(this.browser, await this.browser.newContext(), `http://127.0.0.1:${port}/`);
  }

  async stop(): Promise<void> {
    await this.browser.close();
    await new Promise((resolve) => {
      this.server.close(resolve);
      this.server.closeAllConnections();
    });
  }
}

type Context = Awaited<ReturnType<Chromium['newContext']>>;

export class Profile {
  private readonly browser: Chromium;
  private readonly context: Context;
  private readonly url: string;

  constructor(browser: Chromium, context: Context, url: string) {
    this.browser = browser;
    this.context = context;
    this.url = url;
  }

  /** A tab whose client is ready, or has failed. */
  async open(node: { readonly ws: string }, user: string, options: OpenOptions = {}): Promise<Tab> {
    const page = await this.context.newPage();
    await page.goto(this.url);
    const { types = ['custom_event'], ...more } = options;
    const start = { url: `${node.ws}/api/unified/ws`, token: token(user), types, ...more };
    await page.evaluate(
      (given) => (globalThis as unknown as { readonly tabPage: TabPage }).tabPage.start(given),
      start,
    );
    return new Tab(page);
  }

  /** The process of a tab: the one that computes while the tab does. */
  async process({ page }: Tab): Promise<number> {
    const session = await this.browser.newBrowserCDPSession();
    const times = async (): Promise<Map<number, number>> => {
      const { processInfo } = await session.send('SystemInfo.getProcessInfo');
      const renderers = processInfo.filter(({ type }) => type === 'renderer');
      return new Map(renderers.map(({ id, cpuTime }) => [id, cpuTime]));
    };
    try {
      return await until(
        async () => {
          const before = await times();
          await page.evaluate(() => {
            const end = Date.now() + 300;
            while (Date.now() < end);
          });
          const used = [...(await times())].map(([pid, time]) => ({ pid, time: time - (before.get(pid) ?? 0) }));
          const [most, second] = used.sort((one, other) => other.time - one.time);
          // Seconds. Anything less clear is looked at again: the machine may be busy with other tabs.
          return most && most.time > 0.1 && most.time > 4 * (second?.time ?? 0) && most.pid;
        },
        { what: 'the process of a tab', timeoutMs: 20_000 },
      );
    } finally {
      await session.detach();
    }
  }

  close(): Promise<void> {
    return this.context.close();
  }
}

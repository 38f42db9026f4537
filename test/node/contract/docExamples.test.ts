import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ASYNCAPI_PATH, OPENAPI_PATH, problemSchema, REST_BASE } from '@unified-ws/protocol';
import { Ajv } from 'ajv';
import { expect } from 'chai';
import { WebSocket } from 'ws';
import {
  type AsyncApiContract,
  asyncApiContract,
  type OpenApiContract,
  openApiContract,
} from '../../support/contract.js';
import { adminToken, TEST_SECRET, token } from '../../support/tokens.js';
import { until } from '../../support/wait.js';
import { assignmentsOf, commandsOf, type DocBlock, docBlocks, isTranscript, scriptOf } from '../support/docBlocks.js';
import { type LocalNode, World } from '../support/world.js';

/** From build/test/test/node/contract. */
const ROOT = new URL('../../../../../', import.meta.url);
const CURL = fileURLToPath(new URL('../support/curlChild.js', import.meta.url));
const WSCAT = fileURLToPath(new URL('../support/wscatChild.js', import.meta.url));
const PAGES = ['README.md', 'docs/PROTOCOL.md', 'docs/OPERATIONS.md', 'docs/MIGRATION.md'];

interface Recorded {
  readonly method: string;
  readonly target: string;
  readonly status: number;
  readonly headers: readonly [string, string][];
  readonly text: string;
}

const pages = PAGES.filter((page) => existsSync(new URL(page, ROOT)));
const blocks = pages.flatMap((page) => docBlocks(new URL(page, ROOT), page));
const toBeRun = blocks.filter(({ notRun }) => notRun === null);
const written = (...languages: readonly string[]): DocBlock[] =>
  toBeRun.filter(({ language }) => languages.includes(language));

describe('the examples of the docs', function () {
  this.timeout(60_000);
  const world = new World();
  const dir = mkdtempSync(join(tmpdir(), 'uws-docs-'));
  let node: LocalNode;
  let rest: OpenApiContract;
  let messages: AsyncApiContract;

  before(async () => {
    await world.start();
    node = await world.node({ LEGACY_ENDPOINTS: 'true' });
    // The second node of the cluster that the examples talk to.
    await world.node({ LEGACY_ENDPOINTS: 'true' });
    const read = async (path: string): Promise<unknown> => (await fetch(`${node.http}${path}`)).json();
    rest = openApiContract(await read(OPENAPI_PATH));
    messages = asyncApiContract(await read(ASYNCAPI_PATH));
  });

  // Each example is read for itself: what another one has left in the mailbox of its user would come first.
  beforeEach(async () => {
    const [box, ...rest] = ['box', 'boxmeta', 'seen'].map((name) => `uws:{u:user-1}:${name}`);
    await world.redis.client().del(box ?? '', ...rest);
  });

  after(async () => {
    await world.stop();
    rmSync(dir, { recursive: true });
  });

  /** Runs it in a group of its own, so that nothing of it outlives the test. */
  async function shell(script: string, env: Readonly<Record<string, string>>): Promise<string> {
    const { PATH = '', HOME = '' } = process.env;
    const child = spawn('sh', ['-c', script], {
      cwd: ROOT,
      env: { PATH, HOME, JWT_SECRET: TEST_SECRET, NODE: process.execPath, CURL, WSCAT, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    });
    let said = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (said += chunk));
    const timer = setTimeout(() => process.kill(-(child.pid ?? 0), 'SIGKILL'), 50_000);
    const [code] = (await once(child, 'close')) as [number | null];
    clearTimeout(timer);
    if (code !== 0) throw new Error(`${code ?? 'killed'}: ${said}\n${script}`);
    return said;
  }

  // Seen red with another path, a field that the server does not know, a role that may not, and the mark of a block taken away.
  for (const block of written('sh', 'bash')) {
    it(`${block.place}: the commands do what the page says`, async () => {
      const [page = ''] = block.place.split(':');
      const [record, heard] = [join(dir, 'record'), join(dir, `heard-${page.replaceAll('/', '-')}`)];
      for (const file of [record, heard]) writeFileSync(file, '');
      const before = written('sh', 'bash').filter(({ place }) => place.startsWith(`${page}:`));
      const commands = [...assignmentsOf(before.slice(0, before.indexOf(block))), ...commandsOf(block)];
      const next = blocks[blocks.indexOf(block) + 1];
      await shell(scriptOf(commands, node.http), {
        RECORD: record,
        HEARD: heard,
        TRANSCRIPT: next && isTranscript(next) ? next.text : '',
        PUBLISH: `${node.http}${REST_BASE}/broadcast ${adminToken()}`,
      });
      const lines = readFileSync(record, 'utf8').split('\n').filter(Boolean);
      for (const { method, target, status, headers, text } of lines.map((line) => JSON.parse(line) as Recorded)) {
        const operation = rest.match(method, target);
        expect(operation, `${method} ${target}`).not.to.equal(null);
        expect(status, `${method} ${target}: ${text}`).to.be.below(300);
        const answer = { status, headers: new Headers([...headers]), text };
        expect(rest.answerFaults(operation?.id ?? '', answer), text).to.deep.equal([]);
      }
    });
  }

  for (const block of written('json')) {
    it(`${block.place}: the message is one`, () => {
      const value: unknown = JSON.parse(block.text);
      const found = Object.entries(faultsOf(value));
      const fits = found.some(([, faults]) => faults.length === 0);
      expect(fits, found.map(([kind, faults]) => `as ${kind}: ${faults}`).join('\n')).to.equal(true);
    });
  }

  /** What keeps it from being each of the things that a page may show. */
  function faultsOf(value: unknown): Readonly<Record<string, readonly string[]>> {
    const problem = new Ajv({ strict: false }).compile(problemSchema);
    const isProblem = problem(value);
    return {
      'a message of the server': messages.receivedFaults(value),
      'a message of a client': messages.sentFaults(value),
      'an event to publish': rest.bodyFaults('broadcastEvent', value),
      'a problem': isProblem ? [] : [JSON.stringify(problem.errors)],
    };
  }

  // The examples of the client run in test/node/client/sdkPage.test.ts.
  for (const block of written('js').filter(({ text }) => !text.includes('createClient'))) {
    it(`${block.place}: the code of a browser gets an event`, async () => {
      const printed: unknown[][] = [];
      const sockets: WebSocket[] = [];
      class Dialled extends WebSocket {
        constructor(url: string, protocols: readonly string[]) {
          super(url.replace('wss://example.com', node.ws), [...protocols]);
          sockets.push(this);
        }
      }
      const print = { log: (...values: unknown[]) => printed.push(values) };
      const user = world.user('browser');
      new Function('WebSocket', 'token', 'console', block.text)(Dialled, token(user), print);
      await until(() => sockets[0]?.readyState === WebSocket.OPEN, { what: 'it is open' });
      const admin = await world.admin(node);
      const publish = { event_type: 'notification_sent', data: { text: 'hi' }, target_user_ids: [user] };
      await admin.ask('publish_event', publish, 'event_accepted');
      await until(() => printed.length > 0, { what: 'the event is printed' });
      expect(printed[0]).to.deep.equal(['notification_sent', { text: 'hi' }]);
      for (const socket of sockets) socket.terminate();
      await world.endClients();
    });
  }

  it('a listener of the README hears the event that is published, and is closed by the admin', () => {
    const said = readFileSync(join(dir, 'heard-README.md'), 'utf8');
    expect(said)
      .to.match(/event health_update/)
      .and.match(/closed 4002/);
  });

  it('there are some, and each that is not run says why', () => {
    expect(written('sh', 'bash').length).to.be.at.least(2);
    expect(written('json').length).to.be.at.least(3);
    for (const { notRun, place } of blocks) if (notRun !== null) expect(notRun.length, place).to.be.above(10);
  });

  it('what nobody knows how to run is not passed over', () => {
    const block = { place: 'x.md:1', language: 'sh', notRun: null };
    expect(() => commandsOf({ ...block, text: 'rm -rf .data' })).to.throw(
      'x.md:1: nobody knows how to run "rm -rf .data"',
    );
    expect(commandsOf({ ...block, text: '# a word\ncurl -sS \\\n  http://127.0.0.1:1/livez' })).to.deep.equal([
      'curl -sS http://127.0.0.1:1/livez',
    ]);
  });
});

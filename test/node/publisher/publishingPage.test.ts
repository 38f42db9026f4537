import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { REST_BASE } from '@unified-ws/protocol';
import { expect } from 'chai';
import type { TestClient } from '../../support/client.js';
import { hasCommand } from '../../support/hasCommand.js';
import { HttpGateway } from '../../support/httpGateway.js';
import { until } from '../../support/wait.js';
import { docBlocks } from '../support/docBlocks.js';
import { serviceToken } from '../support/published.js';
import { type LocalNode, World } from '../support/world.js';

const PAGE = 'docs/PUBLISHING.md';
const ROOT = fileURLToPath(new URL('../../../../../', import.meta.url));
const run = promisify(execFile);
const blocks = docBlocks(new URL(`../../../../../${PAGE}`, import.meta.url), PAGE);

/** How a block is run: the program, and its arguments for the block's text and a file that holds it. */
const RUNNERS: Readonly<Record<string, readonly [string, (text: string, file: string) => string[]]>> = {
  js: [process.execPath, (text) => ['--input-type=module', '--eval', text]],
  python: ['python3', (text) => ['-c', text]],
  go: ['go', (_text, file) => ['run', file]],
  sh: ['sh', (text) => ['-euc', text]],
};

/** What a block needs beside its runner. */
const needs = (text: string): string[] =>
  ['curl', 'python3'].filter((name) => text.startsWith(`${name} `) || text.includes(`| ${name} `));

describe(`the examples of ${PAGE}`, function () {
  // The first Go program of a machine compiles the standard library.
  this.timeout(300_000);
  const world = new World();
  const dir = mkdtempSync(join(tmpdir(), 'uws-publishing-'));
  let node: LocalNode;
  let gateway: HttpGateway;
  let client: TestClient;

  before(async () => {
    await world.start();
    node = await world.node();
    gateway = await HttpGateway.start(() => node.port);
  });
  beforeEach(async () => {
    gateway.requests.splice(0);
    client = await world.connect(node);
  });
  afterEach(() => world.endClients());
  after(async () => {
    await gateway.stop();
    await world.stop();
    rmSync(dir, { recursive: true });
  });

  it('every language that the page promises must be there', () => {
    expect([...new Set(blocks.map(({ language }) => language))].sort()).to.deep.equal(['go', 'js', 'python', 'sh']);
  });

  for (const { language, text, place } of blocks) {
    const [program, args] = RUNNERS[language] ?? ['', () => []];
    // What the others read: the test sets it.
    if (text.startsWith('export ')) continue;
    if (![program, ...needs(text)].every(hasCommand)) continue;
    it(`${place}: the ${language} example must publish each event once, although answers are lost and it must wait`, async () => {
      const faults = [
        'cut_answer',
        { status: 429, headers: { 'retry-after': '1' } },
        { status: 502, afterNode: true },
      ] as const;
      gateway.fault = () => faults[gateway.requests.length - 1] ?? 'pass';
      const file = join(dir, `main.${language}`);
      writeFileSync(file, text);
      const { PATH = '', HOME = '' } = process.env;
      const env = {
        PATH,
        HOME,
        PYTHONPATH: join(ROOT, 'examples', 'python'),
        PYTHONDONTWRITEBYTECODE: '1',
        UNIFIED_URL: `${gateway.http}${REST_BASE}`,
        UNIFIED_TOKEN: serviceToken(),
      };
      const { stdout } = await run(program, args(text, file), { cwd: ROOT, env, timeout: 290_000 });
      const ids = [...new Set(stdout.match(/\b(?!accepted_at)[\w-]{8}_[\w-]+/g))];
      expect(ids.length, stdout).to.be.at.least(1);
      expect(gateway.requests.length).to.be.at.least(4);
      const came = (): string[] =>
        client.events.filter(({ type }) => type === 'custom_event').map(({ id }) => id ?? '');
      await until(() => came().length >= ids.length, { what: () => `${ids}; came: ${came()}` });
      expect(came()).to.have.members(ids);
    });
  }
});

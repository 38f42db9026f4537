import { REST_BASE } from '@unified-ws/protocol';
import { loadCatalogue } from '@unified-ws/server/events/catalogue/eventCatalogue';
import { expect } from 'chai';
import fc from 'fast-check';
import { larger, NodeMemory } from '../../node/support/nodeMemory.js';
import { World } from '../../node/support/world.js';
import { type FuzzedRequest, requestTo } from '../../support/arbitraries/requests.js';
import { fuzzRun, tellFigures } from '../../support/fuzzRun.js';
import { rawHttp } from '../../support/rawHttp.js';
import { TEST_SECRET, token } from '../../support/tokens.js';
import { Bystander } from './support/bystander.js';
import { shown } from './support/fuzzPeer.js';
import { KEY_PREFIX } from './support/leaks.js';
import { faultOfAnswer } from './support/requestCheck.js';
import { routesOfNode, unknownRoutes } from './support/routes.js';
import { Victims } from './support/victims.js';

const MAX_STALL_MS = 200;
/** More would hide what they have in common. */
const MAX_FINDINGS = 5;
const AT_A_TIME = 12;
/** Less than Node.js keeps a connection that is done with: whoever asked for its end must not wait for that. */
const PATIENCE_MS = 5000;
const VICTIMS = ['victim-1', 'victim-2'];

// Seen red: a gate that lets everybody in; a target with a malformed origin answered 500 and by a page of HTML; 426 that kept the
// connection; a cursor of /audit that Redis does not take answered 503.
describe('fuzzed requests', function () {
  const run = fuzzRun(2000);
  this.timeout(60_000 + run.runs * 20);
  const world = new World();
  const findings: string[] = [];
  const output: string[] = [];
  const routes = routesOfNode();
  /** To be ended whatever happens. */
  const bystanders: { stop(): Promise<void> }[] = [];
  let node: NodeMemory;

  before(async () => {
    await world.start();
    node = await NodeMemory.start(
      {
        REDIS_URL: world.redis.url,
        REDIS_PREFIX: KEY_PREFIX,
        JWT_SECRET: TEST_SECRET,
        EVENT_QUEUE_PARTITIONS: '2',
        EVENT_QUEUE_MAX: '10000000',
        // What is beyond them is not fuzzed.
        HTTP_RATE_PER_IP: '0',
        HTTP_RATE_PER_CALLER: '0',
        MESSAGE_RATE: '100000',
        HISTORY_SIZE: '100',
        WINDOW_SIZE: '100',
        LOG_LEVEL: 'warn',
      },
      { onOutput: (text) => output.push(text) },
    );
    // What is said while links come up is none of this test's business.
    output.length = 0;
  });
  after(async () => {
    await Promise.allSettled(bystanders.map((one) => one.stop()));
    await world.endClients();
    await node.stop();
    await world.stop();
  });

  function find(finding: string): void {
    if (findings.length < MAX_FINDINGS) findings.push(finding);
  }

  it('a route that is mounted past the table of operations would be fuzzed by nobody', () => {
    expect(routes.length).to.be.greaterThan(35);
    expect(unknownRoutes(routes)).to.deep.equal([]);
  });

  it(`must neither break a node, nor leak, nor be answered otherwise than by a documented status and code (${run.reported})`, async () => {
    const tokens = { admin: token('fuzz-admin', { roles: ['admin'] }), user: token('fuzz-user') };
    const badTokens = [
      token('fuzz-admin', { roles: ['admin'], secret: 'another-secret-of-more-than-thirty-two-bytes' }),
      token('fuzz-admin', { roles: ['admin'], lifetimeS: -100 }),
    ];
    const secrets = [TEST_SECRET, ...Object.values(tokens), ...badTokens, new URL(world.redis.url).host];
    const types = fc.constantFrom(...loadCatalogue().types());
    const hints = {
      event_type: types,
      event_types: types,
      user_id: fc.constantFrom(...VICTIMS, 'nobody', 'é'),
      target_user_ids: fc.constantFrom(...VICTIMS, 'nobody'),
      exclude: fc.constantFrom(...VICTIMS),
      id: fc.constantFrom('events-0.1', 'events-1.2', 'events-urgent.1', 'events-9999.x', 'events-0.__proto__'),
      ids: fc.constantFrom('events-0.1', 'events-1.2', 'events-urgent.1', 'events-9999.x'),
      event_id: fc.constantFrom('01234567-89ab-7def-8123-456789abcdef', 'abcdefgh_1', '1', '__proto__'),
      // Not one that would drain the node.
      node_id: fc.constantFrom('nobody', 'n1', '*'),
      category: fc.constantFrom('health', 'admin', 'x'),
      permission: fc.constantFrom('events:receive', 'x:y'),
      roles: fc.constantFrom('admin', 'user', 'x'),
      since: fc.constantFrom('2026-11-23T00:00:00Z', '2026-02-30T00:00:00Z', '0000-01-01T00:00:00Z'),
      before: fc.constantFrom('2020-01-01T00:00:00Z', '2999-01-01T00:00:00Z', '2026-02-30T00:00:00Z', 'x'),
    };
    const any = fc.oneof(...routes.map((route) => requestTo(route, { hints, tokens, badTokens })));
    const requests = fc.sample(any, { seed: run.seed, numRuns: run.runs });

    const met = new Map<string, number>();
    let slowest = { ms: 0, what: '' };
    const victims = new Victims({ node, adminToken: tokens.admin, users: VICTIMS, onFinding: () => undefined });
    const bystander = new Bystander(await world.connect(node, 'bystander'));
    bystanders.push(victims, bystander);
    victims.start();
    bystander.start();
    const warm = Math.ceil(run.runs * 0.3);
    await part(requests.slice(0, warm));
    // Where the allocator stands goes up and down by some megabytes: the larger of two is what a node needs once it is warm.
    const once = await node.memory();
    await part(requests.slice(warm, 2 * warm));
    const before = larger(once, await node.memory());
    await node.stall();
    await part(requests.slice(2 * warm));
    const { busyMs } = await node.stall();
    await victims.stop();
    await bystander.stop();
    const after = await node.memory();

    async function part(some: readonly FuzzedRequest[]): Promise<void> {
      const waiting = [...some];
      const worker = async (): Promise<void> => {
        for (let next = waiting.pop(); next; next = waiting.pop()) await found(next);
      };
      await Promise.all(Array.from({ length: AT_A_TIME }, worker));
    }

    async function found(request: FuzzedRequest): Promise<void> {
      const { bytes, unfinished } = request;
      const what = shown(bytes.toString('latin1').replaceAll(tokens.admin, '<admin>'));
      const startedAt = performance.now();
      const answer = await rawHttp(node.port, bytes, { timeoutMs: PATIENCE_MS, unfinished }).catch((error: Error) => {
        find(`${error.message}: ${what}`);
        return null;
      });
      const took = performance.now() - startedAt;
      if (took > slowest.ms) slowest = { ms: took, what };
      const fault = faultOfAnswer(request, answer, secrets);
      if (fault !== null) find(`${fault}: ${what} was answered ${answer?.status} ${shown(answer?.body ?? '')}`);
      const kind =
        request.route === null
          ? `odd ${answer?.status}`
          : `${request.route.method} ${request.route.path.replace(REST_BASE, '')} ${answer?.status}`;
      met.set(kind, (met.get(kind) ?? 0) + 1);
    }

    const { pings, worstMs } = bystander;
    tellFigures({
      met: Object.fromEntries([...met].sort()),
      slowest,
      busyMs,
      before,
      after,
      pings,
      worstMs,
      ended: victims.ended,
    });
    expect(findings).to.deep.equal([]);
    expect(output, 'said at level warn or above').to.deep.equal([]);
    expect(node.isRunning).to.equal(true);
    // Each route was reached beyond its gate, or the fuzz fuzzes nothing.
    for (const { method, path } of routes) {
      const name = `${method} ${path.replace(REST_BASE, '')} `;
      expect(
        [...met.keys()].some((kind) => kind.startsWith(name) && !/40[13]$/.test(kind)),
        name,
      ).to.equal(true);
    }
    expect(pings).to.be.greaterThan(0);
    expect(busyMs, 'ms at a stretch').to.be.lessThan(MAX_STALL_MS);
    expect(after.heapUsed / before.heapUsed, JSON.stringify({ before, after })).to.be.lessThan(1.1);
    expect(after.rss / before.rss, JSON.stringify({ before, after })).to.be.lessThan(1.1);
    expect((await fetch(`${node.http}/readyz`)).status).to.equal(200);
  });
});

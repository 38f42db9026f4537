import { type ClientMessageType, clientMessages } from '@unified-ws/protocol';
import { loadCatalogue } from '@unified-ws/server/events/catalogue/eventCatalogue';
import { expect } from 'chai';
import fc from 'fast-check';
import { larger, NodeMemory } from '../../node/support/nodeMemory.js';
import { World } from '../../node/support/world.js';
import { messageTexts } from '../../support/arbitraries/messages.js';
import { anyJson } from '../../support/arbitraries/nasty.js';
import type { Received } from '../../support/client.js';
import { fuzzRun, tellFigures } from '../../support/fuzzRun.js';
import { TEST_SECRET, token } from '../../support/tokens.js';
import { Bystander } from './support/bystander.js';
import { FuzzPeer } from './support/fuzzPeer.js';
import { KEY_PREFIX } from './support/leaks.js';
import { Victims } from './support/victims.js';

const MAX_PAYLOAD = 65_536;
/** Blocked longer than this by one message, a node would not see its lease run out in time. */
const MAX_STALL_MS = 200;
/** More would hide what they have in common. */
const MAX_FINDINGS = 5;
const ROLES = ['admin', 'admin', 'operator', 'user'] as const;
const VICTIMS = ['victim-1', 'victim-2', 'victim-é', 'victim.4'];

const EVERY_TYPE = Object.keys(clientMessages).filter((type) => type !== 'authenticate') as ClientMessageType[];

// Seen red: replies without reply_to; the parser's words in an error; messages kept for ever (heap + 51 %); 300 ms spent on a large
// message; `disconnect_user` with a lone surrogate answered UNAVAILABLE.
describe('fuzzed messages', function () {
  const run = fuzzRun(4000);
  this.timeout(60_000 + run.runs * 20);
  const world = new World();
  const findings: string[] = [];
  const output: string[] = [];
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
        MAX_PAYLOAD: String(MAX_PAYLOAD),
        MESSAGE_RATE: '100000',
        MESSAGE_BURST: '1000000',
        // Small, and so full after the warm-up.
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

  it(`must neither break a node, nor leak, nor go without the one answer that the protocol names (${run.reported})`, async () => {
    const roleOf = (index: number): string => ROLES[index % ROLES.length] as string;
    const userOf = (index: number): string => `fuzz-${roleOf(index)}-${index}`;
    const tokens = ROLES.map((role, index) => {
      const own = { roles: [role] };
      return [
        token(userOf(index), own),
        token(userOf(index), { roles: ['user'] }),
        token(userOf(index), { ...own, secret: 'another-secret-of-more-than-thirty-two-bytes' }),
        token(userOf(index), { ...own, lifetimeS: -100 }),
        token('somebody-else'),
      ] as const;
    });
    const types = loadCatalogue().types();
    const textsOf = (index: number): string[] => {
      const [own = '', ...others] = tokens[index] ?? [];
      const { any, valid } = messageTexts({
        event_type: fc.constantFrom(...types),
        event_types: fc.constantFrom(...types),
        muted_event_types: fc.constantFrom(...types),
        categories: fc.constantFrom('health', 'dns', 'custom', 'system', 'dns_management', 'admin'),
        category: fc.constantFrom('health', 'admin', 'x'),
        user_id: fc.constantFrom(...VICTIMS, 'nobody'),
        target_user_ids: fc.constantFrom(...VICTIMS, ...ROLES.map((_, index) => userOf(index)), 'nobody'),
        exclude: fc.constantFrom(...VICTIMS, 'nobody'),
        // Mostly what leaves it the permissions to reach the handlers.
        token: fc.constantFrom(own, own, own, own, own, own, ...others),
        permission: fc.constantFrom('events:receive', 'events:admin', 'x:y'),
        roles: fc.constantFrom('admin', 'user', 'x'),
        data: fc.dictionary(fc.string({ maxLength: 5 }), anyJson, { maxKeys: 3 }),
      });
      const seed = run.seed + index;
      return [
        ...EVERY_TYPE.flatMap((type) => fc.sample(valid(type), { seed, numRuns: 4 })),
        ...fc.sample(any, { seed, numRuns: Math.ceil(run.runs / ROLES.length) }),
      ];
    };

    const onReply = (frame: Received): void => {
      // Others' events are to go on.
      if (frame.type === 'event_queue_paused') void helper.request('resume_event_queue').catch(find);
    };
    const secrets = [TEST_SECRET, ...tokens.flat(), new URL(world.redis.url).host];
    const peers = ROLES.map((role, index) => {
      const own = token(userOf(index), { roles: [role] });
      return new FuzzPeer({ ws: node.ws, token: own, secrets, maxPayload: MAX_PAYLOAD, onFinding: find, onReply });
    });
    const helper = await world.connect(node, 'helper', ['admin'], { keep: true });
    const texts = peers.map((_, index) => textsOf(index));
    const victims = new Victims({
      node,
      adminToken: token('unbanner', { roles: ['admin'] }),
      users: VICTIMS,
      onFinding: find,
    });
    const bystander = new Bystander(await world.connect(node, 'bystander'));
    bystanders.push(victims, bystander);
    victims.start();
    bystander.start();
    await Promise.all(peers.map((peer) => peer.connect()));

    const part = async (from: number, to: number): Promise<void> => {
      await Promise.all(peers.map((peer, index) => peer.send((texts[index] ?? []).slice(from, to))));
    };
    const warm = Math.ceil((run.runs / ROLES.length) * 0.3);
    await part(0, warm);
    // Where the allocator stands goes up and down by some megabytes: the larger of two is what a node needs once it is warm.
    const once = await node.memory();
    await part(warm, 2 * warm);
    const before = larger(once, await node.memory());
    await node.stall();
    await part(2 * warm, Number.POSITIVE_INFINITY);
    const { busyMs } = await node.stall();
    await Promise.all(peers.map((peer) => peer.close()));
    await victims.stop();
    await bystander.stop();
    const after = await node.memory();

    const met = new Map<string, number>();
    for (const peer of peers) for (const [kind, count] of peer.met) met.set(kind, (met.get(kind) ?? 0) + count);
    const { pings, worstMs } = bystander;
    tellFigures({
      met: Object.fromEntries([...met].sort()),
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
    // Each handler was reached, or the fuzz fuzzes nothing.
    const replies = EVERY_TYPE.map((type) => clientMessages[type].reply).filter((reply) => reply !== null);
    expect([...met.keys()]).to.include.members(replies.filter((reply) => reply !== 'pong'));
    expect(victims.ended, 'disconnected by a fuzzed order').to.be.greaterThan(0);
    expect(pings).to.be.greaterThan(0);
    expect(busyMs, 'ms at a stretch').to.be.lessThan(MAX_STALL_MS);
    expect(after.heapUsed / before.heapUsed, JSON.stringify({ before, after })).to.be.lessThan(1.1);
    expect(after.rss / before.rss, JSON.stringify({ before, after })).to.be.lessThan(1.1);
    expect((await fetch(`${node.http}/readyz`)).status).to.equal(200);
  });
});

import { clientMessages, envelopeSchema } from '@unified-ws/protocol';
import { Ajv } from 'ajv';
import { expect } from 'chai';
import fc from 'fast-check';
import { NodeMemory } from '../../node/support/nodeMemory.js';
import { World } from '../../node/support/world.js';
import { broken } from '../../support/arbitraries/broken.js';
import { messageTexts } from '../../support/arbitraries/messages.js';
import { nastyString } from '../../support/arbitraries/nasty.js';
import { render } from '../../support/arbitraries/tree.js';
import { type Received, TestClient } from '../../support/client.js';
import { fuzzRun } from '../../support/fuzzRun.js';
import { LegacyClient } from '../../support/legacyClient.js';
import { TEST_SECRET, token } from '../../support/tokens.js';
import { until } from '../../support/wait.js';
import { shown } from './support/fuzzPeer.js';
import { KEY_PREFIX, leakIn } from './support/leaks.js';
import { faultOfFrame } from './support/strictSchemas.js';

/** More would hide what they have in common. */
const MAX_FINDINGS = 5;
const AT_A_TIME = 8;
const MAX_PAYLOAD = 16_384;
const ajv = new Ajv({ strict: false });
const isEnvelope = ajv.compile<{ type: string; data?: { token: string } }>(envelopeSchema);
const isAuthenticate = ajv.compile(clientMessages.authenticate.data);

/** Peers that this protocol knows nothing of: before their token was seen, and those of the predecessor's protocol. */
describe('fuzzed strangers', function () {
  const first = fuzzRun(400);
  const old = fuzzRun(800);
  this.timeout(60_000 + (first.runs + old.runs) * 20);
  const world = new World();
  const findings: string[] = [];
  const output: string[] = [];
  let node: NodeMemory;

  before(async () => {
    await world.start();
    node = await NodeMemory.start(
      {
        REDIS_URL: world.redis.url,
        REDIS_PREFIX: KEY_PREFIX,
        JWT_SECRET: TEST_SECRET,
        EVENT_QUEUE_PARTITIONS: '1',
        MAX_PAYLOAD: String(MAX_PAYLOAD),
        MESSAGE_RATE: '100000',
        MESSAGE_BURST: '1000000',
        LEGACY_ENDPOINTS: 'true',
        LOG_LEVEL: 'warn',
      },
      { onOutput: (text) => output.push(text) },
    );
    // What is said while links come up is none of this test's business.
    output.length = 0;
  });
  after(async () => {
    await world.endClients();
    await node.stop();
    await world.stop();
  });

  beforeEach(() => {
    findings.length = 0;
  });

  function find(finding: string): void {
    if (findings.length < MAX_FINDINGS) findings.push(finding);
  }

  function expectNothingFound(): void {
    expect(findings).to.deep.equal([]);
    expect(output, 'said at level warn or above').to.deep.equal([]);
    expect(node.isRunning).to.equal(true);
  }

  /** Each worker has a user of its own, so that nobody replaces another. */
  async function eachOf<T>(values: readonly T[], work: (value: T, worker: number) => Promise<void>): Promise<void> {
    const waiting = [...values];
    await Promise.all(
      Array.from({ length: AT_A_TIME }, async (_, worker) => {
        for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) await work(next, worker);
      }),
    );
  }

  it(`a first message must either let in whom its token names, or be answered by one error and a close code (${first.reported})`, async () => {
    const good = Array.from({ length: AT_A_TIME }, (_, worker) => token(`stranger-${worker}`));
    const forged = token('stranger-0', { secret: 'another-secret-of-more-than-thirty-two-bytes' });
    const expired = token('stranger-0', { lifetimeS: -100 });
    const position = fc.constantFrom('abcdefgh.7.tag', 'abcdefgh.0.', 'nonsense', 'a.99999999999999999.x', '');
    const { any, valid } = messageTexts({
      token: fc.constantFrom('<own>', '<own>', '<own>', '<own>', forged, expired, 'x.y.z'),
      client: fc.constantFrom('abcdefgh.1', 'abcdefgh.2', 'ijklmnop.2147483648', 'abcdefgh.-1', 'x'),
      resume: fc.tuple(position, position).map((pair) => pair.join('~')),
    });
    const query = fc.record(
      { client: fc.oneof(nastyString, fc.constant('abcdefgh.3')), resume: nastyString, x: nastyString },
      { requiredKeys: [] },
    );
    const text = fc.oneof({ weight: 3, arbitrary: valid('authenticate') }, { weight: 2, arbitrary: any });
    const samples = fc.sample(fc.tuple(text, query), { seed: first.seed, numRuns: first.runs });
    const met = new Map<string, number>();

    await eachOf(samples, async ([template, queries], worker) => {
      const own = good[worker] as string;
      const sent = Buffer.from(template.replaceAll('<own>', own)).toString();
      const wellFormed = Object.entries(queries).map(([name, value]) => [name, Buffer.from(value).toString()]);
      const client = new TestClient(node.ws, { query: Object.fromEntries(wellFormed) });
      client.ws.on('open', () => client.ws.send(sent));
      await until(() => client.establishedData !== null || client.ending !== null, {
        timeoutMs: 20_000,
        what: shown(sent),
      });
      const { establishedData, ending, frames } = client;
      await client.close();
      for (const { at: _, ...frame } of frames) {
        const fault = faultOfFrame(frame) ?? leakIn(JSON.stringify(frame), [TEST_SECRET, own, forged, expired], sent);
        if (fault !== null) find(`${fault} in ${JSON.stringify(frame)}, the answer to ${shown(sent)}`);
      }
      const outcome = establishedData === null ? String(ending?.code) : 'in';
      met.set(outcome, (met.get(outcome) ?? 0) + 1);
      const due = dueOf(sent, own);
      const reported = frames.map(({ type }) => type).join();
      if (!due.includes(outcome)) find(`${outcome} instead of ${due}: ${shown(sent)}`);
      // 1009 is said by the parser of frames, 4206 to a socket that its client reads no more.
      if (!['in', '1009', '4206'].includes(outcome) && reported !== 'error' && reported !== 'validation_error') {
        find(`told ${reported || 'nothing'} before the end with ${outcome}: ${shown(sent)}`);
      }
    });
    expectNothingFound();
    expect([...met.keys()]).to.include.members(['in', '4100', '4101']);
  });

  /** 4206: an attempt that is older than the one before it (C5). */
  function dueOf(text: string, own: string): readonly string[] {
    if (Buffer.byteLength(text) > MAX_PAYLOAD) return ['1009'];
    let message: unknown;
    try {
      message = JSON.parse(text);
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error;
      return ['4100'];
    }
    if (!isEnvelope(message) || message.type !== 'authenticate' || !isAuthenticate(message.data)) return ['4100'];
    return message.data?.token === own ? ['in', '4206'] : ['4100', '4101'];
  }

  it(`an old client must be answered in its own shape, whatever it sends (${old.reported})`, async () => {
    const list = fc.array(fc.oneof(fc.constantFrom('zone_created', 'health_update', 'user_login'), nastyString));
    const types = fc.constantFrom('ping', 'get_system_info', 'subscribe_events', 'subscribe', 'get_stats');
    const message = fc.oneof(
      fc.record({ type: types, data: fc.record({ event_types: list }) }),
      fc.record({ type: types, events: list }),
    );
    const text = fc.oneof(message.map(render), broken(message).map(render), messageTexts({}).any, fc.constant('ping'));
    const texts = fc.sample(text, { seed: old.seed, numRuns: old.runs });
    const secret = token('old-client', { roles: ['admin'] });
    const groups = ['health', 'dns_management', 'security', 'system', 'admin'] as const;
    const clients = groups.map((group) => new LegacyClient(node.ws, group, { token: secret }));
    await Promise.all(clients.map((client) => client.established()));
    await Promise.all(
      clients.map((client, index) =>
        talk(
          client,
          texts.filter((_, n) => n % groups.length === index),
        ),
      ),
    );
    for (const client of clients) client.terminate();
    expectNothingFound();

    async function talk(client: LegacyClient, some: readonly string[]): Promise<void> {
      for (const one of some) {
        const sent = Buffer.from(one).toString();
        if (Buffer.byteLength(sent) > MAX_PAYLOAD) continue;
        const before = client.frames.length;
        // Behind each a question whose answer tells that the one before was answered, and that keeps the connection.
        client.ws.send(sent);
        client.ws.send('{"type":"get_stats"}');
        const marks = typeOf(sent) === 'get_stats' ? 2 : 1;
        const came = (): LegacyClient['frames'] => client.frames.slice(before);
        await until(() => came().filter(({ type }) => type === 'stats').length >= marks || client.ending !== null, {
          timeoutMs: 20_000,
          what: () => `an answer to ${shown(sent)}`,
        });
        if (client.ending !== null) throw new Error(`ended with ${client.ending.code} after ${shown(sent)}`);
        for (const frame of came()) {
          const leak = leakIn(frame.text, [TEST_SECRET, secret], sent);
          const code = frame.data?.error_code;
          if (leak !== null || code === 'MESSAGE_HANDLER_ERROR')
            find(`${leak ?? code} in ${shown(frame.text)}, the answer to ${shown(sent)}`);
        }
        const answers = came().filter(({ type }) => !UNASKED.has(type)).length;
        if (answers !== 2)
          find(
            `${answers - 1} answers to ${shown(sent)}: ${shown(
              came()
                .map((frame) => frame.text)
                .join(' '),
            )}`,
          );
      }
    }
  });
});

/** What old clients are told without asking. */
const UNASKED: ReadonlySet<string> = new Set(['deprecation']);

function typeOf(text: string): unknown {
  try {
    return (JSON.parse(text) as Received | null)?.type;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { REST_BASE } from '@unified-ws/protocol';
import { expect } from 'chai';
import type { TestClient } from '../../support/client.js';
import { hasCommand } from '../../support/hasCommand.js';
import { type GatewayFault, HttpGateway } from '../../support/httpGateway.js';
import { TOKEN } from '../../support/logGuard.js';
import { freePort } from '../../support/redis.js';
import { expectOnceInOrder, serviceToken } from '../support/published.js';
import { type LocalNode, World } from '../support/world.js';

const FOLDER = fileURLToPath(new URL('../../../../../examples/python', import.meta.url));
const run = promisify(execFile);

/** A script that has the module, the address and a few words. `report` prints what became of a future. */
const HEAD = `
import json, os, sys, threading, time
from concurrent.futures import CancelledError
from publisher import Publisher, PublishError, UnauthorizedError
URL, RUN = os.environ['URL'], os.environ['RUN']
TOKEN, EXPIRED = os.environ['UNIFIED_TOKEN'], os.environ['EXPIRED']
def numbered(n, keys=3):
    key = f'{RUN}-{n % keys}'
    return {'event_type': 'custom_event', 'data': {'run': RUN, 'key': key, 'n': n}, 'ordering_key': key}
def outcome(future):
    try:
        return future.result()
    except PublishError as error:
        return [error.code, error.outcome, error.status, [e['path'] for e in error.errors], str(error)]
    except CancelledError:
        return 'cancelled'
def report(value): print(json.dumps(value), flush=True)
`;

if (hasCommand('python3')) {
  describe('the publisher in Python', function () {
    this.timeout(60_000);
    const world = new World();
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
      gateway.fault = () => 'pass';
      client = await world.connect(node);
    });
    afterEach(() => world.endClients());
    after(async () => {
      await gateway.stop();
      await world.stop();
    });

    /** Runs a script and gives the lines that it reported. */
    async function python(id: string, script: string, http = gateway.http): Promise<unknown[]> {
      const { stdout, stderr } = await run('python3', ['-c', HEAD + script], { env: envOf(id, http), timeout: 50_000 });
      expect(stderr).to.equal('');
      return stdout
        .split('\n')
        .filter(Boolean)
        .map((line) => JSON.parse(line) as unknown);
    }

    function envOf(id: string, http: string): Record<string, string> {
      const { PATH = '', HOME = '' } = process.env;
      const tokens = { UNIFIED_TOKEN: serviceToken(), EXPIRED: serviceToken('service-1', -60) };
      return {
        PATH,
        HOME,
        PYTHONPATH: FOLDER,
        PYTHONDONTWRITEBYTECODE: '1',
        URL: `${http}${REST_BASE}`,
        RUN: id,
        ...tokens,
      };
    }

    function failWith(faults: readonly GatewayFault[]): void {
      gateway.fault = () => faults[gateway.requests.length - 1] ?? 'pass';
    }

    it('lost answers, errors of a balancer, silence and 429 must lose nothing, double nothing and keep the order', async () => {
      failWith([
        'cut_answer',
        'cut',
        { status: 502, afterNode: true },
        'pass',
        'hold',
        { status: 429, headers: { 'retry-after': '1' } },
        { status: 503, headers: { 'retry-after': '0' }, afterNode: true },
        { status: 202, body: '<html>', afterNode: true },
      ]);
      const id = world.user('run');
      const [counts] = await python(
        id,
        `
with Publisher(URL, lambda reason: TOKEN, max_batch_events=50, request_timeout_s=0.5) as publisher:
    futures = [publisher.publish(numbered(n)) for n in range(400)]
    answers = [outcome(future) for future in futures]
report([len({answer['event_id'] for answer in answers}), publisher.last_failure])`,
      );
      expect(counts).to.deep.equal([400, null]);
      const [, , , , , refused, next] = gateway.requests.map(({ at }) => at);
      expect((next ?? 0) - (refused ?? 0)).to.be.at.least(1000);
      await expectOnceInOrder(client, id, 400);
    });

    it('a refused event must not take the others with it, and a large one must not stop a smaller proxy', async () => {
      gateway.fault = ({ body }) => {
        if (body.length > 6000) return { status: 413 };
        return body.includes('poison') ? { status: 400, body: { code: 'VALIDATION_ERROR', detail: 'wrong' } } : 'pass';
      };
      const id = world.user('run');
      const [answers] = await python(
        id,
        `
with Publisher(URL, lambda reason: TOKEN) as publisher:
    futures = [publisher.publish(numbered(n)) for n in range(60)]
    bad = [publisher.publish(event) for event in (
        {'event_type': 'no_such_type', 'data': {}},
        {'event_type': 'custom_event', 'data': []},
        {'event_type': 'admin_broadcast', 'data': {'message': 'x'}},
        {'event_type': 'custom_event', 'data': {'poison': 1}},
        {'event_type': 'custom_event', 'data': {'text': 'x' * 7000}})]
    futures += [publisher.publish(numbered(n)) for n in range(60, 120)]
    report([outcome(future)[:4] for future in bad])
    assert all(outcome(future)['event_id'] for future in futures)
    try:
        publisher.publish({'event_type': 'custom_event', 'data': {'x': {1, 2}}})
    except PublishError as error:
        assert error.code == 'INVALID_EVENT'`,
      );
      expect(answers).to.deep.equal([
        ['VALIDATION_ERROR', 'not_published', 400, ['/event_type']],
        ['VALIDATION_ERROR', 'not_published', 400, ['/data']],
        ['PERMISSION_DENIED', 'not_published', 403, []],
        ['VALIDATION_ERROR', 'not_published', 400, []],
        ['REFUSED', 'not_published', 413, []],
      ]);
      await expectOnceInOrder(client, id, 120);
    });

    it('tokens must be renewed after a 401, given up when all are refused, and never told', async () => {
      const id = world.user('run');
      const told = await python(
        id,
        `
reasons = []
def renewed(reason):
    reasons.append(reason)
    return EXPIRED if reason == 'initial' else TOKEN
with Publisher(URL, renewed) as publisher:
    assert outcome(publisher.publish(numbered(0)))['event_id']
report(reasons)
with Publisher(URL, lambda reason: EXPIRED) as publisher:
    report(outcome(publisher.publish(numbered(1))))
def closed(reason):
    raise UnauthorizedError('the account is closed')
with Publisher(URL, closed) as publisher:
    report(outcome(publisher.publish(numbered(2))))
with Publisher(URL, lambda reason: TOKEN + '\\n', delivery_timeout_s=0.3) as publisher:
    report(outcome(publisher.publish(numbered(3))))`,
      );
      expect(told[0]).to.deep.equal(['initial', 'refused']);
      expect(told.slice(1).map((answer) => (answer as string[]).slice(0, 2))).to.deep.equal([
        ['UNAUTHORIZED', 'not_published'],
        ['UNAUTHORIZED', 'not_published'],
        ['DELIVERY_TIMEOUT', 'not_published'],
      ]);
      expect(TOKEN.test(JSON.stringify(told))).to.equal(false);
    });

    it('memory must be bounded, an end must have a deadline, and what was not sent can be cancelled', async () => {
      gateway.fault = () => 'hold';
      const id = world.user('run');
      const told = await python(
        id,
        `
publisher = Publisher(URL, lambda reason: TOKEN, max_batch_events=1, max_buffered_events=3)
futures = [publisher.publish(numbered(n)) for n in range(3)]
try:
    publisher.publish(numbered(3))
except PublishError as error:
    report([error.code, error.outcome])
while not futures[0].running():
    time.sleep(0.01)
report([futures[0].cancel(), futures[2].cancel()])
began = time.monotonic()
report(publisher.close(timeout_s=0.2))
assert 0.15 < time.monotonic() - began < 3
report([outcome(future)[:2] if not future.cancelled() else 'cancelled' for future in futures])
try:
    publisher.publish(numbered(4))
except PublishError as error:
    report([error.code, error.outcome])`,
      );
      expect(told).to.deep.equal([
        ['BUFFER_FULL', 'not_published'],
        [false, true],
        3,
        [['CLOSED', 'unknown'], ['CLOSED', 'not_published'], 'cancelled'],
        ['CLOSED', 'not_published'],
      ]);
    });

    it('one who waits for room must get it, and what is buffered at the end must be published', async () => {
      const id = world.user('run');
      await python(
        id,
        `
publisher = Publisher(URL, lambda reason: TOKEN, max_batch_events=4, max_buffered_events=10, when_full='wait', linger_s=60)
futures = [publisher.publish(numbered(n)) for n in range(101)]
assert publisher.close() == 0
assert all(outcome(future)['event_id'] for future in futures)`,
      );
      await expectOnceInOrder(client, id, 101);
    });

    it('an event that may be published must not be sent again when the server may have forgotten it; one that is not, must', async () => {
      gateway.fault = () => 'cut_answer';
      const id = world.user('run');
      const [told] = await python(
        id,
        `
with Publisher(URL, lambda reason: TOKEN, idempotency_window_s=1) as publisher:
    report(outcome(publisher.publish(numbered(0, 1)))[:2])`,
      );
      expect(told).to.deep.equal(['OUTCOME_UNKNOWN', 'unknown']);
      const [first] = gateway.requests;
      for (const { at } of gateway.requests) expect(at - (first?.at ?? 0)).to.be.below(1000);
      const port = await freePort();
      const [late] = await python(
        id,
        `
with Publisher(URL, lambda reason: TOKEN, idempotency_window_s=0.1, delivery_timeout_s=0.8) as publisher:
    future = publisher.publish(numbered(1, 1))
    report(outcome(future)[:2] + [publisher.last_failure])`,
        `http://127.0.0.1:${port}`,
      );
      expect(late).to.deep.equal(['DELIVERY_TIMEOUT', 'not_published', 'ConnectionRefusedError']);
      await expectOnceInOrder(client, id, 1, { keys: 1 });
    });

    it('the command must publish each line, and tell which it could not', async () => {
      failWith(['cut_answer']);
      const id = world.user('run');
      const child = spawn('python3', [`${FOLDER}/publisher.py`, '--url', `${gateway.http}${REST_BASE}`], {
        env: envOf(id, gateway.http),
      });
      let [out, err] = ['', ''];
      child.stdout.on('data', (chunk: Buffer) => {
        out += chunk;
      });
      child.stderr.on('data', (chunk: Buffer) => {
        err += chunk;
      });
      const event = (n: number) => ({
        event_type: 'custom_event',
        data: { run: id, key: `${id}-0`, n },
        ordering_key: id,
      });
      const lines = [event(0), { event_type: 'no_such_type', data: {} }, event(1)].map((line) => JSON.stringify(line));
      child.stdin.end(`${lines.join('\n')}\nno JSON\n`);
      const [code] = (await once(child, 'close')) as [number];
      expect(code).to.equal(1);
      expect(out.split('\n').filter(Boolean)).to.have.length(2);
      expect(err)
        .to.match(/line 4: .*\n?/)
        .and.match(/line 2: VALIDATION_ERROR: \/event_type/);
      await expectOnceInOrder(client, id, 2, { keys: 1 });
    });
  });
}

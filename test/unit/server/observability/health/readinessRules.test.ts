import { expect } from 'chai';
import { type LocalNode, World } from '../../../../node/support/world.js';
import { adminToken } from '../../../../support/tokens.js';
import { until } from '../../../../support/wait.js';
import { type Answer, call, expectNoLeak, expectProblem } from '../../http/support.js';

/** G7. */
const NOTICED_MS = 5000;
/** An answer that waited for Redis would take its command time-out of 1,500 ms. */
const AT_ONCE_MS = 500;

describe('/readyz while Redis is away', () => {
  const world = new World();
  let node: LocalNode;

  beforeEach(async () => {
    await world.start();
    node = await world.node();
  });

  afterEach(() => world.stop());

  /** Asks `/readyz` and `/livez`, and fails when the answer waited for anything. */
  async function ask(): Promise<Answer> {
    const startedAt = performance.now();
    const answer = await call(node, '/readyz');
    expect(performance.now() - startedAt).to.be.below(AT_ONCE_MS);
    expect((await call(node, '/livez')).status).to.equal(200);
    return answer;
  }

  async function becomes(status: number, timeoutMs: number): Promise<Answer> {
    return until(
      async () => {
        const answer = await ask();
        return answer.status === status ? answer : null;
      },
      { what: `/readyz ${status}`, timeoutMs, everyMs: 50 },
    );
  }

  function expectReasons({ body, text }: Answer): void {
    expect(body.ready).to.equal(false);
    const failed = Object.entries(body.checks as Record<string, { ok: boolean }>).filter(([, { ok }]) => !ok);
    expect(body.reasons.length).to.be.at.least(1).and.to.equal(failed.length);
    for (const reason of body.reasons)
      expect(reason).to.match(/^(redis|bus|lease|workers|parts|event_loop|draining): /);
    expectNoLeak(text);
  }

  it('says 503 with the reason within 5 s of a stop, and serves again by itself', async () => {
    await world.redis.kill9();
    const down = await becomes(503, NOTICED_MS);
    expectReasons(down);
    const named = await until(
      async () => {
        const { body } = await ask();
        return body.checks.redis.ok ? null : body;
      },
      { what: 'redis is named', timeoutMs: NOTICED_MS },
    );
    expect(named.reasons).to.include('redis: not connected');
    await world.redis.restart();
    const up = await becomes(200, 15_000);
    expect(up.body.reasons).to.deep.equal([]);
  });

  it('says 503 with the reason within 5 s of a freeze, at once each time, and serves again by itself', async () => {
    world.redis.pause();
    try {
      const down = await becomes(503, NOTICED_MS);
      expectReasons(down);
      for (let i = 0; i < 10; i += 1) expect((await ask()).status).to.equal(503);
      const metrics = await fetch(`${node.http}/metrics`, { signal: AbortSignal.timeout(AT_ONCE_MS) });
      expect(await metrics.text()).to.match(/^uws_ready 0$/m);
    } finally {
      world.redis.resume();
    }
    await becomes(200, 15_000);
    const metrics = await (await fetch(`${node.http}/metrics`)).text();
    expect(metrics).to.match(/^uws_fenced_total 1$/m);
  });

  it('REST answers 503 UNAVAILABLE with a time to come back meanwhile, and hangs for nobody', async () => {
    const token = adminToken();
    await world.redis.kill9();
    await becomes(503, NOTICED_MS);
    const json = { event_type: 'zone_updated', data: {} };
    for (const path of ['stats', 'health', 'errors', 'user/u', 'broadcast', 'disconnect/u']) {
      const startedAt = performance.now();
      const post = path === 'broadcast' ? { json } : path.startsWith('disconnect') ? { method: 'POST' } : {};
      const answer = await call(node, path, { token, ...post });
      expect(performance.now() - startedAt, path).to.be.below(3000);
      expectProblem(answer, 503, 'UNAVAILABLE');
      expect(Number(answer.headers.get('retry-after')), path).to.be.above(0);
    }
    expect((await call(node, 'info')).status).to.equal(200);
  });
});

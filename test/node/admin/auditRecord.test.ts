import { expect } from 'chai';
import type { Redis } from 'ioredis';
import { adminToken } from '../../support/tokens.js';
import { call, type Json } from '../../unit/server/http/support.js';
import { type LocalNode, World } from '../support/world.js';

describe('the audit record', function () {
  this.timeout(10_000);
  const world = new World();
  let node: LocalNode;
  let redis: Redis;
  const RECORDS = 1200;

  before(async () => {
    await world.start();
    node = await world.node();
    redis = world.redis.client();
    const pipeline = redis.pipeline();
    for (let n = 0; n < RECORDS; n += 1) {
      const fields = {
        at: new Date(n).toISOString(),
        by: `a${n % 3}`,
        ip: '::1',
        via: 'rest',
        action: n % 400 === 0 ? 'ban' : 'disconnect',
      };
      const all = { ...fields, target: `u${n}`, reason: '', result: 'closed' };
      pipeline.xadd('uws:audit', `${1_000_000 + n}-0`, ...Object.entries(all).flat());
    }
    await pipeline.exec();
  });
  after(() => world.stop());

  const audit = async (query: string): Promise<Json> => {
    const answer = await call(node, `audit${query}`, { token: adminToken() });
    expect(answer.status, answer.text).to.equal(200);
    return answer.body;
  };

  it('pages that overlap or leave a record out hide what was done', async () => {
    const targets: string[] = [];
    let query = '?limit=100';
    for (;;) {
      const { records, next_cursor } = await audit(query);
      targets.push(...records.map(({ target }: Json) => target));
      if (next_cursor === null) break;
      query = `?limit=100&cursor=${next_cursor}`;
    }
    expect(targets).to.deep.equal(Array.from({ length: RECORDS }, (_, n) => `u${RECORDS - 1 - n}`));
  });

  it('finds what is asked for, far back too', async () => {
    expect((await audit('?action=ban')).records.map(({ target }: Json) => target)).to.deep.equal([
      'u800',
      'u400',
      'u0',
    ]);
    expect((await audit('?target=u7')).records).to.have.length(1);
    expect((await audit('?actor=a1&limit=2')).records.map(({ target }: Json) => target)).to.deep.equal([
      'u1198',
      'u1195',
    ]);
    const since = new Date(1_000_000 + 1190).toISOString();
    expect((await audit(`?since=${since}`)).records).to.have.length(10);
    expect((await audit('?actor=nobody')).records).to.deep.equal([]);
  });
});

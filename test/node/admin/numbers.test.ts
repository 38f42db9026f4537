import { expect } from 'chai';
import { adminToken, token } from '../../support/tokens.js';
import { until } from '../../support/wait.js';
import { call, expectProblem } from '../../unit/server/http/support.js';
import { type LocalNode, World } from '../support/world.js';

describe('JSON that cannot be sent on as it came', function () {
  this.timeout(10_000);
  const world = new World();
  let node: LocalNode;

  before(async () => {
    await world.start();
    node = await world.node();
  });
  afterEach(() => world.endClients());
  after(() => world.stop());

  const json = { 'content-type': 'application/json' };
  const post = (path: string, text: string) => call(node, path, { token: adminToken(), text, headers: json });

  // Seen red: {"v":1e400} was accepted and delivered as {"v":null}.
  it('must be refused with its place wherever it would be stored or sent on', async () => {
    const event = (inner: string): string => `{"event_type":"custom_event",${inner}}`;
    const bodies: readonly [path: string, text: string, place: string][] = [
      ['broadcast', event('"data":{"v":1e400}'), '/data/v'],
      ['broadcast', event('"data":{},"metadata":{"m":[0,-1e999]}'), '/metadata/m/1'],
      ['events', event('"data":{"v":1e400},"target_user_ids":["u"]'), '/data/v'],
      ['events', `[${event('"data":{}')},${event('"data":{"a":{"b":1E+309}}')}]`, '/1/data/a/b'],
      ['disconnect/u', '{"reason":"x","ban_seconds":1e400}', '/ban_seconds'],
    ];
    for (const [path, text, place] of bodies) {
      const problem = expectProblem(await post(path, text), 400, 'VALIDATION_ERROR');
      expect(
        problem.errors?.map((error) => error.path),
        text,
      ).to.deep.equal([place]);
    }
    const client = await world.raw(node, { token: token('admin-1', { roles: ['admin'] }) });
    await client.waitFor('connection_established');
    for (const [n, inner] of ['"data":{"v":1e400}', '"data":{"v":1},"metadata":{"m":1e400}'].entries()) {
      client.send(`{"type":"publish_event","id":"r${n}","data":${event(inner)}}`);
      const error = await until(() => client.messages.find(({ reply_to }) => reply_to === `r${n}`), {
        what: 'an answer',
      });
      expect(error).to.include({ type: 'validation_error' });
      expect(error.data.error_code).to.equal('VALIDATION_ERROR');
    }
  });

  it('must not keep out what can be sent on: strange, rounded as docs/PROTOCOL.md says, or with names of the language', async () => {
    const client = await world.raw(node, { token: token(world.user()) });
    await client.waitFor('connection_established');
    const sent =
      '{"a":9007199254740993,"b":-0,"c":1e-400,"d":"\\ud800","__proto__":{"x":1},"constructor":null,"e":1,"e":2}';
    const answer = await post('broadcast', `{"event_type":"custom_event","data":${sent}}`);
    expect(answer.status, answer.text).to.equal(202);
    const { data } = await client.waitFor('custom_event');
    expect(JSON.stringify(data)).to.equal(
      '{"a":9007199254740992,"b":0,"c":0,"d":"\\ud800","__proto__":{"x":1},"constructor":null,"e":2}',
    );
  });
});

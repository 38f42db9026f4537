import { type RestOperation, restOperations } from '@unified-ws/protocol';
import { expect } from 'chai';
import { adminToken, token } from '../../support/tokens.js';
import { call, expectProblem } from '../../unit/server/http/support.js';
import { type LocalNode, World } from '../support/world.js';

/** What libraries fold, decode twice, cut off, or take for a part of the path. */
const IDS = [
  '.',
  '..',
  '...',
  '%2e',
  '%2E%2E',
  '../../x',
  'a/b',
  '/',
  'a?b',
  'a#b',
  '%',
  '%00',
  '\\',
  ' ',
  '~',
  '~Li4',
  '+',
  'ü💥',
  'base64url',
  '__proto__',
  'x'.repeat(128),
];

/** Of every operation on a user, so that none can be forgotten: what is sent, and what is answered. */
const CALLS: Readonly<Record<string, { readonly body?: object; readonly status?: number }>> = {
  getUser: {},
  getMailbox: {},
  getUserRollout: {},
  changePermissions: { body: { roles: ['user'] } },
  revokeUser: { body: { session: 'none' } },
  disconnectUser: { body: { reason: 'by id', ban_seconds: 60 } },
  liftBan: {},
};

const encoded = (id: string): string => Buffer.from(id).toString('base64url');

describe('a user of any id', function () {
  this.timeout(20_000);
  const world = new World();
  let node: LocalNode;
  const operations = Object.entries(restOperations as Readonly<Record<string, RestOperation>>).filter(([, { path }]) =>
    path.includes('{user_id}'),
  );

  before(async () => {
    await world.start();
    node = await world.node({ HTTP_RATE_PER_CALLER: '0' });
  });
  afterEach(() => world.endClients());
  after(() => world.stop());

  const ask = (id: string, path: string, user: string) => {
    const { method } = (restOperations as Readonly<Record<string, RestOperation>>)[id] as RestOperation;
    const { body } = CALLS[id] ?? {};
    return call(node, path.replace('{user_id}', `base64url/${user}`), {
      method: method.toUpperCase(),
      token: adminToken(),
      ...(body === undefined ? {} : { json: body }),
    });
  };

  it('must be within reach of every operation, through a library that folds paths as fetch does', async () => {
    expect(operations.map(([id]) => id).sort()).to.deep.equal(Object.keys(CALLS).sort());
    await Promise.all(
      IDS.map(async (user) => {
        const client = await world.connect(node, user);
        for (const id of Object.keys(CALLS)) {
          const [, { path }] = operations.find(([name]) => name === id) as [string, RestOperation];
          const answer = await ask(id, path, encoded(user));
          expect(answer.status, `${id} of ${JSON.stringify(user)}: ${answer.text}`).to.equal(200);
          expect(answer.body.user_id, `${id} of ${JSON.stringify(user)}`).to.equal(user);
        }
        expect(await client.closed(), user).to.include({ code: 4003 });
        await world.connect(node, user);
      }),
    );
  });

  // Seen red: `/users/./ban` is `/users/ban` by the time it leaves fetch.
  it('must be the one who was meant: what is no base64url of an id is refused, and reaches nobody', async () => {
    const wrong = ['a', '====', 'Lg==', 'Lh', 'Li5*', 'gA', '7aCA', encoded('x'.repeat(129)), 'L g'];
    for (const [id, { path }] of operations) {
      for (const user of wrong) expectProblem(await ask(id, path, user), 400, 'VALIDATION_ERROR');
    }
  });

  it('must have the plain form as ever, an id that looks like the other form too', async () => {
    for (const user of ['base64url', 'Li4', 'a/b', '~', '%2e']) {
      await world.connect(node, user);
      const answer = await call(node, `user/${encodeURIComponent(user)}`, { token: adminToken() });
      expect(answer.body.user_id, user).to.equal(user);
    }
    const stranger = token(world.user());
    expectProblem(await call(node, `user/base64url/${encoded('.')}`, { token: stranger }), 403, 'PERMISSION_DENIED');
    expectProblem(await call(node, `user/base64url/${encoded('.')}`, {}), 401, 'AUTH_ERROR');
  });
});

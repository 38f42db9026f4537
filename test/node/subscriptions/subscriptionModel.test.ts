import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect } from 'chai';
import fc from 'fast-check';
import { fuzzRun } from '../../support/fuzzRun.js';
import { adminToken } from '../../support/tokens.js';
import { COMMANDS, SubscribedUser } from '../../wire/fuzz/support/subscriptionCommands.js';
import { CATALOGUE, SubscriptionModel } from '../../wire/fuzz/support/subscriptionModel.js';
import { type LocalNode, World } from '../support/world.js';

/** Runs at once: an order of permissions-changed is answered in the next second only. */
const LANES = 20;
const MAX_COMMANDS = 14;

// Seen red, with what is left of the commands: a category that brings a dropped type back [subscribe_category a, unsubscribe_events a1]
// or does not bring it [unsubscribe_events a1, subscribe_category a]; a default that cannot be dropped [unsubscribe_events a1]; a cohort
// that is not changed with the roles [refresh_token, publish]; muted types that come [mute b1, publish].
describe('subscriptions against a model', function () {
  const run = fuzzRun(100);
  this.timeout(60_000 + run.runs * 500);
  const world = new World();
  const dir = mkdtempSync(path.join(tmpdir(), 'unified-ws-model-'));
  let nodes: LocalNode[];

  before(async () => {
    const file = path.join(dir, 'catalogue.json');
    writeFileSync(file, JSON.stringify(CATALOGUE));
    await world.start();
    const env = { EVENT_CATALOGUE: file, MESSAGE_RATE: '10000', MESSAGE_BURST: '10000' };
    nodes = await Promise.all([world.node({ ...env, NODE_ID: 'one' }), world.node({ ...env, NODE_ID: 'two' })]);
  });
  after(async () => {
    await world.stop();
    rmSync(dir, { recursive: true });
  });

  it(`whatever a user does and an admin changes, he is told and sent what he is subscribed to, no less and no more (${run.reported})`, async () => {
    const lanes = Array.from({ length: LANES }, (_, lane) => {
      const seed = run.seed + lane;
      const property = fc.asyncProperty(fc.commands(COMMANDS, { maxCommands: MAX_COMMANDS }), async (commands) => {
        const user = new SubscribedUser(world, nodes, adminToken('model-admin'));
        const model = new SubscriptionModel(['user']);
        await user.connect(lane % 2, model.roles);
        try {
          expect(user.current.establishedData?.subscriptions).to.have.members(model.subscriptions);
          await fc.asyncModelRun(() => ({ model, real: user }), commands);
          expect((await user.received(false)).sort()).to.deep.equal(model.delivered);
        } finally {
          await user.current.close();
        }
      });
      return fc.assert(property, { seed, numRuns: Math.ceil(run.runs / LANES) });
    });
    const failed = (await Promise.allSettled(lanes)).filter((lane) => lane.status === 'rejected');
    expect(failed.map(({ reason }) => String(reason)).join('\n')).to.equal('');
  });
});

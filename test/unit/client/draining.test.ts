import { createClient } from '@unified-ws/client/core';
import { expect } from 'chai';
import { type Peer, VirtualEnvironment } from './virtualEnvironment.js';

const event = (n: number): object => ({
  type: 'custom_event',
  data: { n },
  id: `id-${n}`,
  scope: 'broadcast',
  position: `e.${n}.t`,
});

describe('a client whose node drains', () => {
  const environments: (() => void)[] = [];
  afterEach(() => {
    for (const close of environments.splice(0)) close();
  });

  async function connected() {
    const environment = new VirtualEnvironment();
    const client = createClient({ url: 'ws://x', getToken: () => 't' }, environment);
    const got: unknown[] = [];
    client.on('custom_event', ({ data }) => {
      got.push(data.n);
    });
    await environment.pass(0);
    const old = environment.peers[0] as Peer;
    old.establish({ subscriptions: ['custom_event'], heartbeat_interval_ms: 3_600_000 });
    await environment.pass(20_000);
    environments.push(() => client.close());
    return { environment, client, got, old };
  }

  // Seen red: with the plan of the drain dropped in ended().
  it('must come when the node said, although the close says nothing of it', async () => {
    const { environment, client, old } = await connected();
    const askedAt = environment.now();
    old.say({ type: 'server_draining', data: { reconnect_after_ms: 3000 } });
    expect(client.state).to.include({ status: 'recovering', reason: 'draining', retryAt: askedAt + 3000 });
    old.end(4200, 'server draining');
    expect(client.state).to.include({ status: 'reconnecting', reason: 'draining', retryAt: askedAt + 3000 });
    await environment.pass(10_000);
    expect(environment.peers.map(({ at }) => at - askedAt).slice(1)).to.deep.equal([3000]);
  });

  it('must take what the old connection brings until the next one is established, and nothing of it twice', async () => {
    const { environment, client, got, old } = await connected();
    old.say({ type: 'server_draining', data: { reconnect_after_ms: 1000 } });
    old.say(event(1));
    await environment.pass(1000);
    const next = environment.peers[1] as Peer;
    expect(next.url).to.contain('resume=e.1.t~');
    old.say(event(2));
    expect(old.isClosed).to.equal(false);
    next.establish({
      subscriptions: ['custom_event'],
      resume: { broadcast: 'full', user: 'fresh' },
      positions: { broadcast: 'e.1.t', user: null },
    });
    expect(old.isClosed).to.equal(true);
    expect(client.state.status).to.equal('connected');
    old.say(event(99));
    for (const n of [2, 3]) next.say(event(n));
    expect(got).to.deep.equal([1, 2, 3]);
    expect(client.report().counts).to.include({ repeats: 1 }).and.not.have.property('gaps');
  });

  it('must keep the old connection, and try later, when it is led back to the node that drains', async () => {
    const { environment, client, got, old } = await connected();
    old.say({ type: 'server_draining', data: { reconnect_after_ms: 0 } });
    await environment.pass(0);
    for (const n of [1, 2, 3]) {
      environment.peers.at(-1)?.end(1006);
      expect(client.state).to.include({ status: 'recovering', willRetry: true });
      old.say(event(n));
      await environment.pass(10_000);
    }
    expect(environment.peers).to.have.length(5);
    expect(got).to.deep.equal([1, 2, 3]);
    expect(old.isClosed).to.equal(false);
  });

  it('must stay away when a newer connection of the user has replaced the old one meanwhile', async () => {
    const { environment, client, old } = await connected();
    old.say({ type: 'server_draining', data: { reconnect_after_ms: 0 } });
    await environment.pass(0);
    old.end(4001, 'superseded by a newer connection');
    expect(client.state).to.include({ status: 'failed', reason: 'replaced', code: 4001 });
    expect(environment.peers[1]?.isClosed).to.equal(true);
    await environment.pass(120_000);
    expect(environment.peers).to.have.length(2);
  });
});

import { createClient, type Positions } from '@unified-ws/client/core';
import { expect } from 'chai';
import { VirtualEnvironment } from './virtualEnvironment.js';

describe('logout', () => {
  // Seen red: without the look at the state in planCheckpoint().
  it('must leave no position behind, although a handler is done only afterwards', async () => {
    const environment = new VirtualEnvironment();
    const kept: Positions[] = [];
    const client = createClient(
      {
        url: 'ws://x',
        getToken: () => 't',
        positions: { load: () => null, save: (positions) => kept.push(positions), clear: () => kept.splice(0) },
      },
      environment,
    );
    let finish = (): void => undefined;
    client.on(
      'custom_event',
      () =>
        new Promise<void>((resolve) => {
          finish = resolve;
        }),
    );
    await environment.pass(0);
    const [peer] = environment.peers;
    peer?.establish({ subscriptions: ['custom_event'] });
    peer?.say({ type: 'custom_event', data: {}, id: 'a', scope: 'user', position: 'e.1.a' });
    await environment.pass(1000);
    client.logout();
    finish();
    await environment.pass(60_000);
    expect(kept).to.deep.equal([]);
    expect(environment.pending).to.equal(0);
  });
});

import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { type Client, createClient, type ServerEvent } from '@unified-ws/client';
import { expect } from 'chai';

interface Prices {
  readonly price_changed: { readonly symbol: string; readonly price: number };
  readonly price_removed: { readonly symbol: string };
  readonly halted: { readonly until: string };
}

/** Never called: the compiler is the test. */
function compiled(client: Client, prices: Client<Prices>): void {
  client.on('health_update', ({ data, type }) => [data.status, type satisfies 'health_update']);
  client.on(['zone_created', 'zone_deleted'], ({ type }) => type satisfies 'zone_created' | 'zone_deleted');
  client.on('*', ({ scope }) => scope satisfies 'broadcast' | 'user');
  // @ts-expect-error there is no such type
  client.on('no_such_type', () => undefined);
  // @ts-expect-error one of them does not exist
  client.on(['health_update', 'no_such_type'], () => undefined);

  prices.on('price_changed', ({ data }) => data.price satisfies number);
  prices.on('price_*', ({ data }) => data.symbol satisfies string);
  // @ts-expect-error a type of another catalogue
  prices.on('health_update', () => undefined);
  // @ts-expect-error the data has no such field
  prices.on('price_changed', ({ data }) => data.amount);
  // @ts-expect-error the field is a number
  prices.on('price_changed', ({ data }) => data.price satisfies string);
  // @ts-expect-error not every price event has a price
  prices.on('price_*', ({ data }) => data.price);
  prices.on('price_*', (event) => {
    if (event.type === 'price_changed') event.data.price satisfies number;
  });
  // @ts-expect-error a handler takes an event
  prices.on('halted', (_event: number) => undefined);

  void client.request('ping').then(({ uptime }) => uptime satisfies number);
  void client
    .request('disconnect_user', { user_id: 'u' }, { timeoutMs: 1 })
    .then(({ result }) => result satisfies string);
  // @ts-expect-error the data is missing
  void client.request('disconnect_user');
  // @ts-expect-error user_id is text
  void client.request('disconnect_user', { user_id: 5 });
  // @ts-expect-error no such request
  void client.request('restart_everything');
  // @ts-expect-error the client sends these by itself
  void client.request('ack', { user: 'p' });
  // @ts-expect-error the reply has no such field
  void client.request('ping').then(({ downtime }) => downtime);

  const { state } = client;
  if (state.status === 'connected') state.retryAt satisfies null;
  if (state.status === 'failed') state.willRetry satisfies false;
  // @ts-expect-error there is no such status
  if (state.status === 'online') return;
  // @ts-expect-error getToken is missing
  createClient({ url: '' });
  const event = {} as ServerEvent<Prices>;
  if (event.type === 'halted') event.data.until satisfies string;
}

describe('the types of the client', () => {
  it('a wrong event, request or state must not compile', () => {
    expect(compiled).to.be.a('function');
  });

  it('an application without DOM types must compile', async function () {
    this.timeout(60_000);
    const flags = '--noEmit --strict --target ES2022 --lib ES2022 --module NodeNext --moduleResolution NodeNext';
    const args = [
      'node_modules/typescript/bin/tsc',
      '--ignoreConfig',
      ...flags.split(' '),
      '--types',
      '',
      'packages/client/src/core/index.ts',
    ];
    const { stdout } = await promisify(execFile)(process.execPath, args).catch((error: { stdout: string }) => error);
    expect(stdout).to.equal('');
  });
});

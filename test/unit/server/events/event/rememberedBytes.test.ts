import { MAX_PUBLISH_EVENTS } from '@unified-ws/protocol';
import { expect } from 'chai';
import { EventSuite } from '../eventSuite.js';
import { type EventNode, SERVICE, until } from '../support.js';

/** The budget of an event: its id, the digest of its payload, its outcome and its record, wherever they lie. */
const BUDGET = 250;
const EVENTS = 5000;

describe('what is remembered of an event', function () {
  this.timeout(60_000);
  const suite = EventSuite.make('emptied');

  /** Bytes of all keys that hold ids, digests, outcomes and records. */
  async function remembered({ command }: EventNode): Promise<number> {
    const keys = (await command.keys('*')).filter((key) => /:ids:[ab]$|:seen|:told:|:recent$|:fates:/.test(key));
    const sizes = await Promise.all(keys.map((key) => command.memory('USAGE', key, 'SAMPLES', 0)));
    return sizes.reduce<number>((sum, size) => sum + Number(size), 0);
  }

  for (const [kind, target] of [
    ['broadcasts', undefined],
    ['targeted events', ['u1']],
  ] as const) {
    for (const given of [false, true]) {
      it(`takes at most ${BUDGET} bytes: ${kind}, ids ${given ? 'of the publisher' : 'of the server'}`, async () => {
        const node = await suite.start();
        const done = (): number => node.queues.stats().lanes.reduce((sum, { appended }) => sum + appended, 0);
        for (let at = 0; at < EVENTS; at += MAX_PUBLISH_EVENTS) {
          const events = Array.from({ length: Math.min(MAX_PUBLISH_EVENTS, EVENTS - at) }, (_, index) => ({
            event_type: target === undefined ? 'zone_updated' : 'notification_sent',
            data: { n: at + index },
            ...(target === undefined ? { ordering_key: `key-${index % 8}` } : { target_user_ids: [...target] }),
            ...(given ? { id: `order-${at + index}` } : {}),
          }));
          await node.publisher.publish(events, SERVICE);
        }
        await until('all are appended', () => done() === EVENTS);
        // The last outcomes are noted without waiting: it is over when two readings agree.
        let bytes = 0;
        await until('nothing more is noted', async () => {
          const before = bytes;
          bytes = await remembered(node);
          return bytes > 0 && bytes === before;
        });
        expect(bytes / EVENTS).to.be.at.most(BUDGET);
        console.log(`      ${(bytes / EVENTS).toFixed(1)} bytes an event`);
      });
    }
  }
});

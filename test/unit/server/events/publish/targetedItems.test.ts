import { partitionOf } from '@unified-ws/server/events/event/partitionOf';
import { type TargetedDraft, targetedItems } from '@unified-ws/server/events/publish/targetedItems';
import { expect } from 'chai';
import { storedEvent } from '../support.js';

const draft: TargetedDraft = { event: storedEvent('a'), bytes: 100, publisher: 'p', dueAt: null, call: null };
const users = Array.from({ length: 50 }, (_, n) => `user-${n}`);

describe('the queue items of a targeted event', () => {
  it('lie where the events of each user lie, or his order is lost (Q3)', () => {
    const items = targetedItems(draft, users, null, 8);
    expect(items.length).to.be.within(2, 8);
    const found = new Map<string, number>();
    for (const { orderingKey, event, alsoOrders = [orderingKey] } of items) {
      expect(event.id).to.equal('a');
      expect(event.target_user_ids).to.deep.equal(alsoOrders);
      for (const userId of alsoOrders) found.set(userId, partitionOf(orderingKey, 8));
    }
    expect([...found.keys()].sort()).to.deep.equal([...users].sort());
    for (const [userId, partition] of found) expect(partition, userId).to.equal(partitionOf(userId, 8));
    const [alone] = targetedItems(draft, ['user-7'], null, 8);
    expect(partitionOf(alone.orderingKey, 8)).to.equal(partitionOf('user-7', 8));
  });

  it('are one with an ordering key, and one in the lane that overtakes', () => {
    const keyed = targetedItems(draft, users, 'key', 8);
    expect(keyed).to.have.length(1);
    expect(keyed[0]).to.include({ orderingKey: 'key' });
    expect(keyed[0]?.alsoOrders).to.equal(undefined);
    expect(targetedItems(draft, users, null, 1)).to.have.length(1);
  });
});

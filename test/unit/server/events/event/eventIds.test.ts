import { randomBytes } from 'node:crypto';
import { EventIds } from '@unified-ws/server/events/event/eventIds';
import { systemClock } from '@unified-ws/server/util/clock';
import { expect } from 'chai';

const UUID_V7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

describe('event ids', () => {
  it('does not let the same id of two publishers pass for one event (L2)', () => {
    const ids = new EventIds(systemClock, randomBytes);
    expect(ids.given('alice', '1')).not.to.equal(ids.given('bob', '1'));
    expect(ids.given('alice', '1')).to.equal(ids.given('alice', '1'));
    // sha256('alice') in base64url starts with these characters.
    expect(ids.given('alice', '1')).to.equal('K9gGyX8O_1');
  });

  it('makes UUIDs of version 7 that carry the time', () => {
    const at = Date.UTC(2026, 10, 22, 12, 0, 0, 123);
    const ids = new EventIds({ now: () => at, mono: () => 0 }, randomBytes);
    const id = ids.next();
    expect(id).to.match(UUID_V7);
    expect(Number.parseInt(id.replaceAll('-', '').slice(0, 12), 16)).to.equal(at);
  });

  it('never repeats or goes back within a millisecond, nor when the clock is set back', () => {
    let now = 1_700_000_000_000;
    const ids = new EventIds({ now: () => now, mono: () => 0 }, randomBytes);
    let last = '';
    for (let round = 0; round < 20_000; round += 1) {
      if (round === 10_000) now -= 60_000;
      const id = ids.next();
      expect(id > last, `${id} after ${last}`).to.equal(true);
      expect(id).to.match(UUID_V7);
      last = id;
    }
  });
});

import { slotOf } from '@unified-ws/server/redis/shardMap';
import { expect } from 'chai';

describe('the slot of a key', () => {
  // CLUSTER KEYSLOT of Redis 7.0.
  it('must be the one that Redis Cluster takes, or a user is looked for on the wrong shard', () => {
    expect(slotOf('123456789')).to.equal(0x31c3);
    expect(slotOf('foo')).to.equal(12182);
    expect(slotOf('uws:nodes')).to.equal(14502);
    expect(slotOf('')).to.equal(0);
    expect(slotOf('uws:{u:Zoë}:conn')).to.equal(slotOf('u:Zoë'));
    expect(slotOf('{}:a'), 'an empty tag is none').to.equal(slotOf('x{}:a'.slice(1)));
    expect(slotOf('a{b}{c}')).to.equal(slotOf('b'));
    expect(slotOf('a{b')).to.not.equal(slotOf('b'));
  });
});

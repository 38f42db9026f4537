import { ROLLOUT_MODES } from '@unified-ws/protocol';
import { bucketOf, decideRollout } from '@unified-ws/server/legacy/rollout/rolloutDecision';
import {
  DEFAULT_ROLLOUT,
  type RolloutState,
  rolloutFields,
  rolloutOf,
} from '@unified-ws/server/legacy/rollout/rolloutState';
import { expect } from 'chai';
import fc from 'fast-check';

const state = (changes: Partial<RolloutState>): RolloutState => ({ ...DEFAULT_ROLLOUT, ...changes });
const userId = fc.string({ minLength: 1, maxLength: 40, unit: 'grapheme' });
const mode = fc.constantFrom(...ROLLOUT_MODES);
const percentage = fc.integer({ min: 0, max: 100 });
const ids = fc.array(userId, { maxLength: 8 }).map((list) => new Set(list));

describe('the decision of a roll-out', () => {
  // The values are those of the predecessor: int(hashlib.md5(f"websocket_rollout_{id}".encode()).hexdigest()[:8], 16) % 100.
  it("a user's bucket must be the predecessor's, or he moves back and forth when this system takes over", () => {
    const known = { '1': 8, '42': 87, alice: 99, 'user-1': 33, Jürgen: 40, 'f3a1b2c4-0000-4000-8000-000000000001': 97 };
    for (const [id, bucket] of Object.entries(known)) expect(bucketOf(id), id).to.equal(bucket);
  });

  it('must follow the mode, and name its reason', () => {
    const lists = { userList: new Set(['in']), forceLegacy: new Set(['never']), percentage: 34 };
    const of = (changes: Partial<RolloutState>, id: string): string => {
      const { endpoint, reason } = decideRollout(state({ ...lists, ...changes }), id);
      return `${endpoint}: ${reason}`;
    };
    for (const one of ROLLOUT_MODES) expect(of({ mode: one }, 'never')).to.equal('legacy: force_legacy');
    expect(of({ mode: 'disabled' }, 'in')).to.equal('legacy: disabled');
    expect(of({ mode: 'full' }, 'other')).to.equal('unified: full');
    expect(of({ mode: 'testing' }, 'in')).to.equal('unified: user_list');
    expect(of({ mode: 'testing', percentage: 100 }, 'other')).to.equal('legacy: not_listed');
    expect(of({ mode: 'gradual', percentage: 0 }, 'in')).to.equal('unified: user_list');
    // Bucket 33.
    expect(of({ mode: 'gradual' }, 'user-1')).to.equal('unified: within_percentage');
    expect(of({ mode: 'gradual', percentage: 33 }, 'user-1')).to.equal('legacy: beyond_percentage');
    expect(decideRollout(DEFAULT_ROLLOUT, 'anybody')).to.deep.equal({
      endpoint: 'legacy',
      reason: 'disabled',
      enforced: false,
    });
  });

  // Seen red with the percentage in what is hashed, and with `enforce` handed on whatever the endpoint is.
  it('a higher percentage must take nobody back, and nobody be refused by what he is assigned to', () => {
    fc.assert(
      fc.property(
        userId,
        mode,
        ids,
        ids,
        percentage,
        percentage,
        fc.boolean(),
        (id, one, userList, forceLegacy, a, b, enforce) => {
          const at = (value: number) =>
            decideRollout(state({ mode: one, userList, forceLegacy, percentage: value, enforce }), id);
          const [lower, higher] = [at(Math.min(a, b)), at(Math.max(a, b))];
          if (lower.endpoint === 'unified') expect(higher.endpoint).to.equal('unified');
          for (const { endpoint, enforced } of [lower, higher]) {
            expect(enforced).to.equal(enforce && endpoint === 'unified');
          }
          if (forceLegacy.has(id)) expect(higher.endpoint).to.equal('legacy');
        },
      ),
      { numRuns: 2000 },
    );
  });

  it('100 percent must be everybody and 0 percent nobody', () => {
    fc.assert(
      fc.property(userId, (id) => {
        expect(decideRollout(state({ mode: 'gradual', percentage: 100 }), id).endpoint).to.equal('unified');
        expect(decideRollout(state({ mode: 'gradual', percentage: 0 }), id).endpoint).to.equal('legacy');
      }),
    );
  });

  it('buckets must be even over ids that count up, over UUIDs and over names, or 10 percent is no tenth', () => {
    const kinds: Record<string, (n: number) => string> = {
      numbers: (n) => String(n),
      uuids: (n) => `00000000-0000-4000-8000-${n.toString(16).padStart(12, '0')}`,
      addresses: (n) => `user${n}@example.org`,
    };
    const users = 100_000;
    for (const [kind, idOf] of Object.entries(kinds)) {
      const counts = new Array<number>(100).fill(0);
      for (let n = 0; n < users; n += 1) {
        const bucket = bucketOf(idOf(n));
        counts[bucket] = (counts[bucket] ?? 0) + 1;
      }
      // 1,000 each are expected, with a deviation of 31: six of them are never seen by chance.
      for (const count of counts) expect(count, kind).to.be.within(810, 1190);
    }
  });
});

describe('the stored roll-out', () => {
  it('must be read as it was written', () => {
    fc.assert(
      fc.property(
        mode,
        ids,
        ids,
        percentage,
        fc.boolean(),
        fc.nat(),
        (one, userList, forceLegacy, value, enforce, version) => {
          const before = { mode: one, enforce, at: '2026-01-01T00:00:00.000Z', by: 'admin', reason: '"' };
          const written = state({
            mode: one,
            userList,
            forceLegacy,
            percentage: value,
            enforce,
            version,
            changedAt: '2026-01-01T00:00:00.000Z',
            changedBy: 'admin',
            reason: 'why',
            rolledBack: enforce ? before : null,
          });
          expect(rolloutOf({ ...rolloutFields(written), tag: 't' })).to.deep.equal(written);
        },
      ),
    );
  });

  it('must be the default when there is none, and refused when somebody put nonsense there', () => {
    expect(rolloutOf({})).to.equal(DEFAULT_ROLLOUT);
    const good = rolloutFields(DEFAULT_ROLLOUT);
    for (const bad of [
      { mode: 'on' },
      { percentage: '101' },
      { percentage: 'x' },
      { version: 'x' },
      { user_list: '[1]' },
      { user_list: '{' },
      { force_legacy: '{}' },
    ]) {
      expect(() => rolloutOf({ ...good, ...bad }), JSON.stringify(bad)).to.throw();
    }
  });
});

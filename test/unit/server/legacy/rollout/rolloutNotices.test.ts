import type { Connection } from '@unified-ws/server/connections/lifecycle/connection';
import { decideRollout, type RolloutDecision } from '@unified-ws/server/legacy/rollout/rolloutDecision';
import { RolloutNotices } from '@unified-ws/server/legacy/rollout/rolloutNotices';
import { DEFAULT_ROLLOUT, type RolloutState } from '@unified-ws/server/legacy/rollout/rolloutState';
import type { Rollouts } from '@unified-ws/server/legacy/rollout/rollouts';
import { expect } from 'chai';
import { until } from '../../../../support/wait.js';

/** A node's worth of connections that only note what they are told. */
class Crowd {
  state: RolloutState = DEFAULT_ROLLOUT;
  /** What each was told, in order. */
  readonly reported: RolloutDecision[][];
  readonly notices: RolloutNotices;
  readonly faults: unknown[] = [];
  /** The most that were told in one turn of the event loop. */
  mostInTurn = 0;
  private inTurn = 0;
  private listener: (before: RolloutState) => void = () => undefined;

  constructor(size: number) {
    this.reported = Array.from({ length: size }, () => []);
    const connections = this.reported.map((reported, n) => ({
      userId: `user-${n}`,
      isOpen: () => true,
      send: (_type: string, decision: RolloutDecision) => {
        reported.push(decision);
        this.count();
      },
    }));
    const crowd = this;
    const rollouts = {
      legacyEndpoints: true,
      get state() {
        return crowd.state;
      },
      decide: (userId: string) => decideRollout(crowd.state, userId),
      onChange: (listener: (before: RolloutState) => void) => {
        this.listener = listener;
      },
    };
    this.notices = new RolloutNotices({
      rollouts: rollouts as unknown as Rollouts,
      table: { all: () => connections.values() as unknown as IterableIterator<Connection> },
      report: (error) => this.faults.push(error),
    });
    for (const connection of connections) this.notices.established(connection as unknown as Connection);
  }

  change(changes: Partial<RolloutState>): void {
    const before = this.state;
    this.state = { ...before, ...changes, version: before.version + 1 };
    this.listener(before);
  }

  private count(): void {
    if (this.inTurn === 0) {
      setImmediate(() => {
        this.inTurn = 0;
      });
    }
    this.inTurn += 1;
    this.mostInTurn = Math.max(this.mostInTurn, this.inTurn);
  }

  last(): (RolloutDecision | undefined)[] {
    return this.reported.map((reported) => reported.at(-1));
  }
}

describe('notices of a roll-out', () => {
  // Seen red without the rest after those who were told: all 2,000 in the first turn.
  it('must not go to all connections in one turn, or they all come back at the other endpoint at once', async () => {
    const crowd = new Crowd(2000);
    crowd.change({ mode: 'full' });
    await until(() => crowd.notices.sent === 2000, { what: 'all are told' });
    expect(crowd.mostInTurn).to.equal(250);
    expect(crowd.last().every((one) => one?.endpoint === 'unified')).to.equal(true);
    expect(crowd.faults).to.deep.equal([]);
  });

  // Seen red with a round that ends without looking whether another change came meanwhile.
  it('a roll-back in the middle must be the last that anybody hears, and those not told before hear nothing', async () => {
    const crowd = new Crowd(1200);
    crowd.change({ mode: 'full', enforce: true });
    await until(() => crowd.notices.sent >= 500, { what: 'some are told' });
    const moved = crowd.reported.filter((reported) => reported.length > 0).length;
    crowd.change({ mode: 'disabled', enforce: false });
    await until(() => crowd.notices.sent >= 2 * moved, { what: 'they are told of the roll-back' });
    await crowd.notices.stop();
    for (const reported of crowd.reported) {
      expect(reported.map(({ endpoint }) => endpoint).join()).to.be.oneOf(['', 'unified,legacy']);
    }
    expect(crowd.faults).to.deep.equal([]);
  });

  it('a node that ends must not go on telling', async () => {
    const crowd = new Crowd(1000);
    crowd.change({ mode: 'full' });
    await crowd.notices.stop();
    const { sent } = crowd.notices;
    expect(sent).to.be.below(1000);
    expect(crowd.faults).to.deep.equal([]);
  });
});

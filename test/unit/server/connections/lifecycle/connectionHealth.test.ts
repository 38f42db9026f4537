import { CONNECTION_FAULTS, type ConnectionFault } from '@unified-ws/protocol';
import type { Connection } from '@unified-ws/server/connections/lifecycle/connection';
import { faultsOf } from '@unified-ws/server/connections/lifecycle/connectionHealth';
import { expect } from 'chai';

const WELL = {
  status: 'open',
  buffered: 0,
  consecutiveErrors: 0,
  pongDue: 0,
  bytesSeen: 7,
  socket: { bytesRead: 7 },
  ws: { isPaused: false },
};
const clock = { now: () => 0, mono: () => 1000 };
const limits = { maxBufferedBytes: 100, pingTimeoutMs: 200, clock };

function faults(changes: Partial<typeof WELL>): ConnectionFault[] {
  return faultsOf({ ...WELL, ...changes } as unknown as Connection, limits);
}

describe('The health of a connection', () => {
  it('a client that never answers an app-level ping is well: the predecessor cut each of them (F27)', () => {
    expect(faults({})).to.deep.equal([]);
  });

  const cases: readonly [ConnectionFault, Partial<typeof WELL>][] = [
    ['establishing', { status: 'authenticating' }],
    ['establishing', { status: 'claiming' }],
    ['establishing', { status: 'replaying' }],
    ['suspended', { status: 'recovering' }],
    ['congested', { status: 'congested' }],
    ['backlog', { buffered: 51 }],
    ['unanswered_ping', { pongDue: 1099 }],
    ['errors', { consecutiveErrors: 1 }],
  ];
  for (const [fault, changes] of cases) {
    it(`is not well with ${JSON.stringify(changes)}, and says ${fault}`, () => {
      expect(faults(changes)).to.deep.equal([fault]);
    });
  }

  it('a ping that was just sent, or was answered by any byte, or is to a peer that is not read from, is no fault', () => {
    expect(faults({ pongDue: 1101 })).to.deep.equal([]);
    expect(faults({ pongDue: 1001, socket: { bytesRead: 8 } })).to.deep.equal([]);
    expect(faults({ pongDue: 1001, ws: { isPaused: true } })).to.deep.equal([]);
  });

  it('every reason that is told can come, and all that apply are told', () => {
    expect(new Set(cases.map(([fault]) => fault))).to.deep.equal(new Set(CONNECTION_FAULTS));
    expect(faults({ status: 'congested', buffered: 99, consecutiveErrors: 2, pongDue: 1001 })).to.deep.equal([
      'congested',
      'backlog',
      'unanswered_ping',
      'errors',
    ]);
  });
});

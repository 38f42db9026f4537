import { formatPosition } from '@unified-ws/protocol';
import { expect } from 'chai';
import type { Received } from '../support/client.js';
import { Inbox } from './support/inbox.js';

const at = (offset: number, epoch = 'e'): string => formatPosition(epoch, offset, offset === 0 ? '' : `t${offset}`);

/** A check that never fails proves nothing: each of these must be seen. */
describe('what the chaos suite counts as delivered', () => {
  let inbox: Inbox;
  const establishedData = (result: 'fresh' | 'full' | 'partial' | 'none', position: string | null): void =>
    inbox.onEstablished({ broadcast: result, user: 'fresh' }, { broadcast: position, user: null }, 0, '');
  const event = (offset: number, id = `id${offset}`, epoch = 'e'): boolean => {
    const frame: Received = {
      type: 'custom_event',
      data: {},
      scope: 'broadcast',
      id,
      position: at(offset, epoch),
      at: 1,
    };
    return inbox.onEvent(frame, '');
  };
  const gap = (): void => inbox.onGap({ scope: 'broadcast', reason: 'trimmed' }, 2);

  beforeEach(() => {
    inbox = new Inbox();
    establishedData('fresh', at(0));
  });

  it('sees a hole within a connection, and over a reconnect that was promised to be full', () => {
    event(1);
    event(3);
    expect(inbox.violations).to.have.length(1);
    establishedData('full', at(3));
    event(5);
    expect(inbox.violations).to.have.length(2);
  });

  it('sees a position that ran ahead of the events', () => {
    event(1);
    inbox.onHeartbeat({ broadcast: at(2), user: null }, '');
    expect(inbox.violations).to.have.length(1);
    expect(inbox.positions.broadcast).to.equal(at(2));
  });

  it('takes what is told for told, up to where the events go on, and no farther', () => {
    event(1);
    gap();
    event(4);
    expect(inbox.violations).to.deep.equal([]);
    const excused = [1, 2, 3, 4].filter((offset) => inbox.excused('broadcast', { epoch: 'e', offset, tag: 't' }));
    expect(excused).to.deep.equal([2, 3]);
    event(6);
    expect(inbox.violations).to.have.length(1);
  });

  it('takes nothing of a log that begins anew for excused but what came before its position', () => {
    event(1);
    establishedData('none', at(2, 'f'));
    event(3, 'id3', 'f');
    expect(inbox.violations).to.deep.equal([]);
    const excused = (offset: number, epoch: string): boolean => inbox.excused('broadcast', { epoch, offset, tag: 't' });
    expect([excused(1, 'e'), excused(2, 'e'), excused(2, 'f'), excused(3, 'f')]).to.deep.equal([
      false,
      true,
      true,
      false,
    ]);
  });

  it('drops a repeat by its id, and sees an old position with a new id', () => {
    expect([event(1), event(2), event(2)]).to.deep.equal([true, true, false]);
    expect(inbox.duplicates).to.equal(1);
    expect(inbox.violations).to.deep.equal([]);
    event(1, 'other');
    expect(inbox.violations).to.have.length(1);
  });

  it('sees a position that was given and taken for none', () => {
    event(1);
    establishedData('fresh', at(5));
    expect(inbox.violations).to.have.length(1);
  });
});

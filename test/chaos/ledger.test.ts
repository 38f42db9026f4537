import { expect } from 'chai';
import { FrameTap } from '../support/frameTap.js';
import { Ledger } from './support/ledger.js';

/** A check that never fails proves nothing: each of these must be seen. */
describe('what the chaos suite checks by', () => {
  let ledger: Ledger;
  const opens = (node: number, conn: string, mono: number, client: string | null = null): void =>
    ledger.take(node, { event: 'established', mono, conn, user: 'u', fence: String(mono), client });
  const closes = (node: number, conn: string, mono: number): void =>
    ledger.take(node, { event: 'closed', mono, conn, user: 'u', fence: '1', code: 4001 });
  const delivers = (node: number, mono: number, ...conns: string[]): void =>
    ledger.take(node, { event: 'flush', mono, conns });

  beforeEach(() => {
    ledger = new Ledger();
  });

  it('sees two connections of a user that are current at the same time', () => {
    opens(0, 'a', 10);
    opens(1, 'b', 20);
    closes(0, 'a', 21);
    expect(ledger.overlaps('u')).to.have.length(1);
  });

  it('sees a second one while the first is still open', () => {
    opens(0, 'a', 10);
    opens(1, 'b', 20);
    expect(ledger.overlaps('u')).to.have.length(1);
  });

  it('takes one after the other for right, and two attempts of one client too', () => {
    opens(0, 'a', 10);
    closes(0, 'a', 20);
    opens(1, 'b', 21, 'device');
    opens(1, 'c', 22, 'device');
    closes(1, 'b', 23);
    expect(ledger.overlaps('u')).to.deep.equal([]);
  });

  it('counts what a paused or interrupted node delivered, not how long its socket stood', () => {
    opens(0, 'a', 10);
    delivers(0, 15, 'a');
    ledger.take(0, { event: 'interrupted', reason: '' });
    opens(1, 'b', 20);
    closes(0, 'a', 30);
    expect(ledger.overlaps('u')).to.deep.equal([]);
  });

  it('sees that a paused node delivered after another was current', () => {
    opens(0, 'a', 10);
    opens(1, 'b', 20);
    delivers(0, 25, 'a');
    closes(0, 'a', 30);
    ledger.paused(0, 12, 24);
    expect(ledger.overlaps('u')).to.have.length(1);
  });

  it('lets a killed node end with its last delivery', () => {
    opens(0, 'a', 10);
    delivers(0, 15, 'a');
    ledger.killed(0);
    opens(1, 'b', 20);
    expect(ledger.overlaps('u')).to.deep.equal([]);
  });

  it('sees a delivery to a connection that is closed, suspended, or unknown', () => {
    opens(0, 'a', 10);
    ledger.take(0, { event: 'suspended', mono: 11, conn: 'a', user: 'u' });
    delivers(0, 12, 'a');
    closes(0, 'a', 20);
    delivers(0, 21, 'a', 'nobody');
    expect(ledger.violations).to.have.length(3);
  });

  it('sees a frame after the close frame, however the bytes are cut', () => {
    const text = Buffer.from([0x81, 0x03, 1, 2, 3]);
    const long = Buffer.concat([Buffer.from([0x81, 126, 0, 200]), Buffer.alloc(200, 0x88)]);
    const close = Buffer.from([0x88, 0x02, 0x0f, 0xa1]);
    const stream = Buffer.concat([text, long, close, text]);
    for (const size of [1, 3, stream.length]) {
      const tap = new FrameTap();
      for (let at = 0; at < stream.length; at += size) tap.push(stream.subarray(at, at + size));
      expect(tap.afterClose, `in pieces of ${size}`).to.equal(1);
    }
  });
});

import {
  CLOSE,
  closeCodes,
  closeReason,
  fitCloseReason,
  MAX_CLOSE_REASON_BYTES,
  reconnectPolicy,
} from '@unified-ws/protocol';
import { expect } from 'chai';
import fc from 'fast-check';

describe('close codes', () => {
  it('the range alone tells what to do, so that an old client treats a new code rightly', () => {
    for (const { code, name, reconnect } of closeCodes) {
      const expected = code < 4100 ? 'never' : code < 4200 ? 'new_token' : 'backoff';
      expect(code, name).to.be.within(4000, 4299);
      expect(reconnect, name).to.equal(expected);
      expect(reconnectPolicy(code), name).to.equal(expected);
    }
  });

  it('the table holds each code once, with the name of the constant', () => {
    expect(Object.fromEntries(closeCodes.map(({ name, code }) => [name, code]))).to.deep.equal(CLOSE);
    expect(new Set(closeCodes.map(({ code }) => code)).size).to.equal(closeCodes.length);
  });

  it('each reason fits a close frame, else the close itself would throw', () => {
    for (const { code, name, reason, meaning } of closeCodes) {
      expect(closeReason(code), name).to.equal(reason);
      expect(Buffer.byteLength(reason), name).to.be.within(1, MAX_CLOSE_REASON_BYTES);
      expect(meaning, name).not.to.equal('');
    }
  });

  it("the RFC's protocol faults are not retried for ever, a lost connection is", () => {
    for (const code of [1002, 1003, 1007, 1009]) expect(reconnectPolicy(code)).to.equal('never');
    for (const code of [1001, 1005, 1006, 1011, 1012, 1013]) expect(reconnectPolicy(code)).to.equal('backoff');
  });

  it('a reason of an admin is cut to what a close frame carries, never inside a character', () => {
    expect(fitCloseReason('x'.repeat(200))).to.equal('x'.repeat(123));
    expect(fitCloseReason('é'.repeat(100))).to.equal('é'.repeat(61));
    expect(fitCloseReason('💥'.repeat(50))).to.equal('💥'.repeat(30));
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 200 }), (text) => {
        const fitted = fitCloseReason(text);
        const [next = ''] = text.slice(fitted.length);
        expect(text.startsWith(fitted)).to.equal(true);
        expect(Buffer.byteLength(fitted)).to.be.at.most(MAX_CLOSE_REASON_BYTES);
        if (next !== '') expect(Buffer.byteLength(fitted + next)).to.be.above(MAX_CLOSE_REASON_BYTES);
      }),
    );
  });
});

import { authError, type TokenVerifier } from '@unified-ws/server/auth/tokenVerifier';
import { AddressLimit } from '@unified-ws/server/connections/limits/addressLimit';
import { AuthFailures } from '@unified-ws/server/connections/limits/authFailures';
import { expect } from 'chai';

describe('forged tokens of an address', () => {
  let now = 0;
  const clock = { now: () => 0, mono: () => now };

  function failures(verify: () => unknown): AuthFailures {
    const limit = new AddressLimit(clock, 0.1, 2);
    return new AuthFailures(limit, { verify } as unknown as TokenVerifier);
  }
  const forged = (): never => {
    throw authError('bad_signature');
  };

  it('are not looked at twice while it has some left', () => {
    let looks = 0;
    const few = failures(() => {
      looks += 1;
      return forged();
    });
    few.add('a', authError('malformed'));
    expect(few.refuses('a', 't')).to.equal(0);
    expect(few.refuses('b', 't')).to.equal(0);
    expect(looks).to.equal(0);
  });

  it('are refused until the rate gives one back, and only those', () => {
    const many = failures(forged);
    for (let n = 0; n < 5; n += 1) many.add('a', authError('bad_signature'));
    expect(many.refuses('a', 't')).to.equal(10);
    now += 4000;
    expect(many.refuses('a', 't')).to.equal(6);
    now += 6000;
    expect(many.refuses('a', 't')).to.equal(0);
    for (const reason of ['expired', 'wrong_audience', 'keys_unavailable'] as const) many.add('b', authError(reason));
    expect(many.refuses('b', 't')).to.equal(0);
  });

  // Seen red: rethrown from the listener of `upgrade`, the second ended the process; the third did without its `catch`.
  it('that cannot be told now go on to where failures are reported', async () => {
    const rejected: unknown[] = [];
    const note = (reason: unknown): void => {
      rejected.push(reason);
    };
    process.prependListener('unhandledRejection', note);
    const verdicts = [
      () => ({}),
      () => {
        throw new Error('a fault of ours');
      },
      () => Promise.reject(authError('keys_unavailable')),
    ];
    for (const verdict of verdicts) {
      const many = failures(verdict);
      for (let n = 0; n < 3; n += 1) many.add('a', authError('unknown_key'));
      expect(many.refuses('a', 't')).to.equal(0);
    }
    await new Promise((resolve) => setImmediate(resolve));
    process.removeListener('unhandledRejection', note);
    expect(rejected).to.deep.equal([]);
  });
});

import { authError, type TokenVerifier } from '@unified-ws/server/auth/tokenVerifier';
import type { Connection } from '@unified-ws/server/connections/lifecycle/connection';
import { ReplacementAllowance } from '@unified-ws/server/connections/upgrade/replacementAllowance';
import { expect } from 'chai';

const here = (count: number) => ({ ofUser: () => Array(count).fill({}) as Connection[] });
const verifier = (verify: () => unknown) => ({ verify }) as unknown as TokenVerifier;
const known = verifier(() => ({ userId: 'u' }));

describe('who may enter a full node (F29)', () => {
  it('who has one connection there, and who is replacing it already must not come a third time', () => {
    const answers = [0, 1, 2].map((count) => new ReplacementAllowance(known, here(count)).replaces('t'));
    expect(answers).to.deep.equal([false, true, false]);
  });

  it('nobody without a token, with a bad one, or with one that cannot be checked at once', async () => {
    const rejected: unknown[] = [];
    const note = (reason: unknown): void => {
      rejected.push(reason);
    };
    process.prependListener('unhandledRejection', note);
    const bad = () => {
      throw authError('bad_signature');
    };
    const late = () => Promise.reject(authError('keys_unavailable'));
    for (const verify of [bad, late]) {
      expect(new ReplacementAllowance(verifier(verify), here(1)).replaces('t')).to.equal(false);
    }
    expect(new ReplacementAllowance(known, here(1)).replaces(null)).to.equal(false);
    await new Promise((resolve) => setImmediate(resolve));
    process.removeListener('unhandledRejection', note);
    expect(rejected).to.deep.equal([]);
  });

  it('few at a time: each replaced socket may linger, and a limit that one user can pass is none', () => {
    expect([1, 2, 10, 500, 50_000].map((max) => ReplacementAllowance.bound(max))).to.deep.equal([
      2, 3, 11, 550, 55_000,
    ]);
  });
});

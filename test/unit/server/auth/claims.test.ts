import { expect } from 'chai';
import { claims, expectReason, NOW_S, refusal, tokenOf, verifierOf, verifyNow } from './support.js';

async function expectInvalid(changes: Record<string, unknown>, claim = Object.keys(changes)[0]): Promise<void> {
  const error = await refusal(() => verifierOf().verify(tokenOf(claims(changes))));
  expect(error.details, JSON.stringify(changes)).to.deep.equal({ reason: 'invalid_claims', claim });
  expect(error.code).to.equal('AUTH_ERROR');
}

const read = (changes: Record<string, unknown>) => verifyNow(tokenOf(claims(changes)));

describe('claims of a token', () => {
  describe('sub', () => {
    it('is kept as it is, whatever the script and however it is spelled', () => {
      for (const sub of [
        'a',
        '用户',
        'Ünï çødé',
        '😀',
        'e\u0301',
        '\u00e9',
        '__proto__',
        'constructor',
        'a:b{c}',
        ' ',
        '0',
      ]) {
        const identity = read({ sub });
        expect(identity.userId).to.equal(sub);
        expect(identity.username).to.equal(sub);
      }
    });

    it('is measured in bytes of UTF-8 and not in characters', async () => {
      expect(read({ sub: 'é'.repeat(64) }).userId).to.have.length(64);
      expect(read({ sub: '😀'.repeat(32) }).userId).to.have.length(64);
      await expectInvalid({ sub: 'é'.repeat(65) });
      await expectInvalid({ sub: '😀'.repeat(33) });
      expect(read({ sub: 'x'.repeat(128) }).userId).to.have.length(128);
      await expectInvalid({ sub: 'x'.repeat(129) });
    });

    it('with a lone surrogate is refused: two users would share a key', async () => {
      for (const sub of ['\ud800', 'a\udc00', '\udc00\ud800', 'x\ud83d']) await expectInvalid({ sub });
    });

    it('absent, empty or no text is refused', async () => {
      for (const sub of [undefined, null, '', 1, true, {}, [], ['user-1']]) await expectInvalid({ sub });
    });
  });

  describe('times', () => {
    it('exp is compulsory and a number of seconds', async () => {
      for (const exp of [undefined, null, 'soon', `${NOW_S + 60}`, -1, {}, true]) await expectInvalid({ exp });
    });

    it('exp in milliseconds by mistake is refused: the token would live for ever', () =>
      expectInvalid({ exp: (NOW_S + 60) * 1000 }));

    it('exp of 1e400 is refused', async () => {
      const token = tokenOf(`{"sub":"u","exp":1e400}`);
      await expectReason(token, 'invalid_claims');
    });

    it('iat absent counts as the beginning of time, so that every revocation hits it', () => {
      expect(read({ iat: undefined }).issuedAt).to.equal(0);
      expect(read({ iat: null }).issuedAt).to.equal(0);
    });

    it('iat and nbf that are no time are refused', async () => {
      await expectInvalid({ iat: 'now' });
      await expectInvalid({ nbf: 'now' });
      await expectInvalid({ iat: -1 });
    });

    it('fractions of seconds are allowed and cut off', () => {
      expect(read({ iat: NOW_S - 0.5, exp: NOW_S + 1.9 })).to.include({ issuedAt: NOW_S - 1, expiresAt: NOW_S + 1 });
    });
  });

  describe('roles', () => {
    it('come from roles, else role, else is_admin; a token that says nothing is a plain user', () => {
      expect(read({}).roles).to.deep.equal(['user']);
      expect(read({ is_admin: true }).roles).to.deep.equal(['admin']);
      expect(read({ is_admin: false }).roles).to.deep.equal(['user']);
      expect(read({ role: 'operator', is_admin: true }).roles).to.deep.equal(['operator']);
      expect(read({ roles: ['service', 'user', 'user'], role: 'admin', is_admin: true }).roles).to.deep.equal([
        'service',
        'user',
      ]);
      expect(read({ roles: null, role: null, is_admin: null }).roles).to.deep.equal(['user']);
    });

    it('an empty list gives no role, and not that of a plain user', () => {
      expect(read({ roles: [] }).roles).to.deep.equal([]);
    });

    it('of another form are refused: truthy is not true', async () => {
      for (const is_admin of ['true', 'false', 1, {}]) await expectInvalid({ is_admin });
      for (const roles of ['admin', { admin: true }, [1], [''], [null], [['admin']], ['x'.repeat(129)], ['\ud800']]) {
        await expectInvalid({ roles });
      }
      for (const role of [1, ['admin'], '', 'x'.repeat(129)]) await expectInvalid({ role });
    });

    it('and permissions are bounded', async () => {
      await expectInvalid({ roles: Array.from({ length: 201 }, (_, i) => `r${i}`) });
      await expectInvalid({ permissions: Array.from({ length: 201 }, (_, i) => `p${i}`) });
      await expectInvalid({ permissions: 'events:publish' });
      expect(read({ permissions: ['events:publish', 'events:publish'] }).permissions).to.deep.equal(['events:publish']);
      expect(read({ permissions: null }).permissions).to.deep.equal([]);
    });
  });

  it('username, sid and jti are texts or absent', async () => {
    expect(read({ username: null, sid: null, jti: undefined })).to.include({
      username: 'user-1',
      sid: null,
      jti: null,
    });
    await expectInvalid({ username: 7 });
    await expectInvalid({ username: 'x'.repeat(257) });
    await expectInvalid({ sid: 7 });
    await expectInvalid({ sid: 'x'.repeat(129) });
    await expectInvalid({ jti: {} });
  });

  it('refuses tokens that are no access tokens, those of the predecessor among them', async () => {
    for (const use of ['refresh', 'temporary', 'id', 'ACCESS', '', 1, true, ['access']]) {
      await expectReason(tokenOf(claims({ token_use: use })), 'wrong_token_use');
    }
    for (const other of [
      { type: 'refresh' },
      { type: 'Refresh' },
      { temp: true },
      { temp: 1 },
      { typ: 'Refresh' },
      { typ: 'ID' },
    ]) {
      await expectReason(tokenOf(claims(other)), 'wrong_token_use');
    }
    for (const access of [
      { token_use: 'access' },
      { type: 'access' },
      { typ: 'Bearer' },
      { temp: false },
      { token_use: null },
    ]) {
      expect(read(access).userId).to.equal('user-1');
    }
  });

  it('reads no claim from a prototype', async () => {
    await expectReason(tokenOf('{"__proto__":{"sub":"admin","exp":9999999999}}'), 'invalid_claims');
    const own = verifyNow(tokenOf(`{"sub":"u","exp":${NOW_S + 60},"__proto__":{"is_admin":true,"roles":["admin"]}}`));
    expect(own.roles).to.deep.equal(['user']);
  });
});

import { claimAt, isListedText } from '@unified-ws/server/auth/claimNames';
import { identityOf } from '@unified-ws/server/auth/claims';
import { GrantCap } from '@unified-ws/server/auth/grantCap';
import { tokenClock } from '@unified-ws/server/auth/tokenClock';
import { expect } from 'chai';
import { claims, clock } from './support.js';

describe('The place of a claim', () => {
  const token = {
    'https://example.com/roles': ['namespaced'],
    realm_access: { roles: ['nested'], 'a.b': { c: 'deep' } },
    'resource.x': { roles: ['dotted parent'] },
    resource: { x: { roles: ['shorter parent'] }, y: { roles: null } },
    list: [{ roles: ['in a list'] }],
    text: 'x',
    both: { inner: 'path' },
    'both.inner': 'name',
  };
  const places: Record<string, unknown> = {
    'https://example.com/roles': ['namespaced'],
    'realm_access.roles': ['nested'],
    'realm_access.a.b.c': 'deep',
    'resource.x.roles': ['dotted parent'],
    'both.inner': 'name',
    'resource.y.roles': null,
    'realm_access.none': null,
    'text.length': null,
    'list.length': 1,
    'constructor.name': null,
    '__proto__.roles': null,
    '.': null,
    '': null,
  };
  for (const [path, value] of Object.entries(places)) {
    it(`must be found by name before path, and nowhere but in the token: ${path}`, () => {
      expect(claimAt(token, path)).to.deep.equal(value);
    });
  }

  it('must hold several names in a text only where issuers write it so: "not admin" is no admin', () => {
    for (const path of ['scope', 'scp', 'a.scp', 'https://x.example/scope'])
      expect(isListedText(path), path).to.equal(true);
    for (const path of ['roles', 'microscope', 'scopes', 'scope.x']) expect(isListedText(path), path).to.equal(false);
    const names = {
      user: 'sub',
      username: 'username',
      session: 'sid',
      roles: ['role'],
      permissions: ['scope', 'extra'],
    };
    const { identity: read } = identityOf(
      claims({ role: 'not admin', scope: 'events:publish  openid', extra: ['x'] }),
      { issuer: null, audience: [], names },
      tokenClock(clock),
    );
    expect(read.roles).to.deep.equal(['not admin']);
    expect(read.permissions).to.deep.equal(['events:publish', 'openid', 'x']);
  });

  it('must not let `role` or `is_admin` stand in for claims that are named by settings', () => {
    const names = { user: 'sub', username: 'username', session: 'sid', roles: ['groups'], permissions: [] };
    const { identity: read } = identityOf(
      claims({ is_admin: true, role: 'admin', roles: ['admin'] }),
      { issuer: null, audience: [], names },
      tokenClock(clock),
    );
    expect(read.roles).to.deep.equal(['user']);
  });
});

describe('The cap of what an issuer may grant', () => {
  const read = (cap: readonly string[], changes: Record<string, unknown>) =>
    identityOf(claims(changes), { issuer: null, audience: [], cap: new GrantCap(cap) }, tokenClock(clock)).identity;

  it('must leave out what is beyond it and keep the rest', () => {
    const identity = read(['events:*', 'role:user'], {
      roles: ['user', 'admin'],
      permissions: ['events:publish', 'admin:disconnect', 'role:admin', 'role:user'],
    });
    expect(identity.roles).to.deep.equal(['user']);
    expect(identity.permissions).to.deep.equal(['events:publish']);
    expect(identity.refused).to.deep.equal(['role:admin', 'admin:disconnect', 'role:admin', 'role:user']);
  });

  it('must not give a role by a permission that begins alike, or the other way round', () => {
    expect(read(['r*'], { roles: ['admin'] }).roles).to.deep.equal([]);
    expect(read(['role:*'], { permissions: ['admin:queue'] }).permissions).to.deep.equal([]);
    expect(read(['role:cust-*'], { roles: ['cust-a', 'admin'] }).roles).to.deep.equal(['cust-a']);
  });

  it('must not turn a token whose roles are all refused into a plain user, nor refuse the plain user of one that has none', () => {
    expect(read(['events:*'], { roles: ['admin'] }).roles).to.deep.equal([]);
    expect(read(['events:*'], {})).to.deep.include({ roles: ['user'], refused: [] });
    expect(read(['events:*'], { is_admin: true })).to.deep.include({ roles: [], refused: ['role:admin'] });
  });

  it('must refuse nothing by default', () => {
    expect(read(['*'], { roles: ['admin'], permissions: ['admin:queue'] })).to.deep.include({ refused: [] });
  });
});

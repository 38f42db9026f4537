import { type Catalogue, permissions } from '@unified-ws/protocol';
import { RoleTable } from '@unified-ws/server/auth/roleTable';
import { expect } from 'chai';

const event = (permission: string) =>
  ({
    category: 'c',
    priority: 'normal',
    severity: 'info',
    permission,
  }) as const satisfies Catalogue['event_types'][string];

const catalogue: Catalogue = {
  version: 1,
  event_types: { open: event('events:receive'), closed: event('events:admin'), odd: event('own:thing') },
  roles: {
    user: { permissions: ['events:receive'], default_subscriptions: ['open', 'closed', 'gone'] },
    admin: { permissions: ['events:receive', 'events:admin'], default_subscriptions: ['open', 'closed'] },
    reader: { permissions: ['events:admin', 'events:receive'], default_subscriptions: ['odd'] },
  },
  groups: {},
};

const who = (roles: string[], permissions: string[] = []) => ({ roles, permissions });

describe('RoleTable', () => {
  const table = new RoleTable(catalogue);
  const defaultsOf = (roles: string[], permissions: string[] = []) =>
    table.defaultSubscriptions(who(roles), table.permissionsOf(who(roles, permissions)));

  it("adds up the roles' permissions and the token's own", () => {
    expect([...table.permissionsOf(who(['user'], ['own:thing']))]).to.have.members(['events:receive', 'own:thing']);
    expect([...table.permissionsOf(who(['user', 'admin']))]).to.have.members(['events:receive', 'events:admin']);
  });

  it('gives an unknown role nothing, and one that every object has', () => {
    for (const role of ['root', 'ADMIN', '__proto__', 'constructor', 'toString', '']) {
      expect(table.permissionsOf(who([role])).size, role).to.equal(0);
      expect(defaultsOf([role])).to.deep.equal([]);
    }
    expect(table.permissionsOf(who([])).size).to.equal(0);
  });

  it('shares one set among all who may do the same, whatever it comes from', () => {
    const admin = table.permissionsOf(who(['admin']));
    expect(table.permissionsOf(who(['admin']))).to.equal(admin);
    expect(table.permissionsOf(who(['reader']))).to.equal(admin);
    expect(table.permissionsOf(who(['user'], ['events:admin']))).to.equal(admin);
    expect(table.permissionsOf(who(['user']))).to.not.equal(admin);
  });

  it('does not take one role with separators in its name for several roles', () => {
    const both = table.permissionsOf(who(['user', 'admin']));
    for (const odd of ['user,admin', 'user","admin', 'user\u0000admin', 'user\nadmin']) {
      expect(table.permissionsOf(who([odd]))).to.not.equal(both);
      expect(table.permissionsOf(who([odd])).size).to.equal(0);
    }
    expect(table.permissionsOf(who([], ['user'])).has('events:receive')).to.equal(false);
  });

  it('subscribes to the defaults that are permitted and exist, and no others', () => {
    expect(defaultsOf(['user'])).to.deep.equal(['open']);
    expect(defaultsOf(['user'], ['events:admin'])).to.deep.equal(['open', 'closed']);
    expect(defaultsOf(['admin', 'reader'])).to.deep.equal(['open', 'closed']);
    expect(defaultsOf(['admin', 'reader'], ['own:thing'])).to.deep.equal(['open', 'closed', 'odd']);
  });

  it('follows the permissions that are given, not those of the roles', () => {
    expect(table.defaultSubscriptions(who(['admin']), new Set())).to.deep.equal([]);
    expect(table.defaultSubscriptions(who(['admin']), new Set(['events:admin']))).to.deep.equal(['closed']);
  });

  it('gives right answers after more combinations than it keeps', () => {
    const first = table.permissionsOf(who(['user'], ['p:0']));
    for (let i = 1; i <= 2500; i += 1) {
      expect([...table.permissionsOf(who(['user'], [`p:${i}`]))]).to.have.members(['events:receive', `p:${i}`]);
    }
    expect([...table.permissionsOf(who(['user'], ['p:0']))]).to.deep.equal([...first]);
  });

  const BEFORE = Object.keys(permissions).filter(
    (name) => !['admin:permissions', 'admin:queue_control', 'admin:drain', 'events:publish_admin'].includes(name),
  );
  const withRoles = (roles: Record<string, string[]>) =>
    new RoleTable({
      ...catalogue,
      roles: Object.fromEntries(
        Object.entries(roles).map(([role, own]) => [role, { permissions: own, default_subscriptions: [] }]),
      ),
    });
  const has = (one: RoleTable, role: string, permission: string) => one.permissionsOf(who([role])).has(permission);

  it('an own catalogue from before admin:permissions must not leave its admins without, nor give it to anybody else', () => {
    const old = withRoles({ admin: BEFORE, support: BEFORE.filter((name) => name !== 'admin:audit') });
    expect(has(old, 'admin', 'admin:permissions')).to.equal(true);
    expect(has(old, 'support', 'admin:permissions')).to.equal(false);
    const aware = withRoles({ admin: BEFORE, owner: ['admin:permissions'] });
    expect(has(aware, 'admin', 'admin:permissions')).to.equal(false);
  });

  it('what a wider permission allowed before there was a narrower one it allows still', () => {
    const all = table.permissionsOf(who([], ['admin:queue_write', 'admin:cluster']));
    expect([...all]).to.include.members(['admin:queue_control', 'admin:drain']);
    expect(table.permissionsOf(who([], ['admin:queue_control'])).has('admin:queue_write')).to.equal(false);
  });
});

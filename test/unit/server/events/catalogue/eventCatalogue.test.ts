import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadCatalogue, parseCatalogue } from '@unified-ws/server/events/catalogue/eventCatalogue';
import { expect } from 'chai';

const SOUND = {
  version: 1,
  event_types: {
    zone_updated: { category: 'dns', priority: 'normal', severity: 'info', permission: 'events:receive' },
  },
  roles: { user: { permissions: ['events:receive'], default_subscriptions: ['zone_updated'] } },
  groups: { dns_management: ['dns'] },
};

function parse(value: unknown): () => unknown {
  return () => parseCatalogue(JSON.stringify(value), 'own.json');
}

describe('event catalogue', () => {
  it('does not take what every object inherits for event types, roles or groups', () => {
    const catalogue = loadCatalogue();
    for (const name of ['__proto__', 'constructor', 'toString', 'hasOwnProperty']) {
      expect(catalogue.get(name), name).to.equal(undefined);
      expect(catalogue.roles.get(name), name).to.equal(undefined);
      expect(catalogue.groups.get(name), name).to.equal(undefined);
    }
    expect(catalogue.get('security_alert')?.priority).to.equal('critical');
    expect(catalogue.types()).to.include('admin_broadcast');
  });

  it('reads an own file', () => {
    const dir = mkdtempSync(join(tmpdir(), 'uws-catalogue-'));
    try {
      const file = join(dir, 'own.json');
      writeFileSync(file, JSON.stringify(SOUND));
      expect(loadCatalogue(file).types()).to.deep.equal(['zone_updated']);
      expect(() => loadCatalogue(join(dir, 'none.json'))).to.throw(/none\.json.*no such file/);
    } finally {
      rmSync(dir, { recursive: true });
    }
  });

  it('refuses a broken file with the line and column of the fault', () => {
    const places: [string, string][] = [
      ['{\n  "version": 1,\n  "roles": oops\n}', 'line 3, column 12'],
      ['{"version": 1,}', 'line 1, column 15'],
      ['{"version" 1}', 'line 1, column 12'],
      ['{"version": [1, 2}', 'line 1, column 18'],
      ['{"version": 01}', 'line 1, column 14'],
      ['{"version": "a\nb"}', 'line 1, column 13'],
      ['{"version": 1', 'line 1, column 14'],
      ['{"version": 1}\n}', 'line 2, column 1'],
      ['{"a": [{}, [], {"b": [true, null, -1.5e3]}], 5: 1}', 'line 1, column 46'],
      ['', 'line 1, column 1'],
    ];
    for (const [text, place] of places)
      expect(() => parseCatalogue(text, 'own.json'), text).to.throw(`own.json: ${place}:`);
  });

  it('refuses a wrong value with the place of the fault', () => {
    const wrong = structuredClone(SOUND);
    wrong.event_types.zone_updated.priority = 'huge';
    expect(parse(wrong)).to.throw('own.json: at /event_types/zone_updated/priority:');
    expect(parse({ ...SOUND, extra: 1 })).to.throw('own.json: at /extra:');
    expect(parse({ ...SOUND, event_types: { Ping: SOUND.event_types.zone_updated } })).to.throw(
      'at /event_types/Ping:',
    );
    expect(parse({ ...SOUND, event_types: { ping: SOUND.event_types.zone_updated } })).to.throw(
      'at /event_types/ping:',
    );
  });

  it('refuses names that lead nowhere, whose subscriptions would silently never come', () => {
    const role = { ...SOUND, roles: { user: { permissions: [], default_subscriptions: ['zone_updatd'] } } };
    expect(parse(role)).to.throw("at /roles/user/default_subscriptions/0: there is no event type 'zone_updatd'");
    expect(parse({ ...SOUND, groups: { dns_management: ['dsn'] } })).to.throw(
      'at /groups/dns_management/0: no event type',
    );
  });
});

import {
  CatalogueError,
  type EventCatalogue,
  parseCatalogue,
} from '@unified-ws/server/events/catalogue/eventCatalogue';
import { expect } from 'chai';

function withSchema(schema: unknown): EventCatalogue {
  const zone = { category: 'dns', priority: 'normal', severity: 'info', permission: 'events:receive', schema };
  const raw = { version: 1, event_types: { zone_updated: zone }, roles: {}, groups: {} };
  return parseCatalogue(JSON.stringify(raw), 'own.json');
}

const AT = 'own.json: at /event_types/zone_updated/schema';

describe('payload schemas', () => {
  const catalogue = withSchema({
    type: 'object',
    properties: {
      zone: { type: 'string', maxLength: 10 },
      at: { type: 'string', format: 'date-time' },
      records: { type: 'array', items: { $ref: '#/definitions/record' } },
    },
    required: ['zone'],
    additionalProperties: false,
    definitions: { record: { type: 'object', properties: { ip: { type: 'string', format: 'ipv4' } } } },
  });

  it('tell the path to the fault in the data, or the publisher looks for it in vain', () => {
    const fault = (data: unknown) => catalogue.payloadFault('zone_updated', data)?.path ?? null;
    expect(fault({ zone: 'a', at: '2026-11-23T10:00:00Z', records: [{ ip: '10.0.0.1' }] })).to.equal(null);
    expect(fault({})).to.equal('/data');
    expect(fault({ zone: 1 })).to.equal('/data/zone');
    expect(fault({ zone: 'a', records: [{}, { ip: 'x' }] })).to.equal('/data/records/1/ip');
    expect(fault({ zone: 'a', at: '2026-02-30T10:00:00Z' })).to.equal('/data/at');
    expect(fault({ zone: 'a', 'a/b~': 1 })).to.equal('/data/a~1b~0');
    expect(catalogue.payloadFault('zone_updated', {})?.message).to.include("'zone'");
    expect(catalogue.payloadFault('constructor', {})).to.equal(null);
  });

  for (const [title, schema, place] of [
    ['a value that the meta-schema forbids', { properties: { zone: { maxLength: -1 } } }, '/properties/zone/maxLength'],
    ['a misspelt keyword, which would bound nothing', { properties: { zone: { maxLenght: 1 } } }, '/properties/zone'],
    ['an unknown format, which would check nothing', { properties: { zone: { format: 'fqdn' } } }, '/properties/zone'],
    ['a reference that leads nowhere', { properties: { zone: { $ref: '#/definitions/x' } } }, '/properties/zone/$ref'],
    ['a reference to the network', { properties: { zone: { $ref: 'http://x.test/s' } } }, '/properties/zone/$ref'],
    ['a pattern that is none', { properties: { zone: { pattern: '(' } } }, '/properties/zone/pattern'],
    ['another draft', { $schema: 'https://json-schema.org/draft/2020-12/schema' }, '/$schema'],
    ['an asynchronous schema', { $async: true }, '/$async'],
  ] as const) {
    it(`refuse the catalogue for ${title}, naming the place`, () => {
      expect(() => withSchema(schema)).to.throw(CatalogueError, `${AT}${place}`);
    });
  }

  it('are bounded: a reload must not stop the node for seconds', () => {
    const deep = Array.from({ length: 40 }).reduce<object>((inner) => ({ not: inner }), {});
    expect(() => withSchema(deep)).to.throw(`${AT}: must not be nested deeper than 32`);
    expect(() => withSchema({ description: 'x'.repeat(40_000) })).to.throw(`${AT}: has 40018 bytes`);
  });
});

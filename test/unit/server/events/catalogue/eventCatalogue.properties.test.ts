import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { RoleTable } from '@unified-ws/server/auth/roleTable';
import {
  CatalogueError,
  type EventCatalogue,
  loadCatalogue,
  parseCatalogue,
} from '@unified-ws/server/events/catalogue/eventCatalogue';
import { EventIds } from '@unified-ws/server/events/event/eventIds';
import { Preparer } from '@unified-ws/server/events/publish/preparer';
import { AppError } from '@unified-ws/server/util/appError';
import { expect } from 'chai';
import fc from 'fast-check';
import { broken } from '../../../../support/arbitraries/broken.js';
import { anyJson, nastyName } from '../../../../support/arbitraries/nasty.js';
import { changedAt, Members, type Path, placesOf, render } from '../../../../support/arbitraries/tree.js';
import { holds } from '../../../../support/property.js';

const file = createRequire(import.meta.url).resolve('@unified-ws/protocol/catalogue.json');
const original: unknown = JSON.parse(readFileSync(file, 'utf8'));
const clock = { now: () => 1_767_225_600_000, mono: () => 0 };

/** The whole file is large, and most faults would lie in a part that is like all others. */
const small = {
  version: 1,
  event_types: {
    plain: { category: 'one', priority: 'low', severity: 'info', permission: 'events:receive' },
    full: {
      category: 'two',
      priority: 'urgent',
      severity: 'critical',
      delivery: 'ephemeral',
      permission: 'events:admin',
      sensitive_fields: { secret: 'events:sensitive' },
      rate: 10,
      conflation_key: 'key',
      ttl_ms: 1000,
      schema: {
        type: 'object',
        properties: {
          key: { type: 'string', minLength: 1, pattern: '^a', format: 'ipv4' },
          n: { type: 'integer', minimum: 0 },
        },
        required: ['key'],
        additionalProperties: false,
      },
    },
  },
  roles: { user: { permissions: ['events:receive'], default_subscriptions: ['plain'] } },
  groups: { all: ['one', 'two'] },
};

/** One place of it replaced by something that lies elsewhere in it: right in kind, and wrong in place. */
const swapped = fc.tuple(fc.nat(), fc.nat()).map(([to, from]) => {
  const places = placesOf(small);
  const at = (index: number): Path => places[index % places.length] as Path;
  const found = at(from).reduce<unknown>((value, key) => (value as Record<string | number, unknown>)[key], small);
  return changedAt(small, at(to), () => found);
});

const schema = anyJson.map((value) => changedAt(small, ['event_types', 'full', 'schema'], () => value));
const keyword = fc
  .tuple(nastyName, anyJson)
  .map(([name, value]) =>
    changedAt(
      small,
      ['event_types', 'full', 'schema'],
      (found) => new Members([...Object.entries(found as object), [name, value]]),
    ),
  );
const types = fc
  .tuple(nastyName, fc.constantFrom(...Object.values(small.event_types)))
  .map(([name, definition]) =>
    changedAt(small, ['event_types'], (found) => new Members([...Object.entries(found as object), [name, definition]])),
  );

function parsed(text: string): EventCatalogue | null {
  try {
    return parseCatalogue(text, 'fuzzed.json');
  } catch (error) {
    expect(error).to.be.instanceOf(CatalogueError);
    const { message } = error as CatalogueError;
    expect(message).to.match(/^event catalogue fuzzed\.json: (?:at \/|line \d+, column \d+: )/);
    if (!text.includes('undefined')) expect(message).to.not.include('undefined');
    return null;
  }
}

/** Publishes each type: refused for its data at most, never by a fault of ours. */
function use(catalogue: EventCatalogue): void {
  const roles = new RoleTable(catalogue.raw);
  for (const role of catalogue.roles.keys()) roles.permissionsOf({ roles: [role], permissions: [] } as never);
  const preparer = new Preparer({
    catalogue: () => catalogue,
    queues: { isUrgent: () => false, partitionCount: 2 },
    ids: new EventIds(clock, (size) => new Uint8Array(size)),
    clock,
  });
  for (const event_type of catalogue.types()) {
    const permissions = new Set([catalogue.get(event_type)?.publish_permission ?? 'events:publish']);
    for (const data of [{}, { key: 'a' }, { n: 1, key: '127.0.0.1' }]) {
      try {
        preparer.prepare({ event_type, data }, { userId: 'publisher', permissions });
      } catch (error) {
        expect(error).to.be.instanceOf(AppError);
        expect((error as AppError).code).to.equal('VALIDATION_ERROR');
      }
    }
  }
}

describe('properties of catalogue files', () => {
  it('the unbroken ones are taken, or nothing is shown', () => {
    for (const some of [small, original]) expect(parsed(JSON.stringify(some))).to.not.equal(null);
    use(loadCatalogue());
  });

  const check = (value: unknown): void => {
    const catalogue = parsed(render(value));
    if (catalogue !== null) use(catalogue);
  };
  holds(
    'a catalogue is refused with the place of its fault, or all its types can be published',
    broken(fc.constant(small)),
    check,
    200,
  );
  holds('the same of one whose parts lie in wrong places', swapped, check, 100);
  holds('the same of one with any payload schema', fc.oneof(schema, keyword), check, 150);
  holds('the same of one with any name of a type', types, check, 60);
  holds('the same of the one that comes with the product', broken(fc.constant(original)), check, 20);
  holds(
    'a text that is cut off is refused with line and column',
    fc.nat(5000),
    (length) => {
      const text = JSON.stringify(small, null, 2);
      if (length < text.length) expect(parsed(text.slice(0, length))).to.equal(null);
    },
    200,
  );
});

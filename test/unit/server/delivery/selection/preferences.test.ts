import { DEFAULT_PREFERENCES, type PreferenceChanges } from '@unified-ws/protocol';
import type { Clearance } from '@unified-ws/server/delivery/selection/clearances';
import { individualDelivery } from '@unified-ws/server/delivery/selection/individualDelivery';
import { isRecipient, type Recipient } from '@unified-ws/server/delivery/selection/isRecipient';
import {
  changed,
  deliveredTypes,
  needsIndividualDelivery,
  PreferenceFormat,
  passes,
  unknownNames,
} from '@unified-ws/server/delivery/selection/preferences';
import { TypeSets } from '@unified-ws/server/delivery/selection/typeSets';
import { loadCatalogue } from '@unified-ws/server/events/catalogue/eventCatalogue';
import type { StoredEvent } from '@unified-ws/server/events/event/storedEvent';
import { expect } from 'chai';

const catalogue = loadCatalogue();
const typeSets = new TypeSets();
const chosen = (changes: PreferenceChanges) => changed(DEFAULT_PREFERENCES, changes);

function event(more: Partial<StoredEvent> = {}): StoredEvent {
  return {
    id: 'e',
    type: 'zone_created',
    data: {},
    timestamp: '2026-01-01T00:00:00.000Z',
    priority: 'normal',
    category: 'dns',
    severity: 'info',
    ...more,
  };
}

describe('preferences', () => {
  it('that come back to the defaults are the shared object, or every connection keeps its own', () => {
    const once = chosen({ muted_event_types: ['zone_created', 'zone_created'], max_message_rate: 5 });
    expect(once.muted_event_types).to.deep.equal(['zone_created']);
    expect(changed(once, { muted_event_types: [], max_message_rate: 0 })).to.equal(DEFAULT_PREFERENCES);
    expect(new PreferenceFormat().read([])).to.equal(DEFAULT_PREFERENCES);
  });

  it('are partial: a field that is left out must not fall back to its default', () => {
    const first = chosen({ compress_data: true });
    expect(changed(first, { batch_messages: false })).to.include({ compress_data: true, batch_messages: false });
  });

  it('survive their way through Redis, and what is not understood there must not break a connect', () => {
    const format = new PreferenceFormat();
    const changes: PreferenceChanges = {
      batch_messages: false,
      compress_data: true,
      max_message_rate: 7,
      priority_filter: 'critical',
      muted_event_types: ['zone_created'],
      categories: ['health'],
    };
    expect(format.read(format.write(changes))).to.deep.equal(changes);
    const strange = ['batch_messages', '{', 'max_message_rate', '-1', '__proto__', '{"x":1}', 'later_field', '1'];
    expect(format.read([...strange, 'compress_data', 'true'])).to.deep.equal({
      ...DEFAULT_PREFERENCES,
      compress_data: true,
    });
  });

  it('muted types and other categories must leave the delivered types, and groups mean their categories', () => {
    const types = typeSets.of(['zone_created', 'zone_deleted', 'health_update', 'custom_event']);
    const of = (changes: PreferenceChanges) => deliveredTypes(types, chosen(changes), catalogue, typeSets);
    expect(of({})).to.equal(types);
    expect(of({ muted_event_types: ['zone_created'] }).names).to.deep.equal([
      'custom_event',
      'health_update',
      'zone_deleted',
    ]);
    expect(of({ categories: ['health'] }).names).to.deep.equal(['health_update']);
    expect(of({ categories: ['dns_management'], muted_event_types: ['zone_deleted'] }).names).to.deep.equal([
      'zone_created',
    ]);
    // Interned: whoever comes to the same result shares a cohort.
    expect(of({ categories: ['dns'] })).to.equal(of({ categories: ['dns_management'] }));
  });

  it('a category that the catalogue has no more must not read as "all"', () => {
    const types = typeSets.of(['zone_created']);
    expect(deliveredTypes(types, chosen({ categories: ['gone'] }), catalogue, typeSets).names).to.deep.equal([]);
  });

  it('misspelt names are told with their place, those that every object inherits too', () => {
    const changes = { muted_event_types: ['zone_created', 'nope'], categories: ['dns', 'security', 'constructor'] };
    expect(unknownNames(changes, catalogue).map(({ path }) => path)).to.deep.equal([
      '/muted_event_types/1',
      '/categories/2',
    ]);
    expect(unknownNames({}, catalogue)).to.deep.equal([]);
  });

  it('that change the bytes or their moment take a connection out of its cohort, the others must not', () => {
    for (const changes of [
      { batch_messages: false },
      { max_message_rate: 1 },
      { priority_filter: 'normal' },
    ] as const) {
      expect(needsIndividualDelivery(chosen(changes)), JSON.stringify(changes)).to.equal(true);
    }
    for (const changes of [{ compress_data: true }, { muted_event_types: ['zone_created'] }, { categories: ['dns'] }]) {
      expect(needsIndividualDelivery(chosen(changes)), JSON.stringify(changes)).to.equal(false);
    }
    expect(needsIndividualDelivery(DEFAULT_PREFERENCES)).to.equal(false);
  });

  it('a change that leaves the message rate must not be leave for another burst', () => {
    const first = individualDelivery(chosen({ max_message_rate: 1 }), null);
    expect(first?.limit?.take(0)).to.equal(true);
    const second = individualDelivery(chosen({ max_message_rate: 1, priority_filter: 'high' }), first);
    expect(second?.limit?.take(1)).to.equal(false);
    expect(individualDelivery(chosen({ max_message_rate: 2 }), second)?.limit?.take(1)).to.equal(true);
    expect(individualDelivery(DEFAULT_PREFERENCES, second)).to.equal(null);
  });

  it('an urgent event passes the filter "critical", which is not the highest priority', () => {
    const critical = chosen({ priority_filter: 'critical' });
    const passing = (['low', 'normal', 'high', 'critical', 'urgent'] as const).filter((priority) =>
      passes(critical, { priority }),
    );
    expect(passing).to.deep.equal(['critical', 'urgent']);
  });
});

describe('wants', () => {
  const clearance: Clearance = { id: 1, roles: new Set(['user']), permissions: new Set(['events:receive']) };
  const who: Recipient = {
    userId: 'u1',
    delivered: typeSets.of(['zone_created']),
    clearance,
    individual: null,
  };
  const definition = catalogue.get('zone_created');
  if (!definition) throw new Error('the catalogue lacks zone_created');

  it('is the one answer of the single path: each reason against it must be enough', () => {
    expect(isRecipient(who, event(), definition)).to.equal(true);
    expect(isRecipient({ ...who, delivered: null }, event(), definition), 'not established').to.equal(false);
    expect(isRecipient({ ...who, delivered: typeSets.of([]) }, event(), definition), 'not subscribed').to.equal(false);
    expect(isRecipient({ ...who, clearance: { ...clearance, permissions: new Set() } }, event(), definition)).to.equal(
      false,
    );
    expect(isRecipient(who, event({ permission: 'events:admin' }), definition), 'limited').to.equal(false);
    expect(isRecipient(who, event({ roles: ['admin'] }), definition), 'role').to.equal(false);
    expect(isRecipient(who, event({ exclude: ['u1'] }), definition), 'excluded').to.equal(false);
    expect(
      isRecipient(
        { ...who, individual: individualDelivery(chosen({ priority_filter: 'high' }), null) },
        event(),
        definition,
      ),
    ).to.equal(false);
  });
});

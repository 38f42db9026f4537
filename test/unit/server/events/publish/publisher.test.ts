import { loadCatalogue, parseCatalogue } from '@unified-ws/server/events/catalogue/eventCatalogue';
import { MAX_EVENT_BYTES } from '@unified-ws/server/events/event/storedEvent';
import { AppError } from '@unified-ws/server/util/appError';
import { expect } from 'chai';
import { EventSuite } from '../eventSuite.js';
import { COMMAND_TIMEOUT_MS, type EventNode, failure, logged, SERVICE, turnsOf, until } from '../support.js';

const EVENT = { event_type: 'zone_updated', data: { zone: 'example.org' } } as const;

describe('publishing', function () {
  this.timeout(20_000);
  const suite = EventSuite.make('emptied');

  it('delivers an event with its defaults from the catalogue and all that its publisher gave', async () => {
    const node = await suite.start();
    const before = Date.now();
    const full = {
      ...EVENT,
      id: 'order-7',
      priority: 'high',
      severity: 'warning',
      metadata: { trace: 'x' },
      roles: ['user'],
      permission: 'events:admin',
      exclude: ['bob'],
      expires_at: '2999-01-01T00:00:00+01:00',
    } as const;
    const [plain] = await node.publisher.publish(EVENT, SERVICE);
    const [rich] = await node.publisher.publish(full, SERVICE);
    expect(plain).to.deep.include({ duplicate: false });
    expect(plain?.queue).to.match(/^events-[01]$/);
    await until('both in the log', async () => (await node.log.head()).offset === 2);
    const events = (await logged(node.log)).map(({ event }) => event);
    const first = events.find(({ id }) => id === plain?.eventId);
    const second = events.find(({ id }) => id === rich?.eventId);
    expect(first).to.deep.equal({
      id: plain?.eventId,
      type: 'zone_updated',
      data: EVENT.data,
      timestamp: first?.timestamp,
      priority: 'normal',
      category: 'dns',
      severity: 'info',
    });
    expect(Date.parse(first?.timestamp ?? '')).to.be.within(before, Date.now());
    expect(first?.timestamp).to.match(/Z$/);
    expect(second).to.deep.include({
      priority: 'high',
      severity: 'warning',
      metadata: { trace: 'x' },
      roles: ['user'],
      permission: 'events:admin',
      exclude: ['bob'],
      expires_at: '2998-12-31T23:00:00.000Z',
    });
    expect(second?.id).to.match(/^[A-Za-z0-9_-]{8}_order-7$/);
  });

  it('queues nothing of a call with one bad event, and tells where it is bad', async () => {
    const node = await suite.start({ workers: false });
    const error = await failure(node.publisher.publish([EVENT, { event_type: 'nonsense', data: {} }, EVENT], SERVICE));
    expect(error).to.be.instanceOf(AppError);
    expect(error).to.deep.include({
      code: 'VALIDATION_ERROR',
      details: { errors: [{ path: '/1/event_type', message: 'is not in the event catalogue' }] },
    });
    const counts = [...(await node.queues.counts()).values()];
    expect(counts.reduce((sum, { waiting }) => sum + waiting, 0)).to.equal(0);
  });

  it('refuses what it cannot keep or does not know, with the place', async () => {
    const node = await suite.start({ workers: false });
    const nested = JSON.parse(`${'{"a":'.repeat(70)}1${'}'.repeat(70)}`) as Record<string, unknown>;
    const bad: [unknown, string][] = [
      [{ data: {} }, ''],
      [null, ''],
      ['text', ''],
      [{ ...EVENT, data: 'text' }, '/data'],
      [{ ...EVENT, unknown: 1 }, '/unknown'],
      [JSON.parse('{"event_type":"zone_updated","data":{},"__proto__":{"x":1}}'), '/__proto__'],
      [{ ...EVENT, event_type: '__proto__' }, '/event_type'],
      [{ ...EVENT, event_type: 'constructor' }, '/event_type'],
      [{ ...EVENT, event_type: 'ping' }, '/event_type'],
      [{ ...EVENT, id: 'a:b' }, '/id'],
      [{ ...EVENT, priority: 'huge' }, '/priority'],
      [{ ...EVENT, delivery: 'ephemeral', delay_ms: 1 }, '/delay_ms'],
      [{ ...EVENT, delivery: 'ephemeral', deliver_at: '2999-01-01T00:00:00Z' }, '/deliver_at'],
      [{ ...EVENT, target_user_ids: [] }, '/target_user_ids'],
      [{ ...EVENT, target_user_ids: ['alice', ''] }, '/target_user_ids/1'],
      [{ ...EVENT, target_user_ids: ['alice', 'ü'.repeat(65)] }, '/target_user_ids/1'],
      [{ ...EVENT, target_user_ids: ['\ud800'] }, '/target_user_ids/0'],
      [
        Array.from({ length: 11 }, () => ({
          ...EVENT,
          target_user_ids: Array.from({ length: 1000 }, (_, n) => `u${n}`),
        })),
        '',
      ],
      [{ ...EVENT, delay_ms: 1, deliver_at: '2999-01-01T00:00:00Z' }, ''],
      [{ ...EVENT, deliver_at: '2999-01-01T00:00:00Z' }, '/deliver_at'],
      [{ ...EVENT, deliver_at: '2026-02-30T00:00:00Z' }, '/deliver_at'],
      [{ ...EVENT, expires_at: 'tomorrow' }, '/expires_at'],
      [{ ...EVENT, data: nested }, '/data'],
      [{ ...EVENT, metadata: nested }, '/metadata'],
      [{ ...EVENT, data: { text: 'ü'.repeat(MAX_EVENT_BYTES / 2) } }, '/data'],
      [[], ''],
      [Array.from({ length: 1001 }, () => EVENT), ''],
    ];
    for (const [request, path] of bad) {
      const error = await failure(node.publisher.publish(request as typeof EVENT, SERVICE));
      const shown = JSON.stringify(request)?.slice(0, 80);
      expect(error, shown).to.include({ code: 'VALIDATION_ERROR' });
      const [first] = ((error as AppError).details?.errors ?? []) as { path: string; message: string }[];
      expect(first?.path, shown).to.equal(path);
    }
  });

  it('takes an event that is just not too large', async () => {
    const node = await suite.start();
    const overhead = Buffer.byteLength(JSON.stringify((await sent(node, { ...EVENT, data: { text: '' } })).event));
    const text = 'x'.repeat(MAX_EVENT_BYTES - overhead);
    expect((await sent(node, { ...EVENT, data: { text } })).event.data).to.deep.equal({ text });
  });

  async function sent(node: EventNode, request: Parameters<EventNode['publisher']['publish']>[0]) {
    const [receipt] = await node.publisher.publish(request, SERVICE);
    let found: Awaited<ReturnType<typeof logged>>[number] | undefined;
    await until('the event in the log', async () => {
      found = (await logged(node.log)).find(({ event }) => event.id === receipt?.eventId);
      return found !== undefined;
    });
    if (!found) throw new Error('unreachable');
    return found;
  }

  it('refuses a caller without the permission', async () => {
    const node = await suite.start({ workers: false });
    const by = { userId: 'u', permissions: new Set(['events:receive']) };
    expect(await failure(node.publisher.publish(EVENT, by))).to.include({ code: 'PERMISSION_DENIED' });
    const admin = { userId: 'a', permissions: new Set(['admin:broadcast']) };
    expect(await failure(node.publisher.publish(EVENT, admin))).to.include({ code: 'PERMISSION_DENIED' });
    expect(await node.publisher.publish({ event_type: 'admin_broadcast', data: {} }, admin)).to.have.length(1);
  });

  it('tells a repeat from a new event while it waits, after it was appended, and within a call', async () => {
    const idle = await suite.start({ workers: false });
    const events = ['1', '2', '2'].map((id) => ({ ...EVENT, id }));
    const duplicates = async (request: typeof events | (typeof events)[number]): Promise<boolean[]> =>
      (await idle.publisher.publish(request, SERVICE)).map(({ duplicate }) => duplicate);
    expect(await duplicates(events)).to.deep.equal([false, false, true]);
    expect(await duplicates(events)).to.deep.equal([true, true, true]);
    expect(await duplicates({ ...EVENT, id: '3' })).to.deep.equal([false]);
    expect(await duplicates({ ...EVENT, id: '3' })).to.deep.equal([true]);
    const worker = await suite.start();
    await until('three in the log', async () => (await worker.log.head()).offset === 3);
    expect(await duplicates({ ...EVENT, id: '2' })).to.deep.equal([true]);
    expect(
      await duplicates([
        { ...EVENT, id: '4' },
        { ...EVENT, id: '1' },
      ]),
    ).to.deep.equal([false, true]);
    await until('four in the log', async () => (await worker.log.head()).offset === 4);
    expect(new Set((await logged(worker.log)).map(({ event }) => event.id)).size).to.equal(4);
  });

  it('a repeat with another payload is told from one with the same: while it waits, after it was appended, within a call', async () => {
    const idle = await suite.start({ workers: false });
    const differs = async (...given: readonly [string, unknown][]): Promise<boolean[]> => {
      const events = given.map(([id, text]) => ({ ...EVENT, id, data: { text, more: { a: 1, b: 2 } } }));
      const receipts = await idle.publisher.publish(events, SERVICE);
      for (const receipt of receipts) if (receipt.payloadDiffers) expect(receipt.duplicate).to.equal(true);
      return receipts.map(({ payloadDiffers }) => payloadDiffers);
    };
    expect(await differs(['1', 'x'], ['2', 'y'], ['2', 'z'])).to.deep.equal([false, false, true]);
    expect(await differs(['3', 'x'])).to.deep.equal([false]);
    expect(await differs(['1', 'x'], ['2', 'y'])).to.deep.equal([false, false]);
    expect(await differs(['1', 'x'], ['2', 'other'])).to.deep.equal([false, true]);
    expect(await differs(['3', 'other'])).to.deep.equal([true]);
    const worker = await suite.start();
    await until('three in the log', async () => (await worker.log.head()).offset === 3);
    expect(await differs(['1', 'other'], ['2', 'y'], ['3', 'x'])).to.deep.equal([true, false, false]);
    // The order of properties says nothing.
    const turned = { ...EVENT, id: '1', data: { more: { b: 2, a: 1 }, text: 'x' } };
    expect((await idle.publisher.publish(turned, SERVICE))[0]).to.include({ duplicate: true, payloadDiffers: false });
    const mail = { event_type: 'notification_sent', target_user_ids: ['u1', 'u2'], id: '4', data: { text: 'x' } };
    await idle.publisher.publish(mail, SERVICE);
    await until('in both mailboxes', () => worker.mail.length === 2);
    expect((await idle.publisher.publish(mail, SERVICE))[0]).to.include({ duplicate: true, payloadDiffers: false });
    const changed = { ...mail, target_user_ids: ['u1', 'u3'], data: { text: 'y' } };
    expect((await idle.publisher.publish(changed, SERVICE))[0]).to.include({ duplicate: true, payloadDiffers: true });
    expect((await worker.log.head()).offset).to.equal(3);
  });

  it('does not take the events of a second publisher with the same ids for repeats (L2)', async () => {
    const node = await suite.start();
    const other = { ...SERVICE, userId: 'service-2' };
    await node.publisher.publish({ ...EVENT, id: '1' }, SERVICE);
    expect((await node.publisher.publish({ ...EVENT, id: '1' }, other))[0]?.duplicate).to.equal(false);
    await until('both in the log', async () => (await node.log.head()).offset === 2);
  });

  it('holds an event back until it is due, and drops it with a count when it expired', async () => {
    const node = await suite.start();
    const started = Date.now();
    await node.publisher.publish(
      [
        { ...EVENT, delay_ms: 300, ordering_key: 'a' },
        { ...EVENT, deliver_at: new Date(started + 300).toISOString(), ordering_key: 'b' },
        { ...EVENT, delay_ms: 200, expires_at: new Date(started + 100).toISOString(), ordering_key: 'c' },
      ],
      SERVICE,
    );
    const expired = (): number => node.queues.stats().lanes.reduce((sum, lane) => sum + lane.expired, 0);
    await until('two in the log', async () => (await node.log.head()).offset === 2);
    expect(Date.now() - started).to.be.at.least(299);
    await until('one dropped', () => expired() === 1);
    expect((await node.log.head()).offset).to.equal(2);
  });

  it("uses the type's time to live when the publish gives none", async () => {
    const raw = structuredClone(loadCatalogue().raw) as unknown as {
      event_types: { zone_updated: { ttl_ms: number } };
    };
    raw.event_types.zone_updated.ttl_ms = 1;
    const node = await suite.start({ catalogue: parseCatalogue(JSON.stringify(raw), 'own') });
    await node.publisher.publish({ ...EVENT, delay_ms: 50 }, SERVICE);
    await until('dropped', () => node.queues.stats().lanes.some(({ expired }) => expired === 1));
  });

  it('refuses with RATE_LIMITED when the queues are full, and takes events again when they are not', async () => {
    const node = await suite.start({ workers: false, maxJobs: 5 });
    for (let index = 0; index < 5; index += 1) await node.publisher.publish(EVENT, SERVICE);
    const error = await failure(node.publisher.publish(EVENT, SERVICE));
    expect(error).to.deep.include({ code: 'RATE_LIMITED', details: { retry_after_ms: 1000 } });
    const other = await suite.start({ maxJobs: 5 });
    await until('the backlog to be worked off', async () => (await other.log.head()).offset === 5);
    await until('to be admitted', async () => {
      const answer = await node.publisher.publish(EVENT, SERVICE).catch((late: unknown) => late);
      return Array.isArray(answer);
    });
  });

  it('answers UNAVAILABLE within the time-out while Redis is frozen, and goes on by itself afterwards', async () => {
    const node = await suite.start({ workers: false });
    await node.publisher.publish(EVENT, SERVICE);
    suite.server.pause();
    try {
      for (const round of [1, 2, 3]) {
        const started = Date.now();
        const calls = [EVENT, { ...EVENT, id: `r${round}` }].map((one) =>
          failure(node.publisher.publish(one, SERVICE)),
        );
        for (const error of await Promise.all(calls)) expect(error).to.include({ code: 'UNAVAILABLE' });
        // Two commands at most, one after the other.
        expect(Date.now() - started).to.be.below(2 * COMMAND_TIMEOUT_MS + 300);
      }
    } finally {
      suite.server.resume();
    }
    await until('an accepted event', async () => {
      const answer = await node.publisher.publish(EVENT, SERVICE).catch((late: unknown) => late);
      return Array.isArray(answer);
    });
  });

  // Seen red without `isSilent`.
  it('writes nothing to a Redis that hangs once it knows: it would all be run when it wakes', async () => {
    const node = await suite.start({ workers: false });
    suite.server.pause();
    try {
      await failure(node.publisher.publish(EVENT, SERVICE));
      const refusals = Promise.all(Array.from({ length: 500 }, () => failure(node.publisher.publish(EVENT, SERVICE))));
      // Waiting for the time-out of a command takes thousands.
      expect(await turnsOf(refusals), 'turns of the event loop').to.be.below(100);
      for (const error of await refusals) expect(error).to.include({ code: 'UNAVAILABLE' });
    } finally {
      suite.server.resume();
    }
    await until('an answer', async () => (await node.queues.counts().catch(() => null)) !== null);
    const counts = [...(await node.queues.counts()).values()];
    expect(counts.reduce((sum, { waiting }) => sum + waiting, 0)).to.be.at.most(1);
  });

  it('answers UNAVAILABLE at once while Redis is down, and goes on by itself when it is back', async () => {
    const node = await suite.start({ workers: false });
    await suite.server.kill9();
    try {
      const started = Date.now();
      expect(await failure(node.publisher.publish(EVENT, SERVICE))).to.include({ code: 'UNAVAILABLE' });
      expect(await failure(node.publisher.publish({ ...EVENT, id: '1' }, SERVICE))).to.include({ code: 'UNAVAILABLE' });
      expect(Date.now() - started).to.be.below(2 * COMMAND_TIMEOUT_MS);
    } finally {
      await suite.server.restart();
    }
    await until('an accepted event', async () => {
      const answer = await node.publisher.publish(EVENT, SERVICE).catch((late: unknown) => late);
      return Array.isArray(answer);
    });
  });
});

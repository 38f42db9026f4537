import { expect } from 'chai';
import { Case } from './support/case.js';
import { contractOfTarget } from './support/contract.js';
import { coverage, describeNeeds, type Kind } from './support/coverage.js';

/** Close codes of RFC 6455 that the protocol keeps: a fault of framing, a binary frame, bad UTF-8, an oversized message. */
const RFC_CLOSES = [1002, 1003, 1007, 1009];

/** Codes that stand in the tables and that a server need never send. */
const RESERVED: Readonly<Record<string, string>> = {
  'errors TIMEOUT': 'an order of unknown outcome is answered with UNAVAILABLE, or with node_unreachable as its result',
};

// Seen red with a message, and with routes, that no test claimed. The suite as a whole was seen red with each of 22 builds (UWS_NODE_MAIN)
// with one rule taken out: reply_to, permissions, supported_types, the count of errors, binary frames, duplicates, exclude, sensitive fields,
// what is not in the documents, ids of pongs, bans, dropped defaults, refresh for another user, heartbeat, token_expiring, resume, ack, Allow,
// WWW-Authenticate, Idempotency-Key, audit, rollout_changed.
describe('coverage', () => {
  /** What is not covered, by the extras that it would take. */
  const missing = new Map<string, string[]>();

  it('no message, error code, close code or route of the server is without a test', async () => {
    const t = new Case(() => undefined);
    const { supported_messages, error_codes, close_codes, rest } = await t.target.info();
    const items: Readonly<Record<Kind, readonly (string | number)[]>> = {
      client: supported_messages.client_to_server.map(({ type }) => type),
      server: supported_messages.server_to_client.map(({ type }) => type),
      errors: error_codes.map(({ code }) => code),
      closes: [...close_codes.map(({ code }) => code), ...RFC_CLOSES],
      routes: (await contractOfTarget()).routes(rest),
    };
    const unclaimed: string[] = [];
    for (const [kind, names] of Object.entries(items) as [Kind, readonly (string | number)[]][]) {
      for (const name of names) {
        const extras = coverage.standing(kind, name);
        if (extras === undefined && RESERVED[`${kind} ${name}`] === undefined) unclaimed.push(`${kind} ${name}`);
        else if (extras !== undefined && extras.length > 0) {
          const needs = describeNeeds(extras);
          missing.set(needs, [...(missing.get(needs) ?? []), String(name)]);
        }
      }
    }
    expect(unclaimed).to.deep.equal([]);
  });

  after(() => {
    for (const [needs, names] of missing) console.log(`\n  not covered here: ${names.join(', ')}\n    needs ${needs}`);
    for (const extra of new Set(coverage.left.flatMap((one) => one.missing))) {
      const titles = coverage.left.filter((one) => one.missing.includes(extra));
      console.log(`\n  ${titles.length} tests were left out: they need ${describeNeeds([extra])}`);
    }
    console.log('');
  });
});

import { shownAddress } from '@unified-ws/server/connections/limits/addressGroup';
import { createLogger } from '@unified-ws/server/observability/log/logger';
import { SecurityLog } from '@unified-ws/server/observability/log/securityLog';
import { expect } from 'chai';

type SecurityRecord = Record<string, unknown>;

/** A log with a rate of 2 a second, so 20 at once. */
function made(level = 'info') {
  const records: SecurityRecord[] = [];
  const destination = {
    write: (line: string) => records.push((JSON.parse(line) as { security: SecurityRecord }).security),
  };
  const clock = { now: 0, mono: () => clock.now };
  const log = new SecurityLog({
    logger: createLogger(level, 'n1', { destination }),
    clock,
    rate: 2,
    shownAddress: (ip) => ip,
  });
  const record = (event: 'connect' | 'token_refused', count: number, reason = 'new'): void => {
    for (let n = 0; n < count; n += 1) log.record(event, { reason, via: 'websocket', ip: '192.0.2.1', user: `u${n}` });
  };
  return { records, clock, log, record };
}

describe('The security log', () => {
  it('must write no more than its rate, and tell how much it left out and why', () => {
    const { records, clock, log, record } = made();
    record('token_refused', 500, 'bad_signature');
    record('token_refused', 30, 'expired');
    expect(records).to.have.length(20);
    clock.now = 9_999;
    log.tick();
    expect(records).to.have.length(20);
    clock.now = 10_000;
    log.tick();
    expect(records.at(-1)).to.deep.equal({
      event: 'left_out',
      of: 'token_refused',
      omitted: 510,
      reasons: { bad_signature: 480, expired: 30 },
    });
    clock.now = 20_000;
    log.tick();
    expect(records, 'told once').to.have.length(21);
    record('token_refused', 1);
    expect(records, 'after a while there is room again').to.have.length(22);
  });

  it('must not let a flood of one kind push out another', () => {
    const { records, record } = made();
    record('token_refused', 1000);
    record('connect', 1);
    expect(records.at(-1)).to.include({ event: 'connect', user: 'u0' });
  });

  it('must tell at the end what is not told yet', () => {
    const { records, log, record } = made();
    record('connect', 21);
    log.flush();
    expect(records.at(-1)).to.include({ event: 'left_out', omitted: 1 });
  });

  it('must be silent where the level is above info', () => {
    const { records, log, record } = made('warn');
    record('connect', 50);
    log.flush();
    expect(records).to.deep.equal([]);
  });
});

describe('An address in the log', () => {
  const short: Record<string, string | undefined> = {
    '192.0.2.77': '192.0.2.0/24',
    '::ffff:192.0.2.77': '192.0.2.0/24',
    '::ffff:c000:24d': '192.0.2.0/24',
    '2001:db8:1:2:3:4:5:6': '2001:db8:1::/48',
    '2001:DB8::1': '2001:db8:0::/48',
    '::1': '0:0:0::/48',
    'fe80::1%eth0': 'fe80:0:0::/48',
    unknown: undefined,
    '': undefined,
  };
  for (const [address, shown] of Object.entries(short)) {
    it(`must be cut to its network: ${address || 'none'}`, () => {
      expect(shownAddress(address, 'short')).to.equal(shown);
      expect(shownAddress(address, 'none')).to.equal(undefined);
      expect(shownAddress(address, 'full')).to.equal(address);
    });
  }
});

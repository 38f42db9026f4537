import { errorRecord } from '@unified-ws/server/observability/log/errorRecord';
import { createLogger } from '@unified-ws/server/observability/log/logger';
import { Scrubber } from '@unified-ws/server/observability/log/scrubber';
import { loadSettings, secretsOf } from '@unified-ws/server/settings/settings';
import { expect } from 'chai';
import { ReplyError } from 'ioredis';

const MARK = 'planted';

/** As ioredis rejects a command: the arguments hang on the error. */
function replyError(message: string): Error {
  return Object.assign(new ReplyError(message), { command: { name: 'set', args: ['key', MARK] }, [MARK]: MARK });
}

function caught(run: () => unknown): unknown {
  try {
    return run();
  } catch (error) {
    return error;
  }
}

describe('An error in the log', () => {
  const cases: Record<string, unknown> = {
    'the arguments of a Redis command': replyError('OOM command not allowed'),
    'what Redis repeats of an unknown command': replyError(
      `ERR unknown command '${MARK}', with args beginning with: '${MARK}' '${MARK}' `,
    ),
    'the text that is no JSON': caught(() => JSON.parse(`{"a": ${MARK}`)),
    'the short text that is no JSON': caught(() => JSON.parse(MARK)),
    'the URL that is none': caught(() => new URL(`//${MARK}`)),
    'what hangs on its cause': new Error('failed', { cause: replyError('ERR no') }),
    'what hangs on one of several': new AggregateError([replyError('ERR no')], 'all failed'),
    'what hangs on the error of a node of a Redis Cluster': Object.assign(new Error('Failed to refresh slots cache.'), {
      lastNodeError: replyError('NOAUTH'),
    }),
    'an object that was thrown': { args: [MARK] },
  };
  for (const [what, error] of Object.entries(cases)) {
    it(`must not show ${what}`, () => {
      const lines: string[] = [];
      const logger = createLogger('info', 'n1', { destination: { write: (line) => lines.push(line) } });
      // Under whatever key, and in whatever logger.
      logger.error({ err: error }, 'failed');
      if (error instanceof Error) logger.child({ part: 'x' }).warn({ reason: error }, 'failed');
      if (error instanceof Error) logger.error(error, 'failed');
      expect(lines.join('')).to.include('failed').and.not.include(MARK);
    });
  }

  it('must keep what is needed at night: type, message, code, command and the place', () => {
    const record = errorRecord(Object.assign(replyError('READONLY no writes'), { code: 'EX' }));
    expect(record).to.include({ type: 'ReplyError', message: 'READONLY no writes', code: 'EX', command: 'set' });
    expect(record.stack).to.match(/^ReplyError: READONLY no writes\n {4}at .*errorRecord\.test/);
    const outer = errorRecord(new Error('outer', { cause: new Error('inner') }));
    expect(outer.cause).to.include({ message: 'inner' });
  });

  it('must end with a chain of causes that has no end', () => {
    const error = new Error('round');
    error.cause = error;
    expect(JSON.stringify(errorRecord(error)).match(/"message":"round"/g)).to.have.length(5);
  });
});

describe('The scrubber', () => {
  const settings = loadSettings({
    HOST: '127.0.0.1',
    REDIS_URL: 'redis://app:first%20pass@127.0.0.1:6379',
    REDIS_QUEUE_URL: 'redis+sentinel://:second/p:ass@127.0.0.1:26379/main',
    JWT_SECRET: 'third-secret,fourth"quoted',
    METRICS_TOKEN: 'fifth-token',
  });
  const scrubber = new Scrubber(secretsOf(settings));

  for (const secret of ['first%20pass', 'first pass', 'second/p:ass', 'third-secret', 'fourth"quoted', 'fifth-token']) {
    it(`must know a secret of the settings in each of its forms: ${secret}`, () => {
      for (const form of [secret, encodeURIComponent(secret), JSON.stringify(secret)]) {
        const scrubbed = scrubber.text(`before ${form} behind`);
        expect(scrubbed).to.match(/^before "?\[masked\]"? behind$/);
      }
    });
  }

  const patterns: Record<string, string> = {
    'a token': 'read eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ4In0.sig-na_ture here',
    'a bearer': 'sent Authorization: Bearer abc.def-ghi',
    'a token of a subprotocol': 'offered unified.v1, bearer.abc',
    'a token of a query': 'GET /api/unified/ws?client=a.1&token=abc HTTP/1.1',
    'a password of any URL': 'connect redis://other:abc@host:1',
  };
  for (const [what, text] of Object.entries(patterns)) {
    it(`must know ${what} by its form`, () => {
      expect(scrubber.text(text))
        .to.include('[masked]')
        .and.not.match(/abc|sig-na|eyJ/);
    });
  }

  it('must leave a line of the log valid JSON, whatever the secret is', () => {
    for (const secret of ['1764', '":"', 'level', '\\', 'pid']) {
      const line = JSON.stringify({ level: 'info', time: 1764, text: secret });
      expect(() => JSON.parse(new Scrubber([secret]).line(line))).not.to.throw();
    }
  });
});

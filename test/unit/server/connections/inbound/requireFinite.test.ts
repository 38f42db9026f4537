import { requireFinite } from '@unified-ws/server/connections/inbound/requireFinite';
import { AppError } from '@unified-ws/server/util/appError';
import { expect } from 'chai';

/** The place that is complained of; null: nothing is. */
function fault(text: string): unknown {
  try {
    requireFinite(JSON.parse(text));
    return null;
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    expect(error.code).to.equal('VALIDATION_ERROR');
    return (error.details?.errors as { path: string }[])[0]?.path;
  }
}

describe('a number that cannot be sent on as it came', () => {
  // Seen red: it was accepted, and delivered as null.
  it('must be refused however it is written, and wherever it stands', () => {
    for (const number of [
      '1e400',
      '-1e400',
      '1E+400',
      '1e0000400',
      '1.5e309',
      `1${'0'.repeat(309)}`,
      `${'9'.repeat(300)}e9`,
    ]) {
      expect(fault(number), number).to.equal('');
      expect(fault(`{"data":{"v":${number}}}`), number).to.equal('/data/v');
      expect(fault(`[1,[2,{"a":[${number}]}]]`), number).to.equal('/1/1/a/0');
      expect(fault(`{"__proto__":{"constructor":${number}}}`), number).to.equal('/__proto__/constructor');
    }
  });

  it('must be found as deep as a body can be, without the stack', () => {
    const deep = 100_000;
    expect(fault(`${'['.repeat(deep)}1e400${']'.repeat(deep)}`)).to.equal('');
    expect(fault(`${'['.repeat(deep)}1${']'.repeat(deep)}`)).to.equal(null);
  });

  it('must not be seen where there is none', () => {
    const good = [
      '0',
      '-0',
      '1e308',
      '-1.7976931348623157e308',
      '1e-400',
      '9007199254740993',
      '"1e400"',
      'null',
      'true',
      '{}',
      '[]',
    ];
    for (const text of good) {
      expect(fault(text), text).to.equal(null);
      expect(fault(`{"a":[${text}],"1e400":${text}}`), text).to.equal(null);
    }
    expect(() => requireFinite(undefined)).not.to.throw();
  });
});

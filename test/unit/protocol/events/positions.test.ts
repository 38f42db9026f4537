import {
  formatClient,
  formatPosition,
  formatResume,
  MAX_ATTEMPT,
  MAX_CLIENT_LENGTH,
  MAX_POSITION_LENGTH,
  MAX_RESUME_LENGTH,
  parseClient,
  parsePosition,
  parseResume,
} from '@unified-ws/protocol';
import { expect } from 'chai';
import fc from 'fast-check';

const word = (minLength: number, maxLength: number) =>
  fc.array(fc.constantFrom(...'ABCxyz019_-'), { minLength, maxLength }).map((characters) => characters.join(''));

const position = fc.record({
  epoch: word(1, 64),
  offset: fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
  tag: word(1, 64),
});

/** Near misses find more than noise does: pieces of real texts in any order. */
const nearMiss = fc
  .array(fc.oneof(fc.constantFrom('.', '~', '-', '0', '00', '1e3', ' ', '\n', '__proto__', '９'), word(0, 70)), {
    maxLength: 9,
  })
  .map((pieces) => pieces.join(''));
const anyText = fc.oneof(fc.string({ unit: 'binary', maxLength: 400 }), nearMiss);

describe('positions', () => {
  it('a position that was given out is read back as it was, else its client would miss events in silence', () => {
    fc.assert(
      fc.property(position, ({ epoch, offset, tag }) => {
        const text = formatPosition(epoch, offset, tag);
        expect(parsePosition(text)).to.deep.equal({ epoch, offset, tag });
        expect(text.length).to.be.at.most(MAX_POSITION_LENGTH);
      }),
    );
    expect(parsePosition(formatPosition('e', 0, ''))).to.deep.equal({ epoch: 'e', offset: 0, tag: '' });
  });

  it('what could not be read back is not given out', () => {
    for (const [epoch, offset, tag] of [
      ['', 1, 't'],
      ['a.b', 1, 't'],
      ['a~b', 1, 't'],
      ['e', 1, ''],
      ['e', 0, 't'],
      ['e', -1, 't'],
      ['e', 1.5, 't'],
      ['e', Number.NaN, 't'],
      ['e', 2 ** 53, 't'],
    ] as const) {
      expect(() => formatPosition(epoch, offset, tag), `${epoch}.${offset}.${tag}`).to.throw(RangeError);
    }
  });

  it('whatever is read as a position is its only spelling (else one place would have two names)', () => {
    fc.assert(
      fc.property(anyText, (text) => {
        const parsed = parsePosition(text);
        if (parsed !== null) expect(formatPosition(parsed.epoch, parsed.offset, parsed.tag)).to.equal(text);
      }),
    );
    for (const text of [
      'e.01.t',
      'e.+1.t',
      'e.1e3.t',
      'e.0x1.t',
      'e.9007199254740992.t',
      'e.1.t\n',
      ' e.1.t',
      'e.1',
      '',
    ]) {
      expect(parsePosition(text), JSON.stringify(text)).to.equal(null);
    }
  });
});

describe('resume', () => {
  it('a pair is read back as it was, with either side missing', () => {
    const side = fc.option(position.map(({ epoch, offset, tag }) => formatPosition(epoch, offset, tag)));
    fc.assert(
      fc.property(side, side, (broadcast, user) => {
        const text = formatResume(broadcast, user);
        expect(parseResume(text)).to.deep.equal({ broadcast, user });
        expect(text.length).to.be.at.most(MAX_RESUME_LENGTH);
      }),
    );
  });

  it('a malformed side is fresh and does not take the other with it', () => {
    expect(parseResume('e.1.t~nonsense')).to.deep.equal({ broadcast: 'e.1.t', user: null });
    expect(parseResume('nonsense~e.1.t')).to.deep.equal({ broadcast: null, user: 'e.1.t' });
    expect(parseResume('~')).to.deep.equal({ broadcast: null, user: null });
  });

  it('what is no pair is null', () => {
    for (const text of ['', 'e.1.t', 'e.1.t~e.1.t~', '~~', 'x'.repeat(10_000)])
      expect(parseResume(text)).to.equal(null);
  });
});

describe('client attempt', () => {
  it('is read back as it was', () => {
    fc.assert(
      fc.property(word(8, 64), fc.integer({ min: 0, max: MAX_ATTEMPT }), (client, attempt) => {
        const text = formatClient(client, attempt);
        expect(parseClient(text)).to.deep.equal({ client, attempt });
        expect(text.length).to.be.at.most(MAX_CLIENT_LENGTH);
      }),
    );
  });

  it('a malformed one is null: an attempt read wrongly would refuse a live device (C5)', () => {
    for (const text of [
      '',
      'short.1',
      'abcdefgh',
      'abcdefgh.',
      'abcdefgh.-1',
      'abcdefgh.01',
      'abcdefgh.1.2',
      'abcdefgh.2147483649',
      'abcdefgh.1e3',
      'abc:efgh.1',
      `${'x'.repeat(65)}.1`,
    ]) {
      expect(parseClient(text), text).to.equal(null);
    }
    expect(parseClient(`abcdefgh.${MAX_ATTEMPT}`)).to.deep.equal({ client: 'abcdefgh', attempt: 2 ** 31 });
  });
});

describe('hostile input', () => {
  it('no text, and nothing that a query parser may hand over instead, makes a reader throw', () => {
    const readers: readonly ((text: string) => unknown)[] = [parsePosition, parseResume, parseClient];
    fc.assert(
      fc.property(fc.oneof(anyText, fc.anything()), (value) => {
        for (const reader of readers) expect(() => reader(value as string)).not.to.throw();
      }),
      { numRuns: 1000 },
    );
  });
});

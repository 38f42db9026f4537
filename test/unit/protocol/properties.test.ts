import {
  fitCloseReason,
  formatClient,
  formatPosition,
  formatResume,
  isClientMessageType,
  MAX_ATTEMPT,
  MAX_CLOSE_REASON_BYTES,
  parseClient,
  parsePosition,
  parseResume,
} from '@unified-ws/protocol';
import { expect } from 'chai';
import fc from 'fast-check';
import { anyJson, nastyString } from '../../support/arbitraries/nasty.js';
import { holds } from '../../support/property.js';

const word = fc.stringMatching(/^[A-Za-z0-9_-]{1,64}$/);
const position = fc
  .tuple(word, fc.oneof(fc.constant(0), fc.maxSafeNat()), word)
  .map(([epoch, offset, tag]) => ({ epoch, offset, tag: offset === 0 ? '' : tag }));
const text = ({ epoch, offset, tag }: { epoch: string; offset: number; tag: string }): string =>
  formatPosition(epoch, offset, tag);

/** Nearly what a parser takes: one character of it replaced, doubled or gone. */
function nearly(valid: fc.Arbitrary<string>): fc.Arbitrary<string> {
  return fc
    .tuple(valid, fc.nat(200), fc.constantFrom('', '.', '~', '0', '-', ' ', '\n', '\0', '٣', 'é', '..', 'x'.repeat(64)))
    .map(([good, at, put]) => {
      const place = at % (good.length + 1);
      return good.slice(0, place) + put + good.slice(place + (at % 2));
    });
}

const junk = fc.oneof(nastyString, fc.string({ unit: 'binary', maxLength: 400 }));

describe('properties of the wire contract', () => {
  holds('a position that is not read as it was written resumes elsewhere', position, (one) => {
    expect(parsePosition(text(one))).to.deep.equal(one);
  });

  holds(
    'a text that is read as a position must be the one text of it',
    fc.oneof(nearly(position.map(text)), junk),
    (some) => {
      const read = parsePosition(some);
      if (read !== null) expect(text(read)).to.equal(some);
    },
  );

  holds(
    'a malformed position of one scope must not take the other with it',
    fc.tuple(position, junk),
    ([one, other]) => {
      if (other.includes('~') || other.length > 146) return;
      const expected = parsePosition(other) === null ? null : other;
      expect(parseResume(formatResume(text(one), other))).to.deep.equal({ broadcast: text(one), user: expected });
      expect(parseResume(formatResume(other, text(one)))).to.deep.equal({ broadcast: expected, user: text(one) });
    },
  );

  const client = fc.tuple(fc.stringMatching(/^[A-Za-z0-9_-]{8,64}$/), fc.nat({ max: 2 ** 31 - 1 }));
  holds('an attempt that is read as another ends the wrong connection (C5)', client, ([id, attempt]) => {
    expect(parseClient(formatClient(id, attempt))).to.deep.equal({ client: id, attempt });
  });

  holds(
    'a text that is read as a client must be the one text of it',
    fc.oneof(nearly(client.map(([id, attempt]) => formatClient(id, attempt))), junk),
    (some) => {
      const read = parseClient(some);
      if (read === null) return;
      expect(formatClient(read.client, read.attempt)).to.equal(some);
      expect(read.attempt).to.be.at.most(MAX_ATTEMPT);
    },
  );

  holds('no parser throws for what a query parser makes of a repeated key', anyJson, (value) => {
    for (const parse of [parsePosition, parseResume, parseClient]) parse(value as string);
  });

  const long = fc.oneof(
    junk,
    fc.string({ unit: 'binary', maxLength: 200 }),
    fc.string({ unit: 'grapheme', maxLength: 80 }),
  );
  holds('a close reason that does not fit, or is cut within a character, makes the library throw', long, (reason) => {
    const fitted = fitCloseReason(reason);
    expect(reason.startsWith(fitted)).to.equal(true);
    expect(Buffer.byteLength(fitted)).to.be.at.most(MAX_CLOSE_REASON_BYTES);
    const [next] = reason.slice(fitted.length);
    if (next !== undefined)
      expect(Buffer.byteLength(fitted + next), 'no more than must be').to.be.above(MAX_CLOSE_REASON_BYTES);
    // Lone surrogates aside, which are none of the cut.
    if (Buffer.from(reason).toString() === reason) expect(Buffer.from(fitted).toString()).to.equal(fitted);
  });

  holds('a name that every object inherits must not be a message type', nastyString, (name) => {
    expect(isClientMessageType(name)).to.equal(false);
  });
});

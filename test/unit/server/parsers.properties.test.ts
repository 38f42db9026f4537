import type { IncomingMessage } from 'node:http';
import {
  clearQueueSchema,
  connectionsQuerySchema,
  jobsPageSchema,
  preferenceChangesSchema,
} from '@unified-ws/protocol';
import { bearerToken, tokenFromRequest } from '@unified-ws/server/auth/tokenFromRequest';
import { textFrame } from '@unified-ws/server/delivery/frames/frame';
import { PreferenceFormat } from '@unified-ws/server/delivery/selection/preferences';
import { isUserId } from '@unified-ws/server/events/event/storedEvent';
import { queryReader } from '@unified-ws/server/http/request/queryReader';
import { RestProblem } from '@unified-ws/server/http/request/restProblem';
import { AppError } from '@unified-ws/server/util/appError';
import { parseTime } from '@unified-ws/server/util/parseTime';
import { Ajv } from 'ajv';
import { expect } from 'chai';
import fc from 'fast-check';
import { broken } from '../../support/arbitraries/broken.js';
import { anyJson, nastyString } from '../../support/arbitraries/nasty.js';
import { render } from '../../support/arbitraries/tree.js';
import { validOf } from '../../support/arbitraries/valid.js';
import { holds } from '../../support/property.js';
import { claims, tokenOf, verifyNow } from './auth/support.js';

const ajv = new Ajv({ strict: false });
const wellFormed = (text: string): string => Buffer.from(text).toString();

describe('properties of queries', () => {
  const schemas = { clear: clearQueueSchema, page: jobsPageSchema, connections: connectionsQuerySchema };
  for (const [name, schema] of Object.entries(schemas)) {
    const read = queryReader(schema);
    const isValid = ajv.compile(schema);
    const request = (query: string): IncomingMessage => ({ url: `/x?${query}` }) as IncomingMessage;

    holds(
      `what is written by the schema must be read as it was meant (${name})`,
      validOf(schema),
      (value) => {
        // A comma divides a list, and cannot be in a member of it.
        if (
          /,/.test(
            JSON.stringify(
              Object.values(value as object)
                .filter(Array.isArray)
                .flat(),
            ),
          )
        )
          return;
        const meant = JSON.parse(wellFormed(JSON.stringify(value)).replace(/\\ud[89a-f][0-9a-f]{2}/g, '\ufffd'));
        const query = new URLSearchParams(
          Object.entries(meant).map(([key, one]): [string, string] => [key, String(one)]),
        );
        expect(read(request(query.toString()))).to.deep.equal(meant);
      },
      300,
    );

    const pairs = fc.array(
      fc.tuple(fc.oneof(fc.constantFrom(...Object.keys(schema.properties)), nastyString), nastyString),
      { maxLength: 4 },
    );
    const written = pairs.map((list) =>
      new URLSearchParams(list.map(([key, one]): [string, string] => [wellFormed(key), wellFormed(one)])).toString(),
    );
    holds(
      `any query is read as the schema has it, or refused with its place (${name})`,
      fc.oneof(written, nastyString),
      (query) => {
        try {
          expect(isValid(read(request(query)))).to.equal(true);
        } catch (error) {
          expect(error).to.be.instanceOf(RestProblem);
          expect((error as RestProblem).toJSON()).to.include({ status: 400, code: 'VALIDATION_ERROR' });
          expect((error as RestProblem).toJSON().errors?.[0]?.path).to.be.a('string');
        }
      },
      500,
    );
  }
});

describe('properties of times', () => {
  const day = fc.date({
    min: new Date('0100-01-01T00:00:00Z'),
    max: new Date('9999-12-31T23:59:59Z'),
    noInvalidDate: true,
  });
  holds('a time that is read as another delays an event by the difference', day, (date) => {
    expect(parseTime(date.toISOString())).to.equal(date.getTime());
  });

  const field = (max: number): fc.Arbitrary<string> => fc.nat(max).map((value) => String(value).padStart(2, '0'));
  const shape = fc
    .tuple(
      fc.nat(9999).map((year) => String(year).padStart(4, '0')),
      field(13),
      field(32),
      field(25),
      field(61),
      field(61),
      fc.constantFrom('Z', '+24:00', '-00:00', '+14:00', '+99:99'),
    )
    .map(
      ([year, month, date, hour, minute, second, zone]) =>
        `${year}-${month}-${date}T${hour}:${minute}:${second}${zone}`,
    );
  holds('a day or an hour that there is not must not be taken for another', fc.oneof(shape, nastyString), (text) => {
    const at = parseTime(text);
    if (at === null) return;
    expect(Number.isFinite(at)).to.equal(true);
    if (/[Z]$/.test(text) && Number(text.slice(0, 4)) >= 100)
      expect(new Date(at).toISOString().slice(0, 19)).to.equal(text.slice(0, 19));
  });
});

describe('properties of frames', () => {
  const lengths = fc.constantFrom(0, 1, 125, 126, 127, 65_535, 65_536, 65_537);
  const sized = fc
    .tuple(lengths, fc.constantFrom('x', 'é', '💥'))
    .map(([length, character]) => character.repeat(length));
  holds(
    'a header that does not fit its payload shifts all frames behind it',
    fc.oneof(sized, nastyString),
    (text) => {
      const frame = textFrame(text);
      const payload = Buffer.from(text);
      const short = (frame[1] ?? 0) & 0x7f;
      const length = short === 126 ? frame.readUInt16BE(2) : short === 127 ? Number(frame.readBigUInt64BE(2)) : short;
      expect(frame[0]).to.equal(0x81);
      expect(length).to.equal(payload.length);
      expect(frame.subarray(short === 126 ? 4 : short === 127 ? 10 : 2).equals(payload)).to.equal(true);
      // RFC 6455 §5.2: the fewest bytes that hold the length.
      expect(short).to.equal(payload.length < 126 ? payload.length : payload.length < 65_536 ? 126 : 127);
    },
    200,
  );
});

describe('properties of saved preferences', () => {
  const format = new PreferenceFormat();
  const changes = validOf(preferenceChangesSchema);
  const isChange = ajv.compile(preferenceChangesSchema);

  holds(
    'a preference that is not read as it was saved is lost at the next connect',
    changes,
    (value) => {
      const kept = format.read(format.write(value as Parameters<typeof format.write>[0]));
      for (const [field, chosen] of Object.entries(value as object)) {
        const unique = Array.isArray(chosen) ? [...new Set(chosen)] : chosen;
        expect(kept[field as keyof typeof kept]).to.deep.equal(unique);
      }
    },
    300,
  );

  const saved = fc.array(
    fc.oneof(
      nastyString,
      broken(changes).map(render),
      fc.constantFrom(...Object.keys(preferenceChangesSchema.properties)),
    ),
    { maxLength: 8 },
  );
  holds('whatever lies in Redis must give preferences, or its user cannot connect any more', saved, (flat) => {
    expect(isChange(format.read(flat))).to.equal(true);
  });
});

describe('properties of tokens', () => {
  const good = tokenOf(claims());

  holds(
    'a token with one character changed must not be taken',
    fc.tuple(fc.nat(), fc.constantFrom('A', 'b', '-', '_', '.', '=', '')),
    ([at, put]) => {
      const place = at % good.length;
      const forged = good.slice(0, place) + put + good.slice(place + 1);
      // The last character of base64url holds bits that mean nothing.
      const same = (token: string): string =>
        token
          .split('.')
          .map((part) => Buffer.from(part, 'base64url').toString('hex'))
          .join('.');
      if (same(forged) === same(good) && forged.split('.').length === 3) return;
      expectRefused(() => verifyNow(forged), forged);
    },
  );

  holds(
    'any text as a token is refused with a code, and not by a fault of ours',
    fc.oneof(
      nastyString,
      anyJson.map((value) => `${Buffer.from(render(value)).toString('base64url')}.e30.AAAA`),
    ),
    (token) => {
      expectRefused(() => verifyNow(token), token);
    },
  );

  holds(
    'any claims in a token that is signed well are taken or refused with a code',
    fc.oneof(broken(fc.constant(claims({ roles: ['user'], permissions: ['a:b'], sid: 's', username: 'u' }))), anyJson),
    (payload) => {
      const text = render(payload);
      try {
        const identity = verifyNow(tokenOf(text));
        expect(isUserId(identity.userId)).to.equal(true);
      } catch (error) {
        expect(error, text).to.be.instanceOf(AppError);
      }
    },
  );

  function expectRefused(verify: () => unknown, token: string): void {
    expect(verify, token).to.throw(AppError);
  }

  holds(
    'a token in a URL must be found, whatever stands beside it',
    fc.tuple(nastyString, fc.stringMatching(/^[A-Za-z0-9_.-]{20,40}$/)),
    ([other, secret]) => {
      const url = `/ws?x=${encodeURIComponent(wellFormed(other))}&token=${secret}&y=1`;
      expect(tokenFromRequest({ headers: {}, url }).token).to.equal(secret);
    },
  );

  holds(
    'no header and no URL makes the search for a token throw',
    fc.tuple(nastyString, nastyString, nastyString),
    ([authorization, protocols, url]) => {
      bearerToken(authorization);
      tokenFromRequest({ headers: { authorization, 'sec-websocket-protocol': protocols }, url });
    },
  );
});

import {
  clientMessages,
  envelopeSchema,
  publishSchema,
  type RestOperation,
  restOperations,
} from '@unified-ws/protocol';
import { settingsSchema } from '@unified-ws/server/settings/settings';
import { compileSchema } from '@unified-ws/server/util/compileSchema';
import { Ajv } from 'ajv';
import { expect } from 'chai';

const operations: readonly RestOperation[] = Object.values(restOperations);

describe('A schema of the code, compiled when it is first used', () => {
  const schemas: readonly (readonly [string, object | undefined])[] = [
    ...Object.entries(clientMessages).map(([type, { data }]) => [type, data] as const),
    ...operations.map(({ method, path, query }) => [`query of ${method} ${path}`, query] as const),
    ...operations.map(({ method, path, body }) => [`body of ${method} ${path}`, body?.schema] as const),
    ['the envelope', envelopeSchema],
    ['a publish', publishSchema],
    ['the settings', settingsSchema],
  ];

  // A node neither compiles it at start nor checks it: a fault would be a 500 at the first request, in production.
  // Seen red: with `type: 'strin'` in a body of restOperations.ts.
  it('must be a schema, or its first message is answered by an internal error', () => {
    const ajv = new Ajv({ strict: false, formats: { origin: true, proxy: true, 'redis-url': true, 'http-url': true } });
    for (const [name, schema] of schemas) {
      if (schema === undefined) continue;
      expect(ajv.validateSchema(schema), `${name}: ${ajv.errorsText()}`).to.equal(true);
      expect(() => ajv.compile(schema), name).not.to.throw();
    }
  });

  // Seen red: without the line that keeps the errors.
  it('must say what is wrong with the very first value, and nothing of it after a good one', () => {
    const validate = compileSchema<number>({ type: 'object', required: ['id'] });
    expect(validate({})).to.equal(false);
    expect(validate.errors?.[0]?.message).to.equal("must have required property 'id'");
    expect(validate({ id: 1 })).to.equal(true);
    expect(validate.errors).to.equal(null);
  });
});

import { type ServerMessageType, serverMessages } from '@unified-ws/protocol';
import { Ajv } from 'ajv';
import { expect } from 'chai';
import type { Received } from '../../support/client.js';

const ajv = new Ajv({ strict: false, allErrors: true });
const validators = new Map(Object.entries(serverMessages).map(([type, { data }]) => [type, ajv.compile(data)]));

/** Fails unless the frame is of the type and its data are what the protocol says of it. */
export function expectMessage(frame: Received, type: ServerMessageType): void {
  expect(frame.type, JSON.stringify(frame)).to.equal(type);
  const validate = validators.get(type);
  expect(validate?.(frame.data), `${JSON.stringify(validate?.errors)} in ${JSON.stringify(frame)}`).to.equal(true);
}

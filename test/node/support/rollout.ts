import { ownRolloutSchema, type RolloutBody, rolloutChangedSchema, rolloutSchema } from '@unified-ws/protocol';
import { Ajv } from 'ajv';
import { expect } from 'chai';
import { adminToken, token } from '../../support/tokens.js';
import { type Answer, call, type Json } from '../../unit/server/http/support.js';

interface Target {
  readonly http: string;
}

const ajv = new Ajv({ strict: false });
const isReport = ajv.compile(rolloutSchema);
const isChanged = ajv.compile(rolloutChangedSchema);
const isOwn = ajv.compile(ownRolloutSchema);

export const NO_ROLLOUT: RolloutBody = {
  mode: 'disabled',
  percentage: 0,
  user_list: [],
  force_legacy: [],
  enforce: false,
};

export const admin = adminToken();

function order(node: Target, path: string, json: unknown, method = 'POST'): Promise<Answer> {
  return call(node, path, { method, json, token: admin });
}

/** `PUT /rollout`, what is left out being as in the default. */
export const put = (node: Target, changes: object): Promise<Answer> =>
  order(node, 'rollout', { ...NO_ROLLOUT, ...changes }, 'PUT');
export const rollBack = (node: Target, json: unknown = {}): Promise<Answer> => order(node, 'rollout/rollback', json);
export const restore = (node: Target, json: unknown = {}): Promise<Answer> => order(node, 'rollout/restore', json);

/** As `put`, which must succeed. */
export async function set(node: Target, changes: Partial<RolloutBody>): Promise<Json> {
  const { status, body, text } = await put(node, changes);
  expect(status, text).to.equal(200);
  return changed(body);
}

/** Fails unless it is an answer to a change. */
export function changed(body: Json): Json {
  expect(isChanged(body), JSON.stringify(isChanged.errors)).to.equal(true);
  return body;
}

export async function read(node: Target): Promise<Json> {
  const { body } = await call(node, 'rollout', { token: admin });
  expect(isReport(body), JSON.stringify(isReport.errors)).to.equal(true);
  return body;
}

/** What a user is told of himself. */
export async function me(node: Target, user: string): Promise<Json> {
  const { body } = await call(node, 'rollout/me', { token: token(user) });
  expect(isOwn(body), JSON.stringify(isOwn.errors)).to.equal(true);
  return body;
}

/** What is in force on a node, and whether it serves: told without asking Redis. */
export async function inForce(node: Target): Promise<{ version: number; mode: string; ready: boolean }> {
  const { text } = await call(node, '/metrics');
  const value = (name: string): number => Number(new RegExp(`^${name} (\\d+)$`, 'm').exec(text)?.[1]);
  const mode = /^uws_rollout_mode\{mode="(\w+)"\} 1$/m.exec(text)?.[1] ?? '';
  return { version: value('uws_rollout_version'), mode, ready: value('uws_ready') === 1 };
}

import { loadSettings, SettingsError, type SettingsProblem } from '@unified-ws/server/settings/settings';
import { expect } from 'chai';

export type Env = Record<string, string | undefined>;

export const STRONG = 'a-strong-secret-of-more-than-32-bytes';
export const PRODUCTION: Env = {
  NODE_ENV: 'production',
  JWT_SECRET: STRONG,
  JWT_ISSUER: 'https://id.example',
  JWT_AUDIENCE: 'app',
  ALLOWED_ORIGINS: 'https://app.example.com',
};

export function problemsOf(env: Env, argv: string[] = []): readonly SettingsProblem[] {
  try {
    loadSettings(env, argv);
  } catch (error) {
    if (error instanceof SettingsError) return error.problems;
    throw error;
  }
  return [];
}

/** Expects exactly one problem and returns its message. */
export function problemOf(setting: string, env: Env, argv: string[] = []): string {
  const problems = problemsOf(env, argv);
  expect(
    problems.map((one) => one.setting),
    JSON.stringify([env, argv]),
  ).to.deep.equal([setting]);
  return problems[0]?.message ?? '';
}

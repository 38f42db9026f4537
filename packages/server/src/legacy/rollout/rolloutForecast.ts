import { setImmediate as nextTurn } from 'node:timers/promises';
import { ROLLOUT_MODES, type RolloutMode, type RolloutReport } from '@unified-ws/protocol';
import { decideRollout } from './rolloutDecision.js';
import type { RolloutState } from './rolloutState.js';

/** Number of users who would be assigned to the unified endpoint, by mode, and the total of users. */
export type Forecast = Readonly<Record<RolloutMode | 'total', number>>;

export const NO_FORECAST: Forecast = { total: 0, disabled: 0, testing: 0, gradual: 0, full: 0 };

const MEANINGS: Readonly<Record<RolloutMode, string>> = {
  disabled: 'everybody to the legacy endpoints',
  testing: 'user_list to the unified endpoint',
  gradual: 'user_list and percentage of all others to the unified endpoint',
  full: 'everybody to the unified endpoint',
};

/** Users per turn of the event loop: about 2 ms. */
const CHUNK = 500;

/** The effect of each mode on the users who are connected here, with the present lists and percentage. */
export async function forecastOf(
  state: RolloutState,
  connections: Iterable<{ readonly userId: string; readonly established: boolean }>,
): Promise<Forecast> {
  const forecast = { ...NO_FORECAST };
  for (const { userId, established } of [...connections]) {
    if (!established) continue;
    for (const mode of ROLLOUT_MODES) {
      if (decideRollout({ ...state, mode }, userId).endpoint === 'unified') forecast[mode] += 1;
    }
    forecast.total += 1;
    if (forecast.total % CHUNK === 0) await nextTurn();
  }
  return forecast;
}

export function addForecast(a: Forecast, b: Forecast): Forecast {
  return {
    total: a.total + b.total,
    disabled: a.disabled + b.disabled,
    testing: a.testing + b.testing,
    gradual: a.gradual + b.gradual,
    full: a.full + b.full,
  };
}

export function modeFacts(forecast: Forecast): RolloutReport['modes'] {
  const facts = ROLLOUT_MODES.map((mode) => {
    const unified = forecast[mode];
    return [mode, { meaning: MEANINGS[mode], connected: { legacy: forecast.total - unified, unified } }];
  });
  return Object.fromEntries(facts) as RolloutReport['modes'];
}

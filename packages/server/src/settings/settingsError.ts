/** One thing that is wrong with the settings. Safe to print: secrets are masked. */
export interface SettingsProblem {
  /** The environment variable, or the flag as it was given when it belongs to none. */
  readonly setting: string;
  /** What was given and what is allowed. */
  readonly message: string;
}

/** The settings are not usable. Lists every problem, so that one attempt is enough to mend them. */
export class SettingsError extends Error {
  override readonly name = 'SettingsError';
  readonly problems: readonly SettingsProblem[];

  constructor(problems: readonly SettingsProblem[]) {
    super(['The settings are not valid:', ...problems.map((one) => `  ${one.setting}: ${one.message}`)].join('\n'));
    this.problems = problems;
  }
}

/** A problem of the settings. Safe to print: secrets are masked. */
export interface SettingsProblem {
  /** The environment variable, or the unknown flag as it was given. */
  readonly setting: string;
  /** The given and the allowed value. */
  readonly message: string;
}

/** The settings are invalid. Lists every problem, so that one attempt is enough to fix them. */
export class SettingsError extends Error {
  override readonly name = 'SettingsError';
  readonly problems: readonly SettingsProblem[];

  constructor(problems: readonly SettingsProblem[]) {
    super(['The settings are not valid:', ...problems.map((one) => `  ${one.setting}: ${one.message}`)].join('\n'));
    this.problems = problems;
  }
}

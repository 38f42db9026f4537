import { loadSettings, SettingsError } from '@unified-ws/server/settings/settings';
import { ENTRIES } from '@unified-ws/server/settings/table/entries';
import { flagOf } from '@unified-ws/server/settings/table/entry';
import { expect } from 'chai';
import fc from 'fast-check';
import { nastyString } from '../../../support/arbitraries/nasty.js';
import { holds } from '../../../support/property.js';

const NAMES: readonly string[] = ENTRIES.map(({ env }) => env);
const SECRETS: readonly string[] = ENTRIES.filter((entry) => 'secret' in entry && entry.secret).map(({ env }) => env);

const value = fc.oneof(
  { weight: 3, arbitrary: nastyString },
  { weight: 2, arbitrary: fc.integer().map(String) },
  {
    weight: 2,
    arbitrary: fc.constantFrom(
      '0',
      '1',
      'true',
      'false',
      'production',
      'test',
      'redis://',
      'redis://x',
      'redis+sentinel://a,b/c',
      'redis+cluster://:p@h:1,h',
      'rediss://u:p%ZZ@h',
      'redis://[::1]:0',
      'http://x',
      'https://u:p@x',
      '*',
      '10.0.0.0/8',
      '::/0',
      'a,,b',
      ',',
    ),
  },
);

/** Throws what is no SettingsError. Names of the problems; none when the settings are good. */
function problems(env: Record<string, string>, argv: string[]): readonly { setting: string; message: string }[] {
  try {
    loadSettings(env, argv);
    return [];
  } catch (error) {
    if (error instanceof SettingsError) return error.problems;
    throw error;
  }
}

describe('properties of settings', () => {
  const env = fc
    .array(fc.tuple(fc.constantFrom(...NAMES), value), { maxLength: 4 })
    .map((pairs) => Object.fromEntries(pairs));

  holds('any text gives a value, or a problem that names a variable', env, (given) => {
    for (const { setting, message } of problems(given, [])) {
      expect(NAMES, message).to.include(setting);
      expect(message.length).to.be.within(5, 2000);
    }
  });

  holds(
    'the same of a single one, which then must be the one that is named',
    fc.tuple(fc.constantFrom(...NAMES), value),
    ([name, text]) => {
      for (const { setting, message } of problems({ [name]: text }, [])) {
        // What contradicts another setting names both; production asks for more than it names.
        expect(name === 'NODE_ENV' || setting === name || message.includes(name), `${setting}: ${message}`).to.equal(
          true,
        );
      }
    },
    2000,
  );

  const argument = fc.oneof(
    fc.constantFrom(...NAMES).map(flagOf),
    fc.tuple(fc.constantFrom(...NAMES), value).map(([name, text]) => `${flagOf(name)}=${text}`),
    value,
    fc.constantFrom('--', '-', '--=', '--x', '--__proto__', '--constructor=1'),
  );
  holds('any command line gives settings, or problems', fc.array(argument, { maxLength: 4 }), (argv) => {
    for (const { setting, message } of problems({}, argv))
      expect([setting.length > 0, message.length > 0]).to.deep.equal([true, true]);
  });

  const secret = fc.stringMatching(/^[a-zA-Z0-9]{8,24}$/).map((text) => `zq${text}`);
  holds(
    'a secret must not be in a message about it',
    fc.tuple(fc.constantFrom(...SECRETS), secret, fc.boolean()),
    ([name, text, flag]) => {
      const told = flag ? problems({ NODE_ENV: 'production' }, [flagOf(name), text]) : problems({ [name]: text }, []);
      for (const { message } of told) expect(message).to.not.include(text);
    },
  );

  holds(
    'a password in a URL must not be in a message about it',
    fc.tuple(secret, fc.constantFrom('h', 'h:x', 'h:99999', '[::1', ' ', 'h/x?y=z')),
    ([password, host]) => {
      for (const { message } of problems({ REDIS_URL: `redis://user:${password}@${host}` }, []))
        expect(message).to.not.include(password);
    },
  );
});

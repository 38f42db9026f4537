import type { SettingValues } from './table/entries.js';

/** The secrets in the settings, which must never be logged: keys, tokens, and the passwords of URLs, both encoded and decoded. */
export function secretsOf(
  settings: Pick<SettingValues, 'jwtSecret' | 'metricsToken' | 'redisUrl' | 'redisQueueUrl'>,
): string[] {
  const { jwtSecret, metricsToken, redisUrl, redisQueueUrl } = settings;
  const urls = [redisUrl, redisQueueUrl].flatMap((url) => (url === null ? [] : passwordsOf(url)));
  return [...jwtSecret, ...(metricsToken === null ? [] : [metricsToken]), ...urls];
}

/** The password between the first colon after the scheme and the last @, and `?password=`, which ioredis reads too. */
function passwordsOf(url: string): string[] {
  const [, login] = /^[a-z+]+:\/\/[^:/?#]*:(.*)@/is.exec(url) ?? [];
  const query = [...url.matchAll(/[?&][^=&]*(?:password|secret|token)[^=&]*=([^&]*)/gi)].map(
    ([, value]) => value ?? '',
  );
  return [...(login === undefined ? [] : [login]), ...query].flatMap((text) => [text, decoded(text)]);
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // an invalid percent-encoding: the password is the text itself
  }
}

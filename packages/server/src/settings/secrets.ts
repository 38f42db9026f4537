import type { SettingValues } from './table/entries.js';

/** What of the settings must never stand in a log: keys, tokens, and the passwords of URLs, as written there and decoded. */
export function secretsOf(
  settings: Pick<SettingValues, 'jwtSecret' | 'metricsToken' | 'redisUrl' | 'redisQueueUrl'>,
): string[] {
  const { jwtSecret, metricsToken, redisUrl, redisQueueUrl } = settings;
  const urls = [redisUrl, redisQueueUrl].flatMap((url) => (url === null ? [] : passwordsOf(url)));
  return [...jwtSecret, ...(metricsToken === null ? [] : [metricsToken]), ...urls];
}

/** Between the first colon behind the scheme and the last @; `?password=` too, which ioredis reads. */
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
    return text; // a percent sign that encodes nothing: the password is the text
  }
}

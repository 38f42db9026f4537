import type { Environment } from './environment.js';
import type { Positions } from './progress.js';

/** A random id for the life of this instance, and a number that grows. */
export function attemptsOfOneInstance({ random }: Environment): () => string {
  const id = Array.from({ length: 16 }, () => Math.floor(random() * 36).toString(36)).join('');
  let attempt = 0;
  return () => {
    attempt += 1;
    return `${id}.${attempt}`;
  };
}

/** The URL of an attempt: who comes, and from where to go on. */
export function attemptUrl(given: string, client: string, { broadcast, user }: Positions): string {
  const url = given.replace(/^http/, 'ws');
  const resume = broadcast === null && user === null ? '' : `&resume=${broadcast ?? ''}~${user ?? ''}`;
  return `${url}${url.includes('?') ? '&' : '?'}client=${client}${resume}`;
}

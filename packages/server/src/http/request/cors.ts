import type { RequestHandler } from 'express';

/** Browsers remember a preflight this long, seconds. */
const MAX_AGE_S = 600;

/**
 * Lets pages of the allowed origins read the answer. Credentials are not allowed: tokens travel in a header, not in cookies.
 *
 * @param allowedOrigins empty or with `*`: any origin, as for WebSockets.
 */
export function cors(allowedOrigins: readonly string[]): RequestHandler {
  const origins = allowedOrigins.length === 0 || allowedOrigins.includes('*') ? null : new Set(allowedOrigins);
  return (request, response, next) => {
    const { origin } = request.headers;
    if (origins !== null) response.vary('Origin');
    if (origins === null) response.set('Access-Control-Allow-Origin', '*');
    else if (origin !== undefined && origins.has(origin)) response.set('Access-Control-Allow-Origin', origin);
    if (request.method !== 'OPTIONS') {
      next();
      return;
    }
    response.set('Access-Control-Allow-Methods', 'GET');
    response.set('Access-Control-Allow-Headers', 'Authorization');
    response.set('Access-Control-Max-Age', String(MAX_AGE_S));
    response.status(204).end();
  };
}

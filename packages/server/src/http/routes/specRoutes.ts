import { createHash } from 'node:crypto';
import type { RequestHandler } from 'express';
import { serverVersion } from '../../observability/serverVersion.js';
import { cors } from '../request/cors.js';
import type { RestParts } from '../request/restParts.js';
import type { Router } from '../request/router.js';
import { asyncApiDocument } from '../specs/asyncApiDocument.js';
import type { Json } from '../specs/components.js';
import { openApiDocument } from '../specs/openApiDocument.js';

/** The OpenAPI and AsyncAPI documents. Public: nothing in them depends on the caller. */
export function specRoutes(router: Router, { settings, catalogue }: RestParts): void {
  const before = [cors(settings.allowedOrigins)];
  const version = serverVersion();
  const constant = {};
  router.raw(
    'getOpenApi',
    [
      document(
        () => constant,
        () => openApiDocument(version),
      ),
    ],
    before,
  );
  // A reload of the catalogue creates a new object.
  router.raw('getAsyncApi', [document(catalogue, ({ raw }) => asyncApiDocument(version, raw))], before);
}

/** Serves the text of a document. The text is made at the first request, and again when its source has changed. */
function document<S extends object>(source: () => S, make: (source: S) => Json): RequestHandler {
  let made: { readonly of: S; readonly text: string; readonly tag: string } | null = null;
  return (request, response) => {
    const of = source();
    if (made?.of !== of) {
      const text = JSON.stringify(make(of));
      made = { of, text, tag: `"${createHash('sha256').update(text).digest('base64url').slice(0, 22)}"` };
    }
    // Caches must revalidate: nodes of two versions may be behind one address.
    response.set({ 'Cache-Control': 'no-cache', ETag: made.tag });
    if (has(request.get('if-none-match'), made.tag)) response.status(304).end();
    else response.type('application/json').send(made.text);
  };
}

/** Not `request.fresh`: fetch adds `Cache-Control: no-cache` to a conditional request, which makes that false. */
function has(tags: string | undefined, tag: string): boolean {
  return (tags ?? '').split(',').some((one) => one.trim().replace(/^W\//, '') === tag);
}

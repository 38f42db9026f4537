import { json, type RequestHandler } from 'express';
import { requireFinite } from '../../connections/inbound/requireFinite.js';
import { MAX_BODY_BYTES } from './info.js';
import { invalid, RestProblem } from './restProblem.js';

const TYPES = ['application/json', 'application/*+json'];

/** Reads a JSON body, after the request was admitted. Without a body `request.body` is undefined. */
export function jsonBody(): readonly RequestHandler[] {
  return [requireJson, json({ limit: MAX_BODY_BYTES, strict: false, type: TYPES }), finite];
}

/** `curl -d` sends a form by default. Without this check its body would silently count as missing. */
const requireJson: RequestHandler = (request, _response, next) => {
  // Node.js sends `Content-Length: 0` with a POST that has no body.
  if (request.headers['content-length'] !== '0' && request.is(TYPES) === false) {
    throw new RestProblem(415, 'MESSAGE_ERROR', 'The body must be JSON: send Content-Type: application/json.');
  }
  next();
};

const finite: RequestHandler = (request, _response, next) => {
  requireFinite(request.body);
  next();
};

/** Proxies drop the body of a DELETE. Filters in it would be lost, and the whole queue would be cleared. */
export const withoutBody: RequestHandler = (request, _response, next) => {
  const { 'content-length': length = '0', 'transfer-encoding': coding } = request.headers;
  if (length !== '0' || coding !== undefined) {
    throw invalid('This request takes no body.', '', 'must be empty: put filters into the query');
  }
  next();
};

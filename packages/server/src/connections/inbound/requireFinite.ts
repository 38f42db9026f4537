import { AppError } from '../../util/appError.js';

/** A value that JSON.parse has made may be nested deeper than the stack; so deep nothing is looked for by name. */
const MAX_NAMED_DEPTH = 64;

/**
 * Refuses what holds a number beyond 1.8e308. JSON.parse reads it as Infinity, which would be sent on as `null`: another value than the
 * one that was sent, and nobody would know. Numbers that are merely rounded (docs/PROTOCOL.md) pass.
 *
 * @throws AppError VALIDATION_ERROR with the place.
 */
export function requireFinite(value: unknown): void {
  if (holdsFiniteOnly(value)) return;
  throw new AppError('VALIDATION_ERROR', 'A number is too large for JSON.', {
    details: { errors: [{ path: placeOf(value, MAX_NAMED_DEPTH) ?? '', message: 'must be a number below 1.8e308' }] },
  });
}

function holdsFiniteOnly(root: unknown): boolean {
  if (typeof root === 'number') return Number.isFinite(root);
  // No recursion: a body may be nested deeper than the stack.
  const open: object[] = typeof root === 'object' && root !== null ? [root] : [];
  for (let value = open.pop(); value !== undefined; value = open.pop()) {
    for (const inner of Array.isArray(value) ? (value as unknown[]) : Object.values(value)) {
      if (typeof inner === 'number') {
        if (!Number.isFinite(inner)) return false;
      } else if (typeof inner === 'object' && inner !== null) open.push(inner);
    }
  }
  return true;
}

/** As JSON Pointer. */
function placeOf(value: unknown, levels: number): string | null {
  if (typeof value === 'number') return Number.isFinite(value) ? null : '';
  if (typeof value !== 'object' || value === null || levels === 0) return null;
  for (const [key, inner] of Object.entries(value)) {
    const place = placeOf(inner, levels - 1);
    if (place !== null) return `/${key.slice(0, 64)}${place}`;
  }
  return null;
}

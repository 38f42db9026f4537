import { AppError } from '../../util/appError.js';

/** A parsed value may be nested deeper than the stack. Deeper than this the place of a fault is not determined. */
const MAX_NAMED_DEPTH = 64;

/**
 * Refuses a value that contains a number beyond 1.8e308. JSON.parse reads such a number as Infinity, and JSON.stringify writes that as
 * `null`: the value would change silently. Numbers that are merely rounded (docs/PROTOCOL.md) are accepted.
 *
 * @throws AppError VALIDATION_ERROR with the path.
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

/** JSON merge patch (RFC 7396). Pure, bounded in depth; own `__proto__` keys stay ordinary keys. */
import { DEPTH_MAX_COUNT } from './limits.ts';

export function mergePatch(target: unknown, patch: unknown): unknown {
  return merge(target, patch, 0);
}

function merge(target: unknown, patch: unknown, depth: number): unknown {
  if (!isObject(patch)) return patch;
  // Nothing of ours is that deep: what follows is refused by the schema anyway, so it need not be merged.
  if (depth > DEPTH_MAX_COUNT) return patch;
  const result = new Map<string, unknown>(isObject(target) ? Object.entries(target) : []);
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) result.delete(key);
    else result.set(key, merge(result.get(key), value, depth + 1));
  }
  return Object.fromEntries(result);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

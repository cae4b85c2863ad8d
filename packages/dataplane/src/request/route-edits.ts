/**
 * A route's header edits and rewrites, prepared once per route so that a request only looks at what there is.
 */
import type { HeaderEdits, RouteSpec } from '@flotilla/shared';

export interface PreparedEdits {
  /** Lower-case names whose lines go away: removed or set anew. Empty: nothing to compare. */
  readonly drop: readonly string[];
  /** Lines to add, each with its end. */
  readonly add: string;
}

export interface RouteEdits {
  readonly request: PreparedEdits;
  readonly response: PreparedEdits;
}

const prepared = new WeakMap<RouteSpec, RouteEdits>();

export function routeEdits(spec: RouteSpec): RouteEdits {
  let edits = prepared.get(spec);
  if (edits === undefined) {
    edits = { request: prepare(spec.headers.request), response: prepare(spec.headers.response) };
    prepared.set(spec, edits);
  }
  return edits;
}

function prepare(edits: HeaderEdits): PreparedEdits {
  return {
    drop: [...edits.remove, ...edits.set.map((line) => line.name)].map((name) => name.toLowerCase()),
    add: edits.set.map((line) => `${line.name}: ${line.value}\r\n`).join(''),
  };
}

/** Path and query for the backend: the matched prefix replaced, slashes neither doubled nor lost. */
export function rewriteTarget(spec: RouteSpec, target: string): string {
  const { pathPrefix } = spec.rewrite;
  if (pathPrefix === null || target === '*') return target;
  const matched = spec.match.pathPrefix ?? '';
  const rest = target.slice(matched.endsWith('/') ? matched.length - 1 : matched.length);
  const base = pathPrefix.endsWith('/') ? pathPrefix.slice(0, -1) : pathPrefix;
  const joined = rest === '' || rest.startsWith('/') ? base + rest : `${base}/${rest}`;
  return joined.startsWith('/') ? joined : `/${joined}`;
}

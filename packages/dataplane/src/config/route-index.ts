/**
 * Finds the first matching route of a listener without trying them all: routes are filed by host, and only the file of the
 * asked host is walked, in the order of the configuration.
 *
 * `*.example.com` matches any depth below example.com but not example.com itself, as in Envoy and nginx. A path prefix matches
 * on segment boundaries: `/api` matches `/api` and `/api/x`, not `/apix`; `/api/` matches only what begins with `/api/`.
 */
import type { RouteSpec } from '@flotilla/shared';

/** Positions in the listener's list of routes, ascending. */
type Positions = readonly number[];

export class RouteIndex {
  readonly #routes: readonly RouteSpec[];
  readonly #any: number[] = [];
  readonly #exact = new Map<string, number[]>();
  readonly #suffixes = new Map<string, number[]>();
  /** Merged lists per configured host or suffix: bounded by the configuration, never by what clients ask for. */
  readonly #merged = new Map<string, Positions>();

  /** `nameOf` gives the host pattern of a route: `match.host` or `match.sni`. */
  constructor(routes: readonly RouteSpec[], nameOf: (route: RouteSpec) => string | null) {
    this.#routes = routes;
    routes.forEach((route, position) => {
      const name = nameOf(route);
      if (name === null) this.#any.push(position);
      else if (name.startsWith('*.')) file(this.#suffixes, name.slice(1), position);
      else file(this.#exact, name, position);
    });
  }

  /** Position of the first route for this host that `matches` accepts, or -1. */
  find(host: string, matches: (route: RouteSpec) => boolean): number {
    for (const position of this.#candidates(host)) if (matches(this.#routes[position] as RouteSpec)) return position;
    return -1;
  }

  #candidates(host: string): Positions {
    if (this.#exact.size === 0 && this.#suffixes.size === 0) return this.#any;
    const name = host.endsWith('.') ? host.slice(0, -1) : host;
    if (this.#exact.has(name)) return this.#merge(name, this.#exact.get(name) ?? []);
    for (let dot = name.indexOf('.', 1); dot >= 0; dot = name.indexOf('.', dot + 1)) {
      const suffix = name.slice(dot);
      if (this.#suffixes.has(suffix)) return this.#merge(suffix, []);
    }
    return this.#any;
  }

  /** `key` is a configured host, or a configured suffix with its leading dot. */
  #merge(key: string, own: Positions): Positions {
    let merged = this.#merged.get(key);
    if (merged === undefined) {
      const all = [...own, ...this.#any];
      for (let dot = key.indexOf('.'); dot >= 0; dot = key.indexOf('.', dot + 1))
        all.push(...(this.#suffixes.get(key.slice(dot)) ?? []));
      merged = all.toSorted((a, b) => a - b);
      this.#merged.set(key, merged);
    }
    return merged;
  }
}

function file(files: Map<string, number[]>, key: string, position: number): void {
  const list = files.get(key);
  if (list === undefined) files.set(key, [position]);
  else list.push(position);
}

export function matchesPath(match: RouteSpec['match'], path: string): boolean {
  if (match.path !== null && match.path !== path) return false;
  return match.pathPrefix === null || underPrefix(match.pathPrefix, path);
}

function underPrefix(prefix: string, path: string): boolean {
  if (!path.startsWith(prefix)) return false;
  return (
    path.length === prefix.length || prefix.endsWith('/') || path.charCodeAt(prefix.length) === 0x2f || prefix === ''
  );
}

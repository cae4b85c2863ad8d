/** Relations inside the routes of one listener: what each protocol can match on, and what each route must say. */
import { isHostName, isIpv4, isIpv6 } from './address.ts';
import type { ListenerConfig, RouteConfig } from './listener.ts';
import { checkPoolName, type RelationContext } from './relation-context.ts';

const PERCENT = 100;

export function checkRoutes(listener: ListenerConfig, path: string, context: RelationContext): void {
  const http = listener.protocol === 'http' || listener.protocol === 'https';
  let catchAll: number | null = null;
  for (const [at, route] of listener.routes.entries()) {
    const here = `${path}[${at}]`;
    checkTarget(route, here, context);
    if (http) checkHttpRoute(route, here, context);
    else checkStreamRoute(route, here, listener.protocol, context);
    if (catchAll !== null) {
      context.warnings.add(here, `is never reached: ${path}[${catchAll}] matches everything`);
    } else if (matchesAll(route)) {
      catchAll = at;
    }
  }
}

function matchesAll({ match }: RouteConfig): boolean {
  return (
    match.host === null &&
    match.path === null &&
    (match.pathPrefix === null || match.pathPrefix === '/') &&
    match.method === null &&
    match.sni === null &&
    Object.keys(match.header).length === 0
  );
}

function checkTarget(route: RouteConfig, path: string, context: RelationContext): void {
  const { faults } = context;
  const sound = !faults.has(`${path}.pool`) && !faults.has(`${path}.redirect`);
  if (sound && route.pool === null && route.redirect === null) faults.add(path, 'needs a pool or a redirect');
  if (route.pool !== null && route.redirect !== null)
    faults.add(path, 'has both a pool and a redirect; only one can be');
  if (route.pool !== null) checkPoolName(route.pool, `${path}.pool`, context);
  checkSplit(route, `${path}.split`, context);
  if (route.redirect !== null) checkRedirect(route.redirect, `${path}.redirect`, context);
}

function checkSplit({ pool, split }: RouteConfig, path: string, context: RelationContext): void {
  const { faults } = context;
  if (split.length > 0 && pool === null) faults.add(path, 'needs a pool, which takes the rest');
  let percent = 0;
  const seen = new Set<string>(pool === null ? [] : [pool]);
  for (const [at, share] of split.entries()) {
    percent += share.weight;
    checkPoolName(share.pool, `${path}[${at}].pool`, context);
    if (seen.has(share.pool)) faults.add(`${path}[${at}].pool`, `"${share.pool}" already has a share`);
    seen.add(share.pool);
  }
  if (percent > PERCENT) faults.add(path, `weights are percent and add up to ${percent}; at most ${PERCENT}`);
}

function checkRedirect(
  redirect: NonNullable<RouteConfig['redirect']>,
  path: string,
  { faults }: RelationContext,
): void {
  const { scheme, host, path: to } = redirect;
  if (scheme === null && host === null && to === null) {
    faults.add(path, 'needs a scheme, a host or a path; as it is it would go round in circles');
  }
  if (to !== null && !to.startsWith('/')) faults.add(`${path}.path`, 'must begin with "/"');
}

function checkHttpRoute(route: RouteConfig, path: string, context: RelationContext): void {
  const { faults } = context;
  const { match, rewrite } = route;
  if (match.sni !== null) faults.add(`${path}.match.sni`, 'is for tls listeners only; match on host');
  if (match.host !== null && !isHostPattern(match.host)) {
    faults.add(
      `${path}.match.host`,
      `must be a host name, or "*." and a host name, without a port; is "${match.host}"`,
    );
  }
  if (match.path !== null && match.pathPrefix !== null) {
    faults.add(`${path}.match`, 'has both path and pathPrefix; only one can be');
  }
  for (const name of ['path', 'pathPrefix'] as const) {
    const value = match[name];
    if (value !== null && !value.startsWith('/')) faults.add(`${path}.match.${name}`, 'must begin with "/"');
  }
  if (rewrite.pathPrefix !== null && match.pathPrefix === null) {
    faults.add(`${path}.rewrite.pathPrefix`, 'needs match.pathPrefix, which it replaces');
  }
  if (rewrite.pathPrefix !== null && !rewrite.pathPrefix.startsWith('/')) {
    faults.add(`${path}.rewrite.pathPrefix`, 'must begin with "/"');
  }
  checkHeaderText(route, path, context);
}

/** A line break in a field value would end the field and begin another. */
function checkHeaderText(route: RouteConfig, path: string, context: RelationContext): void {
  const sides = [
    [`${path}.headers.set`, route.headers.set],
    [`${path}.headers.response.set`, route.headers.response.set],
    [`${path}.match.header`, route.match.header],
  ] as const;
  for (const [at, fields] of sides) {
    for (const [field, value] of Object.entries(fields)) {
      if (hasControl(value)) context.faults.add(`${at}[${JSON.stringify(field)}]`, 'must not have control characters');
    }
  }
}

function hasControl(text: string): boolean {
  for (let at = 0; at < text.length; at++) {
    const unit = text.charCodeAt(at);
    if ((unit < 0x20 && unit !== 0x09) || unit === 0x7f) return true;
  }
  return false;
}

function checkStreamRoute(
  route: RouteConfig,
  path: string,
  protocol: ListenerConfig['protocol'],
  context: RelationContext,
): void {
  const { faults } = context;
  const { match } = route;
  for (const name of ['host', 'path', 'pathPrefix', 'method'] as const) {
    if (match[name] !== null)
      faults.add(`${path}.match.${name}`, `is for http and https; this listener is ${protocol}`);
  }
  if (Object.keys(match.header).length > 0) {
    faults.add(`${path}.match.header`, `is for http and https; this listener is ${protocol}`);
  }
  if (match.sni !== null && protocol !== 'tls') {
    faults.add(`${path}.match.sni`, `is for tls listeners only; this one is ${protocol}`);
  } else if (match.sni !== null && !isHostPattern(match.sni)) {
    faults.add(`${path}.match.sni`, `must be a host name, or "*." and a host name; is "${match.sni}"`);
  }
  const { headers, rewrite } = route;
  const edits = [headers.set, headers.response.set, headers.remove, headers.response.remove];
  const edited = edits.some((edit) => Object.keys(edit).length > 0);
  if (route.redirect !== null) faults.add(`${path}.redirect`, `is for http and https; this listener is ${protocol}`);
  if (rewrite.host !== null || rewrite.pathPrefix !== null) {
    faults.add(`${path}.rewrite`, `is for http and https; this listener is ${protocol}`);
  }
  if (edited) faults.add(`${path}.headers`, `is for http and https; this listener is ${protocol}`);
}

function isHostPattern(text: string): boolean {
  if (text.startsWith('*.')) return isHostName(text.slice(2));
  if (text.startsWith('[') && text.endsWith(']')) return isIpv6(text.slice(1, -1));
  return isHostName(text) || isIpv4(text);
}

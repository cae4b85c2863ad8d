/** What a route does to a request and its response: rewrites, header edits, redirects, and no route at all. */
import { expect, test } from 'vitest';
import type { RouteSpec } from '@flotilla/shared';
import { bed } from '../testing/http-bed.ts';
import { rawRequest } from '../testing/raw-tcp.ts';
import type { RawPeer } from '../testing/raw-tcp.ts';
import { routeTo } from '../testing/snapshots.ts';
import { rewriteTarget } from './route-edits.ts';

const get = (fields: string, target: string) =>
  `GET ${target} HTTP/1.1\r\nHost: a:81\r\n${fields}Connection: close\r\n\r\n`;
const echo = (_: number, peer: RawPeer) =>
  `HTTP/1.1 200 OK\r\nServer: x\r\nContent-Length: ${peer.received.length}\r\n\r\n${peer.received}`;
const redirect = (scheme: 'https' | null, status: 302 | 308): RouteSpec['action'] => ({
  type: 'redirect',
  scheme,
  host: null,
  path: null,
  status,
});

test('rewrites and header edits', async () => {
  const route: RouteSpec = {
    ...routeTo('app', { pathPrefix: '/api' }),
    rewrite: { pathPrefix: '/v1', host: 'inside' },
    headers: {
      request: { set: [{ name: 'X-Set', value: 'new' }], remove: ['x-gone'] },
      response: { set: [{ name: 'X-Out', value: '1' }], remove: ['server'] },
    },
  };
  const { port } = await bed(echo, { listener: { routes: [route] } });
  const got = await rawRequest(port, get('X-Gone: 1\r\nx-set: old\r\nX-Kept: 2\r\n', '/api/users?x=1'));
  expect(got).toContain('GET /v1/users?x=1 HTTP/1.1\r\nHost: inside\r\n');
  expect(got).toContain('X-Set: new\r\n');
  expect(got).toContain('X-Kept: 2\r\n');
  expect(got).not.toMatch(/X-Gone|old|Server: x/);
  expect(got).toContain('X-Out: 1\r\n');
  expect(got).toContain('X-Forwarded-Host: a:81\r\n');
});

test('redirects, with the port only where the scheme stays; no route is 503', async () => {
  const routes: RouteSpec[] = [
    { ...routeTo('app', { pathPrefix: '/tls' }), action: redirect('https', 308) },
    { ...routeTo('app', { pathPrefix: '/same' }), action: redirect(null, 302) },
  ];
  const { port, backend } = await bed(echo, { listener: { routes } });
  expect(await rawRequest(port, get('', '/tls/x?y'))).toMatch(
    /^HTTP\/1\.1 308 Permanent Redirect\r\n[^]*Location: https:\/\/a\/tls\/x\?y\r\n/,
  );
  expect(await rawRequest(port, get('', '/same'))).toContain('Location: http://a:81/same\r\n');
  expect(await rawRequest(port, get('', '/none'))).toMatch(/^HTTP\/1\.1 503 [^]*X-Flotilla-Error: no-route/);
  expect(backend.received).toBe('');
});

test.each([
  ['/api', '/', '/api', '/'],
  ['/api', '/', '/api/x', '/x'],
  ['/api', '/', '/api?q', '/?q'],
  ['/api/', '/v1', '/api/x', '/v1/x'],
  ['/', '/app', '/x', '/app/x'],
  ['/api', '/app/', '/api/x', '/app/x'],
])('prefix %s rewritten to %s: %s becomes %s', (matched, rewritten, target, result) => {
  const route = { ...routeTo('app', { pathPrefix: matched }), rewrite: { pathPrefix: rewritten, host: null } };
  expect(rewriteTarget(route, target)).toBe(result);
});

/** What a backend is told about the client, and whom it is believed of. */
import { describe, expect, test } from 'vitest';
import { bed, get, through } from '../testing/http-bed.ts';
import { OK_RESPONSE, rawRequest } from '../testing/raw-tcp.ts';

describe('forwarding fields', () => {
  const claims =
    'X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: evil\r\nForwarded: for=6.6.6.6\r\nX-Real-IP: 6.6.6.6\r\nX_Forwarded_For: 6.6.6.6\r\nX-Forwarded-Port: 1\r\nX-Request-Id: mine\r\n';

  test('of anybody are dropped, ours are added', async () => {
    const { sent } = await through(get(claims));
    expect(sent).not.toMatch(/6\.6\.6\.6|evil|mine|https/);
    expect(sent).toContain('X-Forwarded-For: 127.0.0.1\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: a\r\n');
    expect(sent).toMatch(/X-Request-Id: [0-9a-f]{24}\r\n/);
  });

  test('of anybody are dropped in the other spelling too', async () => {
    const { sent } = await through(
      get('X_Real_IP: 6.6.6.6\r\nx-real_ip: 6.6.6.6\r\nX_Request_Id: mine\r\nX_Other: 1\r\n'),
    );
    expect(sent).not.toMatch(/6\.6\.6\.6|mine/);
    expect(sent).toContain('X_Other: 1\r\n');
  });

  test.each([
    ['192.0.2.1, 10.0.0.1', '192.0.2.1'],
    ['192.0.2.1:4711, 10.0.0.1:80', '192.0.2.1'],
    ['[2001:DB8::1]:4711,10.0.0.1', '2001:db8::1'],
    ['2001:db8:0::1, ::ffff:10.0.0.1', '2001:db8::1'],
    ['198.51.100.1, ::ffff:192.0.2.1', '192.0.2.1'],
    ['198.51.100.1, [192.0.2.1', '[192.0.2.1'],
  ])('%j of trusted proxies says that the client is %s', async (forwardedFor, client) => {
    const listener = { trustedProxies: ['127.0.0.0/8', '10.0.0.0/8'], accessLog: { sampleRatio: 1 } };
    const { proxy, port, backend } = await bed(() => OK_RESPONSE, { listener });
    await rawRequest(port, get(`X-Forwarded-For: ${forwardedFor}\r\n`));
    expect(proxy.accessLines[0]?.['client']).toBe(client);
    expect(backend.received).toContain(`X-Forwarded-For: ${forwardedFor}, 127.0.0.1\r\n`);
  });

  test('of a trusted proxy are kept and continued', async () => {
    const { backend, port } = await bed(() => OK_RESPONSE, { listener: { trustedProxies: ['127.0.0.0/8'] } });
    await rawRequest(port, get(claims));
    expect(backend.received).toContain('X-Forwarded-For: 6.6.6.6, 127.0.0.1\r\n');
    expect(backend.received).toContain(
      'X-Forwarded-Proto: https\r\nX-Forwarded-Host: evil\r\nForwarded: for=6.6.6.6\r\n',
    );
    expect(backend.received).toContain('X-Request-Id: mine\r\n');
    expect(backend.received.match(/X-Request-Id/g)).toHaveLength(1);
  });
});

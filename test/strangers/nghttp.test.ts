/** nghttp2's own client and load generator against a real node: HTTP/2 with and without TLS, uploads, trailers, many streams. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { TestAuthority } from '@flotilla/dataplane/testing';
import { Edge } from './edge.ts';
import { startOrigin } from './origin.ts';
import type { Told } from './origin.ts';
import { has, run, Scratch } from './tools.ts';

const here = has('nghttp') && has('h2load');

describe.skipIf(!here)('nghttp2', () => {
  const scratch = new Scratch();
  let edge: Edge;
  let plain = '';
  let secure = '';

  beforeAll(async () => {
    const origin = await startOrigin('origin');
    const site = await (await TestAuthority.create()).issue('localhost');
    edge = await Edge.start({
      listeners: {
        plain: { protocol: 'http' },
        secure: { protocol: 'https', tls: { certificates: ['site'] } },
      },
      pools: { app: { ports: [origin.port] } },
      certificates: [{ name: 'site', ...site }],
    });
    plain = `http://127.0.0.1:${edge.port('plain')}`;
    secure = `https://localhost:${edge.port('secure')}`;
    return () => origin.close();
  });
  afterAll(async () => {
    await edge?.[Symbol.asyncDispose]();
    scratch.remove();
  });

  it.each([
    ['by prior knowledge', () => plain],
    ['by ALPN', () => secure],
  ])('asks and is answered, %s', async (_, base) => {
    const { code, stdout } = await run('nghttp', ['-y', '-H', 'x-mine: 1', `${base()}/hello?a=1`]);
    expect(code).toBe(0);
    const told = JSON.parse(stdout) as Told;
    expect(told).toMatchObject({ method: 'GET', url: '/hello?a=1', headers: { 'x-mine': '1' } });
    expect(told.headers['via']).toMatch(/flotilla/);
  });

  it('uploads with trailers', async () => {
    const body = scratch.file('body', 'x'.repeat(300_000));
    const { stdout } = await run('nghttp', [
      '-y',
      '-d',
      body,
      '--trailer',
      'x-sum: 7',
      '--no-content-length',
      `${secure}/up`,
    ]);
    expect(JSON.parse(stdout)).toMatchObject({ method: 'POST', bodyBytes: 300_000, trailers: { 'x-sum': '7' } });
  });

  it('sees no violation of the protocol in large bodies, and windows that grow', async () => {
    const { code, stdout, stderr } = await run('nghttp', ['-nv', '-w', '16', `${secure}/bytes/3000000`]);
    expect(code, stderr).toBe(0);
    expect(stdout).toMatch(/:status: 200/);
    expect(stdout).not.toMatch(/PROTOCOL_ERROR|FLOW_CONTROL_ERROR|FRAME_SIZE_ERROR|COMPRESSION_ERROR/);
  });

  it.each([
    ['streams without TLS', () => [`${plain}/`]],
    ['streams with TLS', () => [`${secure}/`]],
    ['HTTP/1.1 with TLS', () => ['--h1', `${secure}/`]],
    ['bodies of 100 kB', () => [`${plain}/bytes/100000`]],
  ])('h2load: every request of 1,000 succeeds: %s', async (_, target) => {
    const { stdout } = await run('h2load', ['-n', '1000', '-c', '4', '-m', '20', ...target()]);
    expect(stdout).toContain('1000 total, 1000 started, 1000 done, 1000 succeeded, 0 failed, 0 errored, 0 timeout');
    expect(stdout).toContain('status codes: 1000 2xx');
  });
});

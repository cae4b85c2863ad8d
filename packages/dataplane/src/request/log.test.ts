/** A line of the access log: who asked what, who answered, why not, and where the time went. */
import { freePorts } from '@flotilla/shared/testing';
import { expect, test } from 'vitest';
import { bed, get, startBackend, startProxy } from '../testing/http-bed.ts';
import { http2Client, http2Get } from '../testing/http2-peers.ts';
import { OK_RESPONSE, rawRequest } from '../testing/raw-tcp.ts';

const accessLog = { sampleRatio: 1 };
const WAIT_MS = 60;

test('tells of a request that was answered, phase by phase', async () => {
  const { proxy, port } = await bed(
    (_, peer) => {
      setTimeout(() => peer.send(OK_RESPONSE), WAIT_MS);
      return null;
    },
    { listener: { accessLog } },
  );
  await rawRequest(port, get('X-Request-Id: theirs\r\n', '/where?a=b'));
  expect(proxy.accessLines).toHaveLength(1);
  const [line = {}] = proxy.accessLines;
  expect(line).toMatchObject({
    listener: 'web',
    client: '127.0.0.1',
    method: 'GET',
    host: 'a',
    target: '/where?a=b',
    protocol: 'HTTP/1.1',
    status: 200,
    reason: '',
    pool: 'app',
    backend: 'b1',
    attempts: 0,
    traceId: '',
  });
  expect(line['requestId']).toMatch(/^[0-9a-f]{24}$/);
  const [queue, connect, head, body, whole] = ['queueMs', 'connectMs', 'headMs', 'bodyMs', 'durationMs'].map((name) =>
    Number(line[name]),
  );
  expect(head).toBeGreaterThanOrEqual(WAIT_MS - 5);
  expect(Number(queue) + Number(connect) + Number(head) + Number(body)).toBeCloseTo(Number(whole), 1);
  expect(line['bytesIn']).toBeGreaterThan(50);
  expect(line['bytesOut']).toBeGreaterThan(50);
});

test('tells why a request failed, and which phases it never reached', async () => {
  const [closed = 0] = await freePorts(1);
  const proxy = await startProxy([closed], { listener: { accessLog } });
  await rawRequest(proxy.port, get());
  expect(proxy.accessLines[0]).toMatchObject({
    status: 502,
    reason: 'upstream-connect-failure',
    backend: 'b1',
    connectMs: null,
    headMs: null,
    bodyMs: null,
  });
});

test('tells of each stream of HTTP/2, and of the tries that it took', async () => {
  const [closed = 0] = await freePorts(1);
  const alive = await startBackend();
  const proxy = await startProxy([closed, alive.port], { listener: { accessLog } });
  const session = await http2Client(proxy.port);
  for (let asked = 0; asked < 3; asked++) await http2Get(session, { ':path': `/${asked}` });
  session.destroy();
  expect(proxy.accessLines.map(({ target, protocol, status }) => [target, protocol, status])).toEqual([
    ['/0', 'HTTP/2', 200],
    ['/1', 'HTTP/2', 200],
    ['/2', 'HTTP/2', 200],
  ]);
  expect(proxy.accessLines.map(({ attempts }) => attempts)).toContain(1);
});

test('is written for the share that is asked for', async () => {
  const none = await bed(undefined, { listener: { accessLog: { sampleRatio: 0 } } });
  await rawRequest(none.port, get());
  expect(none.proxy.accessLines).toEqual([]);
  const some = await bed(undefined, { listener: { accessLog: { sampleRatio: 0.5 } } });
  for (let asked = 0; asked < 200; asked++) await rawRequest(some.port, get());
  // Four standard deviations to either side.
  expect(Math.abs(some.proxy.accessLines.length - 100)).toBeLessThan(29);
});

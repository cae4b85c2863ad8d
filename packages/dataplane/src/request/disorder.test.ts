/** Clients and backends that break off anywhere: nothing stays in flight, nothing is thrown, the proxy serves on. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { waitFor } from '@flotilla/shared/testing';
import { startBackend, startProxy } from '../testing/http-bed.ts';
import { OK_RESPONSE, rawClient, rawRequest } from '../testing/raw-tcp.ts';

const CHUNKED = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n';
const ANSWERS = [
  OK_RESPONSE,
  CHUNKED,
  'HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n',
  'HTTP/1.1 100 Continue\r\n\r\n',
  'HTTP/1.1 200 OK\r\n\r\nuntil the end',
  `HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n${'x'.repeat(100_000)}`,
  'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\nraw',
  'nonsense\r\n\r\n',
];
const REQUESTS = [
  'GET / HTTP/1.1\r\nHost: a\r\n\r\n',
  'GET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n',
  'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello',
  'PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n',
  'GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\nraw',
  'POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\nhello',
  'GET /\r\n\r\n',
];
const scenario = fc.record({
  request: fc.constantFrom(...REQUESTS),
  requestCut: fc.nat(120),
  leave: fc.constantFrom('reset', 'fin', 'wait'),
  answer: fc.constantFrom(...ANSWERS),
  answerCut: fc.nat(100_100),
  end: fc.constantFrom('reset', 'fin', 'keep'),
});

test('whatever breaks off, where', async () => {
  let next: { answer: string; end: string } = { answer: OK_RESPONSE, end: 'keep' };
  const backends = await Promise.all(
    [0, 1].map(() =>
      startBackend((_, peer) => {
        const { answer, end } = next;
        peer.send(answer);
        if (end === 'fin') peer.socket.end();
        if (end === 'reset') peer.socket.resetAndDestroy();
        return null;
      }),
    ),
  );
  const ports = backends.map((backend) => backend.port);
  const retry = { attempts: 1, on: ['connect-failure', 'reset', 503] as const, budgetRatio: 1, budgetMinCount: 100 };
  // A client that said FIN and then vanished shows itself only when it is written to: the timeouts end what waits for it.
  const timeouts = { headerMs: 200, idleMs: 200, requestMs: 200, tunnelMs: 200, udpIdleMs: 200 };
  const proxy = await startProxy(ports, { pool: { retry }, listener: { timeouts } });
  const inFlight = () => proxy.backend('app', 'b1').runtime.inFlight() + proxy.backend('app', 'b2').runtime.inFlight();
  await fc.assert(
    fc.asyncProperty(scenario, async ({ request, requestCut, leave, answer, answerCut, end }) => {
      next = { answer: answer.slice(0, answerCut), end };
      const client = await rawClient(proxy.port);
      client.send(requestCut > request.length ? request : request.slice(0, requestCut));
      if (leave === 'fin') client.socket.end();
      if (leave === 'wait' && requestCut > request.length && end !== 'keep')
        await waitFor('an answer or an end', () => client.received !== '' || client.ended || client.closed, {
          everyMs: 1,
        });
      client.socket.resetAndDestroy();
      await waitFor('nothing in flight', () => inFlight() === 0 && proxy.connections.size === 0, { everyMs: 1 });
    }),
    { numRuns: 120, seed: 7 },
  );
  next = { answer: OK_RESPONSE, end: 'keep' };
  expect(await rawRequest(proxy.port, 'GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')).toContain(
    '\r\n\r\nok',
  );
});

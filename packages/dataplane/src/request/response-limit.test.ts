/** Answers that are longer than the listener allows: an error of ours where it is known in time, else they are cut. */
import { describe, expect, test } from 'vitest';
import { bed, get } from '../testing/http-bed.ts';
import { answerOf, http2Client } from '../testing/http2-peers.ts';
import { rawRequest } from '../testing/raw-tcp.ts';

const listener = { maxResponseBodyBytes: 1_000 };
const withLength = (bytes: number) => () => `HTTP/1.1 200 OK\r\nContent-Length: ${bytes}\r\n\r\n${'x'.repeat(bytes)}`;
const inChunks = (bytes: number) => () =>
  `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${bytes.toString(16)}\r\n${'x'.repeat(bytes)}\r\n0\r\n\r\n`;

describe('an answer longer than allowed', () => {
  test.each([
    ['by its length', withLength(1_001)],
    ['in one chunk', inChunks(1_100)],
    ['until the end of the connection', () => `HTTP/1.1 200 OK\r\n\r\n${'x'.repeat(2_000)}`],
  ])('%s: 502 and the reason, nothing of it', async (_, answer) => {
    const { proxy, port } = await bed(answer, { listener });
    const got = await rawRequest(port, get());
    expect(got).toMatch(/^HTTP\/1\.1 502 [^]*X-Flotilla-Error: response-too-large\r\n/);
    expect(got).not.toContain('xxx');
    expect(proxy.backend('app', 'b1').runtime.inFlight()).toBe(0);
  });

  test('that has begun is cut, and both sides are told', async () => {
    const { proxy, backend, port } = await bed(
      (_, peer) => {
        peer.send('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n');
        setTimeout(() => peer.send(`fff\r\n${'x'.repeat(0xfff)}\r\n`), 30);
        return null;
      },
      { listener },
    );
    const got = await rawRequest(port, get());
    expect(got).toMatch(/^HTTP\/1\.1 200 [^]*hello/);
    expect(got).not.toContain('\r\n0\r\n');
    expect(backend.peers[0]?.closed || backend.peers[0]?.ended).toBe(true);
    expect(proxy.stats.snapshot().errors).toContainEqual(['web', 'response-too-large', 1]);
  });

  test('is refused to a client of HTTP/2 too', async () => {
    const { port } = await bed(withLength(1_001), { listener });
    const session = await http2Client(port);
    const answer = await answerOf(session.request({ ':path': '/' }));
    expect(answer.headers[':status']).toBe(502);
    expect(answer.headers['x-flotilla-error']).toBe('response-too-large');
    session.destroy();
  });
});

test('an answer of the allowed length arrives, and so does the next one', async () => {
  const { port } = await bed(withLength(1_000), { listener });
  for (let asked = 0; asked < 2; asked++) expect(await rawRequest(port, get())).toMatch(/x{1000}$/);
});

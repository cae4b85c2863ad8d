/**
 * Bodies that are taken as one piece, over real connections: whole, in pieces, too long, broken off.
 */
import { createServer, type Server } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { RequestMessage } from './request-message.ts';

const LIMIT_BYTES = 100_000;

let server: Server;
let socket: Socket;
let received = '';
/** What was taken, in order; null: too long. */
let taken: (string | null)[];

beforeEach(async () => {
  taken = [];
  received = '';
  server = createServer({ IncomingMessage: RequestMessage }, (request, response) => {
    (request as RequestMessage).takeBody(LIMIT_BYTES, (body) => {
      taken.push(body === null ? null : body.toString());
      response.end(`answer ${taken.length};`);
    });
  });
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  socket = connect((server.address() as AddressInfo).port, '127.0.0.1').setEncoding('utf8');
  socket.on('data', (text: string) => (received += text));
  await new Promise((resolve) => void socket.once('connect', resolve));
});
afterEach(() => {
  socket.destroy();
  server.close();
});

const answered = (count: number) => expect.poll(() => received).toContain(`answer ${count};`);
const sized = (body: string) =>
  `POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;
const CHUNKED = 'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n';
const chunk = (body: string) => `${Buffer.byteLength(body).toString(16)}\r\n${body}\r\n`;

it('takes what comes with the head, also where requests follow one another, and where there is none', async () => {
  socket.write(sized('one') + sized('') + sized('three'));
  await answered(3);
  socket.write('POST / HTTP/1.1\r\nHost: a\r\n\r\n');
  await answered(4);
  expect(taken).toEqual(['one', '', 'three', '']);
});

it('joins pieces, wherever they were cut', async () => {
  const bytes = Buffer.from(CHUNKED + chunk('grüße ') + chunk('an alle') + chunk(''));
  for (const byte of bytes) {
    socket.write(Buffer.of(byte));
    await new Promise((resolve) => void setImmediate(resolve));
  }
  await answered(1);
  expect(taken).toEqual(['grüße an alle']);
});

it('refuses what is too long: by its announcement, or once it is', async () => {
  socket.write(`POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${LIMIT_BYTES + 1}\r\n\r\n`);
  await answered(1);
  socket.write('x'.repeat(LIMIT_BYTES + 1));
  // What it refused is read and dropped, so that the next one is understood.
  socket.write(CHUNKED + chunk('x'.repeat(LIMIT_BYTES)) + chunk('x'));
  await answered(2);
  socket.write(chunk('x'.repeat(LIMIT_BYTES)) + chunk(''));
  socket.write(sized('x'.repeat(LIMIT_BYTES)));
  await answered(3);
  expect(taken).toEqual([null, null, 'x'.repeat(LIMIT_BYTES)]);
});

it('gives nothing of a body that was broken off', async () => {
  const closed = new Promise((resolve) => void server.once('connection', (one: Socket) => one.once('close', resolve)));
  const other = connect((server.address() as AddressInfo).port, '127.0.0.1');
  other.end('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf');
  await closed;
  expect(taken).toEqual([]);
});

/**
 * Probes over HTTP/2: a plain request for pools that speak h2 or h2c, and the standard gRPC health check
 * (grpc.health.v1.Health/Check, the service name in the pool's health `path`).
 */
import { connect as connectHttp2, constants, type ClientHttp2Session } from 'node:http2';
import type { Socket } from 'node:net';
import { probeBodyMaxBytes } from '../limits.ts';
import { type Attempt, hostField } from './attempt.ts';
import type { ProbeTarget } from './target.ts';

/** grpc.health.v1.HealthCheckResponse.ServingStatus */
const SERVING = 1;
const STATUS_NAMES = ['UNKNOWN', 'SERVING', 'NOT_SERVING', 'SERVICE_UNKNOWN'];

export function probeHttp2(target: ProbeTarget, socket: Socket, attempt: Attempt): void {
  const { health } = target;
  const session = open(target, socket, attempt);
  const request = session.request({ ':method': health.method, ':path': health.path, 'user-agent': 'flotilla-probe' });
  request.on('response', (headers) => {
    const status = Number(headers[':status']);
    attempt.settle(health.expectStatus.includes(status), `status ${status}`);
  });
  request.on('error', (error) => attempt.settle(false, error.message));
  request.end();
}

export function probeGrpc(target: ProbeTarget, socket: Socket, attempt: Attempt): void {
  const session = open(target, socket, attempt);
  const request = session.request({
    ':method': 'POST',
    ':path': '/grpc.health.v1.Health/Check',
    'content-type': 'application/grpc',
    te: 'trailers',
  });
  const chunks: Buffer[] = [];
  let sizeBytes = 0;
  request.on('data', (chunk: Buffer) => {
    sizeBytes += chunk.length;
    if (sizeBytes > probeBodyMaxBytes) attempt.settle(false, 'answer too large');
    else chunks.push(chunk);
  });
  let status = '';
  request.on('response', (headers) => (status = String(headers['grpc-status'] ?? status)));
  request.on('trailers', (headers) => (status = String(headers['grpc-status'] ?? status)));
  request.on('end', () => {
    if (status !== '0') attempt.settle(false, `grpc status ${status === '' ? 'missing' : status}`);
    else settleServing(Buffer.concat(chunks), attempt);
  });
  request.on('error', (error) => attempt.settle(false, error.message));
  request.end(checkRequest(target.health.path));
}

function settleServing(frame: Buffer, attempt: Attempt): void {
  // Frame: compressed flag, length, then field 1 (varint) of HealthCheckResponse; absent means 0, UNKNOWN.
  const serving = frame.length >= 7 && frame[0] === 0 && frame[5] === 0x08 ? (frame[6] ?? 0) : 0;
  attempt.settle(serving === SERVING, STATUS_NAMES[serving] ?? `serving status ${serving}`);
}

/** HealthCheckRequest in its gRPC frame. The default HTTP path stands for "the server as a whole". */
function checkRequest(path: string): Buffer {
  const service = Buffer.from(path === '/ready' || path === '/' ? '' : path.replace(/^\//, ''));
  // Field 1, a text: its length is a varint, of two bytes from 128 on.
  const { length } = service;
  const field = length < 0x80 ? [0x0a, length] : [0x0a, (length & 0x7f) | 0x80, length >> 7];
  const message = length === 0 ? service : Buffer.concat([Buffer.from(field), service]);
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}

function open(target: ProbeTarget, socket: Socket, attempt: Attempt): ClientHttp2Session {
  const session = connectHttp2(`${target.tls === null ? 'http' : 'https'}://${hostField(target)}`, {
    createConnection: () => socket,
    settings: { enablePush: false },
  });
  session.on('error', (error) => attempt.settle(false, error.message));
  session.on('goaway', (code) => {
    if (code !== constants.NGHTTP2_NO_ERROR) attempt.settle(false, `GOAWAY ${code}`);
  });
  return session;
}

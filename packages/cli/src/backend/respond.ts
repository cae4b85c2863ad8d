/**
 * What the sample backend answers: a mirror of the request, so that whoever sent it can see what arrived here.
 */
import { createHash } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { SAMPLE_BODY_MAX_BYTES, SAMPLE_BYTES_MAX, SAMPLE_CHUNK_BYTES, SAMPLE_WAIT_MAX_MS } from '../limits.ts';

export interface SampleState {
  readonly id: string;
  failing: boolean;
}

const CHUNK = Buffer.alloc(SAMPLE_CHUNK_BYTES, 'flotilla');

export async function respond(state: SampleState, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const url = request.url ?? '/';
  const mark = url.indexOf('?');
  const path = mark === -1 ? url : url.slice(0, mark);
  switch (path) {
    case '/ready':
      if (request.method === 'GET') return sendReady(state, response);
      break;
    case '/fail':
    case '/recover':
      if (request.method === 'POST') state.failing = path === '/fail';
      break;
    case '/slow':
      await sleep(numberIn(url, 'ms', SAMPLE_WAIT_MAX_MS));
      break;
    case '/bytes':
      return sendBytes(response, numberIn(url, 'n', SAMPLE_BYTES_MAX));
    default:
  }
  return mirror(state, request, response);
}

function sendReady(state: SampleState, response: ServerResponse): void {
  const body = JSON.stringify({ backend: state.id, ready: !state.failing });
  response.writeHead(state.failing ? 503 : 200, { 'content-type': 'application/json' }).end(body);
}

function numberIn(url: string, name: string, max: number): number {
  const value = Number(new URL(url, 'http://localhost').searchParams.get(name) ?? '0');
  return Number.isFinite(value) ? Math.min(Math.max(0, Math.trunc(value)), max) : 0;
}

async function mirror(state: SampleState, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { method, url, headers, socket } = request;
  const answer = {
    backend: state.id,
    method,
    path: url,
    headers,
    remote: `${socket.remoteAddress}:${socket.remotePort}`,
  };
  const hasBody = headers['content-length'] !== undefined || headers['transfer-encoding'] !== undefined;
  const body = JSON.stringify(hasBody ? { ...answer, body: await digestOf(request) } : answer);
  response.writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }).end(body);
}

/** Length and hash of the body that arrived: the proof that none of it was lost or changed on the way. */
async function digestOf(request: IncomingMessage): Promise<{ bytes: number; sha256: string }> {
  const hash = createHash('sha256');
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > SAMPLE_BODY_MAX_BYTES) throw new Error('body too large');
    hash.update(chunk);
  }
  return { bytes, sha256: hash.digest('hex') };
}

async function sendBytes(response: ServerResponse, count: number): Promise<void> {
  response.writeHead(200, { 'content-type': 'application/octet-stream', 'content-length': count });
  for (let left = count; left > 0 && !response.destroyed; left -= CHUNK.length) {
    const chunk = left >= CHUNK.length ? CHUNK : CHUNK.subarray(0, left);
    if (!response.write(chunk)) await new Promise<void>((go) => onceDrained(response, go));
  }
  response.end();
}

function onceDrained(response: ServerResponse, go: () => void): void {
  const done = (): void => {
    response.off('drain', done);
    response.off('close', done);
    go();
  };
  response.on('drain', done);
  response.on('close', done);
}

/** The sample backend keeps to the contract: mirror, readiness that can be switched, slow answers, bytes. */
import { createHash } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startSampleBackend } from './sample-backend.ts';
import type { SampleBackend } from './sample-backend.ts';

let backend: SampleBackend;
let url = '';
beforeAll(async () => {
  backend = await startSampleBackend({ id: 'b7', host: '127.0.0.1', port: 0 });
  url = `http://127.0.0.1:${backend.port}`;
});
afterAll(() => backend.close());

it('mirrors any request', async () => {
  const response = await fetch(`${url}/some/where?x=1`, { method: 'DELETE', headers: { 'x-a': 'b' } });
  expect(response.status).toBe(200);
  const answer = (await response.json()) as Record<string, unknown>;
  expect(answer).toMatchObject({ backend: 'b7', method: 'DELETE', path: '/some/where?x=1', headers: { 'x-a': 'b' } });
  expect(answer.remote).toMatch(/^127\.0\.0\.1:\d+$/);
});

it('says what body arrived', async () => {
  const body = Buffer.alloc(200_000, 'abc');
  const response = await fetch(url, { method: 'POST', body });
  const answer = (await response.json()) as { body: unknown };
  expect(answer.body).toEqual({ bytes: body.length, sha256: createHash('sha256').update(body).digest('hex') });
});

it('is ready until told to fail, and again when told to recover', async () => {
  const ready = async (): Promise<number> => (await fetch(`${url}/ready`)).status;
  expect(await ready()).toBe(200);
  expect((await fetch(`${url}/fail`, { method: 'POST' })).status).toBe(200);
  expect(await ready()).toBe(503);
  await fetch(`${url}/fail`);
  await fetch(`${url}/recover`, { method: 'POST' });
  expect(await ready()).toBe(200);
});

it('sends the bytes asked for', async () => {
  for (const count of [0, 1, 65_536, 300_001]) {
    const body = await (await fetch(`${url}/bytes?n=${count}`)).arrayBuffer();
    expect(body.byteLength).toBe(count);
  }
});

it('answers slowly where asked to', async () => {
  const startedMs = performance.now();
  expect((await fetch(`${url}/slow?ms=60`)).status).toBe(200);
  expect(performance.now() - startedMs).toBeGreaterThanOrEqual(55);
});

it('closes with idle connections open', async () => {
  const other = await startSampleBackend({ id: 'b8', host: '127.0.0.1', port: 0 });
  await (await fetch(`http://127.0.0.1:${other.port}/`)).text();
  await other.close();
  await expect(fetch(`http://127.0.0.1:${other.port}/`)).rejects.toThrow();
});

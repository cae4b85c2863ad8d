/** Chromium through a real node: a page and its requests over HTTP/2, events, an upload, a WebSocket on the same connection. */
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { WebSocketServer } from 'ws';
import { startHttpBackend, TestAuthority } from '@flotilla/dataplane/testing';
import { hasBrowser, openBrowser } from '../harness/browser.ts';
import { Edge } from './edge.ts';
import { startOrigin } from './origin.ts';

if (!hasBrowser) console.log('no chromium here: what it would show is left out');

describe.skipIf(!hasBrowser)('Chromium', () => {
  const closers: (() => unknown)[] = [];
  let edge: Edge;
  let page: Page;

  beforeAll(async () => {
    const origin = await startOrigin('origin');
    const pages = await startHttpBackend('pages', (_request, response) => {
      response.setHeader('content-type', 'text/html');
      response.end('<!doctype html><title>harbour</title>');
    });
    const chat = new WebSocketServer({ host: '127.0.0.1', port: 0 });
    chat.on('connection', (socket) => socket.on('message', (data) => socket.send(`echo ${String(data)}`)));
    await once(chat, 'listening');
    closers.push(
      () => origin.close(),
      () => pages.close(),
      () => chat.close(),
    );
    const site = await (await TestAuthority.create()).issue('localhost');
    edge = await Edge.start({
      listeners: {
        secure: {
          protocol: 'https',
          tls: { certificates: ['site'] },
          routes: [
            { match: { path: '/' }, pool: 'pages' },
            { match: { path: '/chat' }, pool: 'chat' },
            { pool: 'origin' },
          ],
        },
      },
      pools: {
        origin: { ports: [origin.port] },
        pages: { ports: [pages.port] },
        chat: { ports: [(chat.address() as AddressInfo).port] },
      },
      certificates: [{ name: 'site', ...site }],
    });
    const browser = await openBrowser();
    closers.push(() => browser.close());
    page = await browser.context.newPage();
    await page.goto(`https://localhost:${edge.port('secure')}/`);
  });
  afterAll(async () => {
    for (const close of closers.splice(0).reverse()) await close();
    await edge?.[Symbol.asyncDispose]();
  });

  // The page's side travels as text: its types are the browser's, not ours.
  it('loads a page and asks a hundred times at once, over HTTP/2', async () => {
    expect(await page.title()).toBe('harbour');
    const urls = (await page.evaluate(
      `Promise.all(Array.from({ length: 100 }, (_, at) => fetch('/ask/' + at).then((r) => r.json()).then((told) => told.url)))`,
    )) as string[];
    expect(urls).toEqual(Array.from({ length: 100 }, (_, at) => `/ask/${at}`));
    const protocols = (await page.evaluate(
      `[...new Set([...performance.getEntriesByType('resource'), ...performance.getEntriesByType('navigation')].map((entry) => entry.nextHopProtocol))]`,
    )) as string[];
    expect(protocols).toEqual(['h2']);
  });

  it('uploads a body and reads one', async () => {
    const told = await page.evaluate(
      `fetch('/up', { method: 'POST', body: new Blob([new Uint8Array(1_000_000)]) }).then((r) => r.json()).then((told) => told.bodyBytes)`,
    );
    expect(told).toBe(1_000_000);
    const bytes = await page.evaluate(`fetch('/bytes/1000000').then((r) => r.blob()).then((blob) => blob.size)`);
    expect(bytes).toBe(1_000_000);
  });

  it('reads events as they come', async () => {
    const events = await page.evaluate(`new Promise((resolve) => {
      const source = new EventSource('/events');
      const seen = [];
      source.onmessage = (event) => { seen.push(event.data); if (seen.length === 3) { source.close(); resolve(seen); } };
    })`);
    expect(events).toEqual(['1', '2', '3']);
  });

  it('speaks WebSocket', async () => {
    const said = await page.evaluate(`new Promise((resolve, reject) => {
      const socket = new WebSocket('wss://' + location.host + '/chat');
      socket.onopen = () => socket.send('ahoy');
      socket.onmessage = (event) => { socket.close(); resolve(event.data); };
      socket.onerror = () => reject(new Error('socket'));
    })`);
    expect(said).toBe('echo ahoy');
  });
});

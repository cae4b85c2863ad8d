/** Story: an operator opens a node's dashboard in a real browser, sees the cluster, and changes a weight there. */
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium } from 'playwright-core';
import type { BrowserContext } from 'playwright-core';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { waitFor } from '@flotilla/shared/testing';
import { Cluster } from '../harness/cluster.ts';

const BROWSERS = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];
const FLAGS =
  '--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-component-update --disable-sync';
const browser = BROWSERS.find((path) => existsSync(path));
const profile = mkdtempSync(join(tmpdir(), 'flotilla-browser-'));

let cluster: Cluster;
let context: BrowserContext;
beforeAll(async () => {
  if (browser === undefined) return;
  cluster = await Cluster.start();
  context = await chromium.launchPersistentContext(profile, { executablePath: browser, args: FLAGS.split(' ') });
});
afterAll(async () => {
  await context?.close();
  await cluster?.[Symbol.asyncDispose]();
  rmSync(profile, { recursive: true, force: true });
});

it.runIf(browser !== undefined)(
  'shows nodes, verdicts and changes, and commits a weight that is typed in',
  async () => {
    const faults: string[] = [];
    const page = await context.newPage();
    page.on('pageerror', (error) => faults.push(error.message));
    await page.goto(`http://${cluster.nodes[1]!.api}/`);
    await page.locator('#nodes .card').nth(2).waitFor();
    expect(await page.locator('#nodes .card.leader').count()).toBe(1);
    expect(await page.locator('#nodes').textContent()).toContain('ready');
    const row = page.locator('tr[data-backend="b1"]');
    await row.locator('td', { hasText: /^up$/ }).waitFor();

    await row.locator('input').fill('17');
    await row.locator('input').press('Enter');
    await page.locator('#changes', { hasText: 'b1: weight 100 → 17' }).waitFor();
    await waitFor('the weight on every node', async () => {
      const answers = await Promise.all(cluster.nodes.map((node) => node.call('GET', '/v1/pools/api/backends/b1')));
      return answers.every(({ body }) => body.weight === 17);
    });

    await cluster.nodes[2]!.process.end('SIGKILL');
    await page.locator('#nodes .card', { hasText: 'gone' }).waitFor();
    expect(faults).toEqual([]);
  },
);

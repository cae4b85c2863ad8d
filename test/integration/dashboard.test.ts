/** Story: an operator opens a node's dashboard in a real browser, sees the cluster, and changes a weight there. */
import type { BrowserContext } from 'playwright-core';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { waitFor } from '@flotilla/shared/testing';
import { hasBrowser, openBrowser } from '../harness/browser.ts';
import type { OpenBrowser } from '../harness/browser.ts';
import { Cluster } from '../harness/cluster.ts';

let cluster: Cluster;
let browser: OpenBrowser;
let context: BrowserContext;
beforeAll(async () => {
  if (!hasBrowser) return;
  cluster = await Cluster.start();
  browser = await openBrowser();
  context = browser.context;
});
afterAll(async () => {
  await browser?.close();
  await cluster?.[Symbol.asyncDispose]();
});

it.runIf(hasBrowser)('shows nodes, verdicts and changes, and commits a weight that is typed in', async () => {
  const faults: string[] = [];
  const page = await context.newPage();
  page.on('pageerror', (error) => faults.push(error.message));
  await page.goto(`http://${cluster.nodes[1]!.api}/`);
  await page.locator('#nodes .card').nth(2).waitFor();
  expect(await page.locator('#nodes .card.leader').count()).toBe(1);
  expect(await page.locator('#nodes').textContent()).toContain('ready');
  await page.locator('#state.good-state', { hasText: 'All is well: 3 nodes ready, 3 backends up' }).waitFor();
  const row = page.locator('tr[data-backend="b1"]');
  await row.locator('td', { hasText: /^up$/ }).waitFor();

  await row.locator('input').fill('17');
  await row.locator('input').press('Enter');
  await page.locator('#changes', { hasText: 'b1: weight 100 → 17' }).waitFor();
  await waitFor('the weight on every node', async () => {
    const answers = await Promise.all(cluster.nodes.map((node) => node.call('GET', '/v1/pools/api/backends/b1')));
    return answers.every(({ body }) => body.weight === 17);
  });

  // Only a leader knows how much of the log each node has.
  const handed = await cluster.nodes[1]!.call('POST', '/v1/leader/transfer', { body: { to: 'n2' } });
  expect(handed.status).toBe(200);
  await page.locator('#nodes .card', { hasText: 'n3' }).filter({ hasText: 'up to date' }).waitFor();
  await cluster.nodes[2]!.process.end('SIGKILL');
  const card = page.locator('#nodes .card', { hasText: 'gone' });
  await card.waitFor();
  expect(await card.textContent()).not.toContain('up to date');
  await page.locator('#state.warn-state', { hasText: 'n3 is gone' }).waitFor();
  await cluster.nodes[0]!.process.end('SIGKILL');
  await page.locator('#state.bad-state', { hasText: 'No quorum: n1 and n3 cannot be reached from n2' }).waitFor();
  expect(faults).toEqual([]);
});

it.runIf(hasBrowser)('has room for long names on a telephone, and says so when its node does not answer', async () => {
  const name = `a${'-long-name'.repeat(6)}`;
  const [node] = cluster.nodes;
  for (const one of cluster.nodes) if (!one.process.isRunning) one.process.start();
  await Promise.all(cluster.nodes.map((one) => one.waitReady()));
  const backends = [{ id: name, address: `127.0.0.1:${cluster.backends[0]!.port}` }];
  expect((await node!.call('PUT', `/v1/pools/${name}`, { body: { name, backends } })).status).toBe(200);
  const page = await context.newPage();
  for (const width of [390, 768, 1440]) {
    await page.setViewportSize({ width, height: 800 });
    await page.goto(`http://${node!.api}/`);
    await page.locator(`tr[data-backend="${name}"]`).waitFor();
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(width);
  }
  await node!.process.end('SIGKILL');
  await page.locator('#state.bad-state', { hasText: 'This node does not answer' }).waitFor();
});

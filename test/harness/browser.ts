/** A real browser, where there is one: with a profile of its own, gone when the test is over. */
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium } from 'playwright-core';
import type { BrowserContext } from 'playwright-core';

const BROWSERS = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];
const FLAGS =
  '--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-component-update --disable-sync';
const browser = BROWSERS.find((path) => existsSync(path));

/** Whether there is one; where not, its stories are left out. */
export const hasBrowser: boolean = browser !== undefined;

export interface OpenBrowser {
  readonly context: BrowserContext;
  close(): Promise<void>;
}

/** It takes any certificate: who signs is other tests' question. */
export async function openBrowser(): Promise<OpenBrowser> {
  if (browser === undefined) throw new Error('no browser here');
  const profile = mkdtempSync(join(tmpdir(), 'flotilla-browser-'));
  const options = { executablePath: browser, args: FLAGS.split(' '), ignoreHTTPSErrors: true };
  const context = await chromium.launchPersistentContext(profile, options);
  return {
    context,
    async close() {
      await context.close();
      rmSync(profile, { recursive: true, force: true });
    },
  };
}

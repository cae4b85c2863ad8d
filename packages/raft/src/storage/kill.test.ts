/**
 * A process that writes is killed with SIGKILL, again and again: every acknowledged write is there afterwards. (The page
 * cache survives; what a power cut does is the simulator's business.)
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { openStorage } from './level-storage.ts';

const ROUNDS = 6;
const CHILD = fileURLToPath(new URL('../testing/writer-child.ts', import.meta.url));

/** Runs the writer until it acknowledged some writes, kills it, answers the last acknowledgement. */
async function writeAndDie(directory: string, acknowledgements: number): Promise<{ index: number; term: number }> {
  const child = spawn(process.execPath, [CHILD, directory], { stdio: ['ignore', 'pipe', 'inherit'] });
  let text = '';
  child.stdout.setEncoding('utf8');
  child.stdout.on('data', (chunk: string) => {
    text += chunk;
    if (text.split('\n').length > acknowledgements) child.kill('SIGKILL');
  });
  const [code, signal] = (await once(child, 'close')) as [number | null, string | null];
  expect({ code, signal }).toEqual({ code: null, signal: 'SIGKILL' });
  const last = text.split('\n').at(-2)?.split(' ').map(Number) ?? [];
  return { index: last[0] ?? 0, term: last[1] ?? 0 };
}

test('acknowledged writes survive SIGKILL', { timeout: 60_000 }, async () => {
  const directory = await mkdtemp(join(tmpdir(), 'raft-kill-'));
  for (let round = 0; round < ROUNDS; round++) {
    const acknowledged = await writeAndDie(directory, 20 + round * 37);
    const { storage, recovered } = await openStorage({ directory });
    expect(recovered.faults).toEqual([]);
    const last = recovered.entries.at(-1);
    // The write under way may be there or not; it replaces at most three entries.
    expect(recovered.hard.term).toBeGreaterThanOrEqual(acknowledged.term);
    expect(last?.term).toBeGreaterThanOrEqual(acknowledged.term);
    const least = last?.term === acknowledged.term ? acknowledged.index : acknowledged.index + 1;
    expect(last?.index).toBeGreaterThanOrEqual(least);
    await storage.close();
  }
  await rm(directory, { recursive: true });
});

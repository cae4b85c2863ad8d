/** Every scenario under testdata gives exactly the trace that is written there. */
import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { checkScript, parseScript } from './script-runner.ts';

const FOLDER = fileURLToPath(new URL('../../testdata/', import.meta.url));
const SCRIPTS = readdirSync(FOLDER).filter((name) => name.endsWith('.txt'));

describe('scenarios', () => {
  it('are there', () => {
    expect(SCRIPTS.length).toBeGreaterThanOrEqual(15);
  });

  it.each(SCRIPTS)('%s', async (name) => {
    const { expected, actual } = await checkScript(`${FOLDER}${name}`);
    expect(actual).toBe(expected);
    expect(expected.startsWith('#'), 'a scenario says first what it shows').toBe(true);
  });

  it('keep prose and commands apart from traces', () => {
    const { blocks, tail } = parseScript('# why\nfirst 1\n----\nold trace\n\n# more\nsecond\n\n# end\n');
    expect(blocks).toEqual([
      { prose: ['# why'], command: 'first 1' },
      { prose: ['', '# more'], command: 'second' },
    ]);
    expect(tail).toEqual(['', '# end']);
  });
});

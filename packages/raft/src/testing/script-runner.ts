/**
 * Scenario scripts, after etcd/raft's interaction tests. A script is prose, then blocks of one command, a line of dashes
 * and the trace that the command must give, up to a blank line. `UPDATE=1` rewrites the traces; the diff is for reading.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { ScriptCommands } from './script-commands.ts';

const DASHES = '----';

interface Block {
  /** Blank lines and `#` comments before the command, kept as they are. */
  readonly prose: readonly string[];
  readonly command: string;
}

/** The commands of a script, and what follows the last. Expected traces are read over: they are compared as text. */
export function parseScript(text: string): { readonly blocks: readonly Block[]; readonly tail: readonly string[] } {
  const blocks: Block[] = [];
  let prose: string[] = [];
  const lines = text.trimEnd().split('\n');
  for (let at = 0; at < lines.length; at += 1) {
    const line = lines[at] ?? '';
    if (line === '' || line.startsWith('#')) {
      prose.push(line);
      continue;
    }
    blocks.push({ prose, command: line });
    prose = [];
    if (lines[at + 1] === DASHES) {
      at += 1;
      while (at + 1 < lines.length && lines[at + 1] !== '') at += 1;
    }
  }
  return { blocks, tail: prose };
}

/** Runs a script and gives it back with the traces that its commands gave. */
function runScript(text: string): string {
  const { blocks, tail } = parseScript(text);
  const commands = new ScriptCommands();
  const out: string[] = [];
  for (const { prose, command } of blocks) {
    const trace = commands.run(command);
    // Exactly one blank line after a trace: it is what ends it.
    out.push(...(out.at(-1) === '' && prose[0] === '' ? prose.slice(1) : prose), command);
    if (trace.length > 0) out.push(DASHES, ...trace, '');
  }
  return `${[...out, ...tail].join('\n').trimEnd()}\n`;
}

/** The script as it is, and as it should be by what the core does now. They are equal in a test that passes. */
export async function checkScript(path: string): Promise<{ readonly expected: string; readonly actual: string }> {
  const expected = await readFile(path, 'utf8');
  const actual = runScript(expected);
  if (process.env['UPDATE'] !== '1') return { expected, actual };
  if (actual !== expected) await writeFile(path, actual);
  return { expected: actual, actual };
}

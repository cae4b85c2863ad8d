/**
 * `flotilla top`: the whole cluster in one live table, through any node. Where it does not write to a terminal, one plain
 * picture and the end.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Command } from 'commander';
import colors from 'picocolors';
import { errorText } from '@flotilla/shared';
import { renderValue } from '../output/render.ts';
import { apiCommand, apiContext, examples, numberBetween, show } from './api-command.ts';
import { renderTop, SORTS, type TopSort } from '../top/screen.ts';
import { TopSource } from '../top/source.ts';

const EVERY_MS = 1_000;
const EVERY_MIN_MS = 100;
const EVERY_MAX_MS = 3_600_000;
const CLEAR = '\u001b[H\u001b[J';
const ENTER = '\u001b[?1049h\u001b[?25l';
const LEAVE = '\u001b[?25h\u001b[?1049l';
/** Begins a colour, which ends with `m`. */
const ESCAPE = '\u001b';
/** Where not all fits: what is left out, and what stands at the bottom. */
const LAST_LINES = 2;
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
const CTRL_C = '\u0003';

export function registerTop(program: Command): void {
  program.addCommand(
    apiCommand('top', 'Watch the whole cluster live: nodes, backends, traffic; q quits, s sorts')
      .option('--every <ms>', 'how often it is drawn anew', numberBetween(EVERY_MIN_MS, EVERY_MAX_MS), EVERY_MS)
      .option('--once', 'draw it once and end')
      .action(async (options: { every: number; once?: boolean }, command: Command) => {
        const { client, clientOf, format } = apiContext(command);
        const source = new TopSource(client, clientOf);
        if (options.once || format !== 'table' || !isLive()) {
          await source.read();
          await sleep(options.every);
          const view = await source.read();
          return show(format === 'table' ? renderTop(view, SORTS[0]) : renderValue(format, view));
        }
        return live(source, options.every);
      })
      .addHelpText('after', examples('top', 'top --every 500', 'top --once --server 10.0.0.1:7400')),
  );
}

/** A dumb terminal cannot be drawn on. */
const isLive = (): boolean => process.stdout.isTTY && process.stdin.isTTY && process.env.TERM !== 'dumb';

async function live(source: TopSource, everyMs: number): Promise<void> {
  let sort: TopSort = SORTS[0];
  let wake = Promise.withResolvers<void>();
  const { promise: ended, resolve: end } = Promise.withResolvers<null>();
  const onKeys = (keys: string): void => {
    for (const key of keys) {
      if (key === 'q' || key === CTRL_C) end(null);
      else if (key === 's') sort = SORTS[(SORTS.indexOf(sort) + 1) % SORTS.length] ?? SORTS[0];
      else continue;
      wake.resolve();
    }
  };
  const onSignal = (): void => end(null);
  const { stdin, stdout } = process;
  stdin.setRawMode(true).setEncoding('utf8').on('data', onKeys).resume();
  for (const signal of SIGNALS) process.on(signal, onSignal);
  stdout.write(ENTER);
  try {
    for (;;) {
      const reading = source.read().then(
        (view) => renderTop(view, sort, stdout.columns),
        (error: unknown) => `${errorText(error)}\n\nasking again; q quits`,
      );
      // Nobody who wants to leave waits for a node that does not answer.
      const picture = await Promise.race([reading, ended]);
      if (picture === null) break;
      stdout.write(`${CLEAR}${clipped(picture, stdout.rows, stdout.columns)}`);
      wake = Promise.withResolvers();
      const pause = new AbortController();
      await Promise.race([sleep(everyMs, undefined, { signal: pause.signal }), wake.promise, ended]);
      pause.abort();
    }
  } finally {
    stdout.write(LEAVE);
    stdin.setRawMode(false).off('data', onKeys).pause();
  }
  // A question that is still under way would hold the process.
  process.exit();
}

/** What does not fit is left out: a terminal that scrolls flickers. */
export function clipped(text: string, rows: number, columns: number): string {
  const all = text.split('\n');
  const room = Math.max(1, rows - 1);
  const lines =
    all.length <= room || room < LAST_LINES + 2
      ? all.slice(0, room)
      : [
          ...all.slice(0, room - LAST_LINES),
          colors.dim(`… ${all.length - room + 1} more lines: a higher terminal, or top --once`),
          all.at(-1) ?? '',
        ];
  return lines.map((line) => clippedLine(line, columns)).join('\r\n');
}

/** Colours take no room and are kept. */
export function clippedLine(line: string, columns: number): string {
  let room = columns;
  const shown = (text: string): string => {
    const part = text.slice(0, room);
    room -= part.length;
    return part;
  };
  const [plain = '', ...coloured] = line.split(ESCAPE);
  // In their order: the room goes to what stands first.
  const first = shown(plain);
  const parts = coloured.map((part) => {
    const end = part.indexOf('m') + 1;
    return ESCAPE + part.slice(0, end) + shown(part.slice(end));
  });
  return first + parts.join('');
}

/**
 * `flotilla top`: the whole cluster in one live table, through any node. Where it does not write to a terminal, one plain
 * picture and the end.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Command } from 'commander';
import { errorText } from '@flotilla/shared';
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
const CTRL_C = '\u0003';

export function registerTop(program: Command): void {
  program.addCommand(
    apiCommand('top', 'Watch the whole cluster live: nodes, backends, traffic; q quits, s sorts')
      .option('--every <ms>', 'how often it is drawn anew', numberBetween(EVERY_MIN_MS, EVERY_MAX_MS), EVERY_MS)
      .option('--once', 'draw it once and end')
      .action(async (options: { every: number; once?: boolean }, command: Command) => {
        const { client, clientOf } = apiContext(command);
        const source = new TopSource(client, clientOf);
        if (options.once || !process.stdout.isTTY || !process.stdin.isTTY) {
          await source.read();
          await sleep(options.every);
          return show(renderTop(await source.read(), SORTS[0]));
        }
        return live(source, options.every);
      })
      .addHelpText('after', examples('top', 'top --every 500', 'top --once --server 10.0.0.1:7400')),
  );
}

async function live(source: TopSource, everyMs: number): Promise<void> {
  let sort: TopSort = SORTS[0];
  let stop = new AbortController();
  let running = true;
  const onKey = (key: string): void => {
    if (key === 'q' || key === CTRL_C) running = false;
    else if (key === 's') sort = SORTS[(SORTS.indexOf(sort) + 1) % SORTS.length] ?? SORTS[0];
    else return;
    stop.abort();
  };
  const { stdin, stdout } = process;
  stdin.setRawMode(true).setEncoding('utf8').on('data', onKey).resume();
  stdout.write(ENTER);
  try {
    while (running) {
      const picture = await source.read().then(
        (view) => renderTop(view, sort),
        (error: unknown) => `${errorText(error)}\n\nasking again; q quits`,
      );
      stdout.write(`${CLEAR}${clipped(picture, stdout.rows, stdout.columns)}`);
      stop = new AbortController();
      if (running) await sleep(everyMs, undefined, { signal: stop.signal }).catch(() => undefined);
    }
  } finally {
    stdout.write(LEAVE);
    stdin.setRawMode(false).off('data', onKey).pause();
  }
}

/** What does not fit is left out: a terminal that scrolls flickers. */
function clipped(text: string, rows: number, columns: number): string {
  const lines = text.split('\n').slice(0, Math.max(1, rows - 1));
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
  const parts = coloured.map((part) => {
    const end = part.indexOf('m') + 1;
    return ESCAPE + part.slice(0, end) + shown(part.slice(end));
  });
  return shown(plain) + parts.join('');
}

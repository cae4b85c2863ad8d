/**
 * Whether the ports of the demo are free, asked before anything is started, so that the answer names them all at once.
 */
import { createServer } from 'node:net';
import { readPidFile } from '@flotilla/node';
import type { DemoPart, DemoPlan } from './plan.ts';
import { isPartRunning } from './process.ts';

/** One line per port that somebody else has; none when the demo can start. */
export async function takenPorts(plan: DemoPlan): Promise<string[]> {
  const parts: readonly DemoPart[] = [...plan.nodes, ...plan.backends];
  const lines = await Promise.all(
    parts.flatMap((part) =>
      part.ports.map(async ({ what, port }) =>
        (await isFree(port)) ? [] : [`port ${port} (${what}) is taken${holder(part)}`],
      ),
    ),
  );
  return lines.flat();
}

function holder(part: DemoPart): string {
  const pid = readPidFile(part.pidFile);
  return pid !== null && isPartRunning(pid, part) ? ` by an earlier demo: kill ${pid}` : '';
}

function isFree(port: number): Promise<boolean> {
  return new Promise((settle) => {
    const server = createServer();
    server.once('error', () => settle(false));
    server.listen({ host: '127.0.0.1', port }, () => server.close(() => settle(true)));
  });
}

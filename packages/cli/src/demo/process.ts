/**
 * The processes of the demo. Each is its own session, so Ctrl-C reaches the demo alone, which stops them in order; each
 * watches a pipe from the demo, so it ends even where the demo is killed.
 */
import { spawn, spawnSync } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { closeSync, openSync, readFileSync, renameSync, statSync } from 'node:fs';
import { basename } from 'node:path';
import { readPidFile } from '@flotilla/node';
import { CLONE, MAIN } from './plan.ts';
import type { DemoPart } from './plan.ts';

const LOG_MAX_BYTES = 16 * 1024 * 1024;

export function startPart(part: DemoPart): ChildProcess {
  const log = openLog(part.logFile);
  const child = spawn(process.execPath, [...process.execArgv, MAIN, ...part.args, '--stop-on-stdin-close'], {
    cwd: CLONE,
    detached: true,
    stdio: ['pipe', log, log],
  });
  closeSync(log);
  return child;
}

function openLog(path: string): number {
  try {
    if (statSync(path).size > LOG_MAX_BYTES) renameSync(path, `${path}.old`);
  } catch {
    // There is none yet.
  }
  return openSync(path, 'a');
}

/** The process that runs this part now, also where somebody started it by hand; null where none does. */
export function runningPid(part: DemoPart): number | null {
  const pid = readPidFile(part.pidFile);
  return pid !== null && isPartRunning(pid, part) ? pid : null;
}

/** A pid file may be left over and its number in use by a stranger: the command line tells. */
export function isPartRunning(pid: number, part: DemoPart): boolean {
  const command = commandLine(pid);
  return command.includes('main.ts') && part.args.every((arg) => command.includes(basename(arg)));
}

function commandLine(pid: number): string {
  try {
    // A zombie has an empty one.
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
  } catch {
    if (process.platform === 'linux') return '';
    return spawnSync('ps', ['-o', 'command=', '-p', String(pid)], { encoding: 'utf8' }).stdout ?? '';
  }
}

/** Whether it was there to receive it. */
export function sendSignal(pid: number, signal: NodeJS.Signals): boolean {
  try {
    process.kill(pid, signal);
    return true;
  } catch {
    return false;
  }
}

/** The last lines that a part wrote, for when it did not start. */
export function logTail(part: DemoPart, lineCount = 12): string {
  try {
    return readFileSync(part.logFile, 'utf8').trimEnd().split('\n').slice(-lineCount).join('\n');
  } catch {
    return '';
  }
}

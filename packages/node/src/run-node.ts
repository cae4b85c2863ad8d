/**
 * One node from its settings to its exit code: the supervisor plus what belongs to a process, signals, the pid file and
 * standard input. The caller ends the process with the code that this resolves to.
 */
import { EXIT, errorText } from '@flotilla/shared';
import { createLogger, type Logger } from '@flotilla/shared/runtime';
import { dataDirFault } from './data-dir.ts';
import { removePidFile, writePidFile } from './pid-file.ts';
import { renewalFault } from './settings/certificates.ts';
import type { ResolvedSettings } from './settings/resolve.ts';
import type { NodeSettings } from './settings/types.ts';
import { Supervisor } from './supervisor/supervisor.ts';
import { VERSION } from './version.ts';

/** `reload` reads the settings again, on SIGHUP. */
export async function runNode(settings: NodeSettings, reload?: () => ResolvedSettings): Promise<number> {
  const fault = dataDirFault(settings.dataDir);
  if (fault === null) return superviseUntilStopped(settings, reload);
  process.stderr.write(`flotilla: ${fault}\n`);
  return EXIT.disk;
}

function superviseUntilStopped(settings: NodeSettings, reload?: () => ResolvedSettings): Promise<number> {
  const log = createLogger({ level: settings.logLevel, nodeId: settings.nodeId, thread: 'main' });
  log.info({ version: VERSION, pid: process.pid, proxyThreads: settings.proxyThreads }, 'node starts');
  return new Promise((settle) => {
    /** Of the stop that is under way; null where none is. */
    let stopCode: number | null = null;
    const stop = (exitCode: number): void => {
      stopCode = exitCode;
      void supervisor.stop(settings.drainMs).then(() => {
        if (settings.pidFile !== null) removePidFile(settings.pidFile);
        log.info({ exitCode }, 'node stopped');
        settle(exitCode);
      });
    };
    const supervisor = new Supervisor(settings, log, {
      onStarted(apiUrl) {
        // Not before: a second process for the same node must fail without touching the first one's file.
        if (settings.pidFile !== null) keepPid(settings.pidFile);
        log.info({ apiUrl }, 'node started');
      },
      onStop: () => onSignal('asked through the API'),
      onFatal(exitCode, message) {
        if (stopCode !== null) return;
        log.fatal({ exitCode }, message);
        process.stderr.write(`flotilla: ${message}\n`);
        stop(exitCode);
      },
    });
    const keepPid = (path: string): void => {
      try {
        writePidFile(path);
      } catch (error) {
        log.error({ path, err: error }, `the pid file cannot be written: ${errorText(error)}`);
      }
    };
    const onSignal = (reason: string): void => {
      // The second one ends it at once, with the code that it would have ended with.
      if (stopCode !== null) return settle(stopCode);
      log.info({ reason, drainMs: settings.drainMs }, 'node stops');
      return stop(EXIT.clean);
    };
    process.on('SIGTERM', onSignal);
    process.on('SIGINT', onSignal);
    process.on('SIGHUP', () => {
      // A closed terminal must not end a node that serves traffic for others without its drain.
      if (reload === undefined || process.stdout.isTTY) return onSignal('SIGHUP');
      return renew(settings, reload(), { supervisor, log });
    });
    if (process.env.FLOTILLA_DEBUG === '1') process.on('SIGUSR2', () => supervisor.crashControl());
    if (process.env.FLOTILLA_DEBUG === 'diverge') process.on('SIGUSR2', () => supervisor.divergeControl());
    if (settings.stopOnStdinClose) watchStdin(() => stopCode === null && onSignal('stdin closed'));
    supervisor.start();
  });
}

/** Tokens and certificates are all that changes without a restart: what else is different waits for the next one. */
function renew(
  before: NodeSettings,
  resolved: ResolvedSettings,
  { supervisor, log }: { readonly supervisor: Supervisor; readonly log: Logger },
): void {
  if (!resolved.ok) {
    log.error({ faults: resolved.faults }, 'the settings cannot be used: tokens and certificates stay as they are');
    return;
  }
  const fault = changeFault(before, resolved.settings) ?? renewalFault(resolved.settings);
  if (fault === null) supervisor.renew(resolved.settings);
  else log.error(`tokens and certificates stay as they are: ${fault}`);
}

/** Null, or why a running node cannot go from these settings to those. */
function changeFault(before: NodeSettings, after: NodeSettings): string | null {
  if (before.apiTokens.length > 0 && after.apiTokens.length === 0)
    return 'no token is left, and an API with tokens is not opened to everybody without a restart';
  for (const [key, what] of [
    ['tls', 'TLS between nodes'],
    ['apiTls', 'TLS of the API'],
  ] as const) {
    if ((before[key] === null) !== (after[key] === null)) return `${what} is turned on and off by a restart only`;
  }
  return null;
}

function watchStdin(onClose: () => void): void {
  process.stdin.on('close', onClose);
  process.stdin.on('error', onClose);
  process.stdin.resume();
}

/**
 * Entry of the control thread: starts @flotilla/controlplane and translates between it and the supervisor.
 *
 * A failure that a new thread would meet again ends the process with an exit code that says why; anything else is thrown,
 * and the supervisor starts a new thread.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { startControl } from '@flotilla/controlplane';
import { dashboardFiles } from '@flotilla/dashboard';
import { explain } from '@flotilla/dataplane/table';
import { errorText } from '@flotilla/shared';
import type { ControlToSupervisor } from '@flotilla/shared';
import { createLogger } from '@flotilla/shared/runtime';
import { CONTROL_NICENESS } from '../limits.ts';
import type { ControlThreadData, ToControlThread } from './control-thread-data.ts';
import { toControlSettings } from './control-settings.ts';
import { exitCodeOf } from './exit-code.ts';
import { preferThisThread } from './thread-priority.ts';

if (parentPort === null) throw new Error('control-thread.ts is started by the supervisor, as a worker thread');
const supervisor = parentPort;
const { settings, memory, proxyPorts } = workerData as ControlThreadData;
const log = createLogger({ level: settings.logLevel, nodeId: settings.nodeId, thread: 'control' });
const tell = (message: ControlToSupervisor): void => supervisor.postMessage(message);
const onEnd = (how: 'restart' | 'stop'): void => tell({ type: how });
const onFatal = (exitCode: number, message: string): void => tell({ type: 'fatal', exitCode, message });

preferThisThread(CONTROL_NICENESS, log);
try {
  const control = await startControl(
    toControlSettings(settings),
    { memory, proxyPorts, onFatal, onEnd, explain, pages: dashboardFiles() },
    log,
  );
  // Listening starts here, so that what was sent meanwhile has waited in the port.
  supervisor.on('message', (message: ToControlThread) => {
    switch (message.type) {
      case 'proxy-port':
        return control.addProxyPort(message.threadId, message.port);
      case 'renew':
        return control.renew(toControlSettings(message.settings));
      case 'debug-diverge':
        return control.diverge();
      case 'debug-crash':
        throw new Error('crashed on request (SIGUSR2 with FLOTILLA_DEBUG=1)');
      case 'stop':
        return void control.close({ deadlineMs: message.deadlineMs }).finally(() => {
          tell({ type: 'stopped' });
          // Ends this thread, not the process: nothing that is still open may hold the stop up.
          process.exit();
        });
    }
  });
  tell({ type: 'started', apiUrl: control.apiUrl });
} catch (error) {
  const exitCode = exitCodeOf(error);
  if (exitCode === null) throw error;
  onFatal(exitCode, errorText(error));
}

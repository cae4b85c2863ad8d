/**
 * Precedence of this process's threads: control before proxies before V8's helpers, which keep the common niceness. Heartbeats and
 * acknowledgements are little work, but must not stand in line behind proxy threads that take every processor; nor a request behind
 * the helpers of a collection, each of which runs until the kernel's next tick. Linux schedules threads by their own niceness;
 * elsewhere, and where the process may not raise it (it takes root or CAP_SYS_NICE), the kernel's even hand remains.
 */
import { readlinkSync } from 'node:fs';
import { setPriority } from 'node:os';
import { basename } from 'node:path';
import { errorText } from '@flotilla/shared';
import type { Logger } from '@flotilla/shared/runtime';

/** The calling thread alone, not the process; `niceness` as in nice(2), of limits.ts. */
export function preferThisThread(niceness: number, log: Logger): void {
  if (process.platform !== 'linux') return;
  try {
    setPriority(Number(basename(readlinkSync('/proc/thread-self'))), niceness);
  } catch (error) {
    log.debug({ niceness, reason: errorText(error) }, 'this thread has no precedence over others');
  }
}

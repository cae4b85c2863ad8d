/**
 * Precedence of the control thread: heartbeats and acknowledgements are little work, but must not stand in line behind proxy
 * threads that take every processor. Linux schedules threads by their own niceness; elsewhere, and where the process may not
 * raise it (it takes root or CAP_SYS_NICE), the kernel's even hand remains.
 */
import { readlinkSync } from 'node:fs';
import { setPriority } from 'node:os';
import { basename } from 'node:path';
import { errorText } from '@flotilla/shared';
import type { Logger } from '@flotilla/shared/runtime';
import { CONTROL_NICENESS } from '../limits.ts';

/** The calling thread alone, not the process. */
export function preferThisThread(log: Logger): void {
  if (process.platform !== 'linux') return;
  try {
    setPriority(Number(basename(readlinkSync('/proc/thread-self'))), CONTROL_NICENESS);
  } catch (error) {
    log.debug({ reason: errorText(error) }, 'the control thread has no precedence over proxy threads');
  }
}

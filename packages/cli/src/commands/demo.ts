/**
 * `flotilla demo`: three nodes and three sample backends on this machine, until Ctrl-C.
 */
import { join, resolve } from 'node:path';
import { Command } from 'commander';
import { EXIT } from '@flotilla/shared';
import { Demo } from '../demo/demo.ts';
import { CLONE, planDemo } from '../demo/plan.ts';
import { examples, numberBetween, show } from './api-command.ts';

/** The highest port of the demo, that of backend b3, stays one. */
const PORT_SHIFT_MAX = 65_535 - 9_103;

export function registerDemo(program: Command): void {
  program.addCommand(
    new Command('demo')
      .description('Run three nodes and three sample backends on this machine until Ctrl-C')
      .option('--data <dir>', 'where the state is kept (default .flotilla in the clone)')
      .option(
        '--port-shift <n>',
        'add this to every port: for a second demo on one machine',
        numberBetween(0, PORT_SHIFT_MAX),
        0,
      )
      .action(runDemo)
      .addHelpText('after', examples('demo', 'demo --data /tmp/try-it', 'demo --port-shift 1000')),
  );
}

async function runDemo(options: { data?: string; portShift: number }): Promise<void> {
  const data = options.data === undefined ? join(CLONE, '.flotilla') : resolve(options.data);
  const demo = new Demo(planDemo(data, options.portShift), show);
  const onSignal = (): void => {
    show('\nstopping …');
    void demo.stop();
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, onSignal);
  try {
    await demo.start();
  } catch (error) {
    await demo.stop();
    throw error;
  }
  await demo.watch();
  process.exit(EXIT.clean);
}

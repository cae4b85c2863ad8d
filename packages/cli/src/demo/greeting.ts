/**
 * What the demo says when it is ready: where everything is, and what to try next.
 */
import colors from 'picocolors';
import type { DemoPlan } from './plan.ts';

export function greeting(plan: DemoPlan, tookMs: number): string {
  const { nodes, backends } = plan;
  const [first, second] = nodes;
  const [backend] = backends;
  const title = (text: string): string => `\n${colors.bold(text)}`;
  const server = first?.api === '127.0.0.1:7401' ? '' : ` --server ${nodes.map((node) => node.api).join(',')}`;
  return [
    title(`Ready in ${(tookMs / 1000).toFixed(1)} s: three nodes, one truth.`),
    ...nodes.map((node) => `  ${node.id}  traffic http://${node.web}/   API and dashboard http://${node.api}/`),
    `  backends ${backends.map((part) => `${part.id} ${part.readyUrl.replace('/ready', '/')}`).join('  ')}`,
    title('Try'),
    `  curl http://${first?.web}/hello`,
    `  ./flotilla status${server}`,
    `  ./flotilla weight api/b1 10${server}          # through any node, live on all`,
    `  curl -X POST ${backend?.readyUrl.replace('/ready', '/fail')}   # b1 turns unhealthy; undo: …/recover`,
    `  ./flotilla health${server}`,
    `  kill -9 $(cat ${first?.pidFile}); curl http://${second?.web}/hello`,
    title('After a kill, one line brings each of them back (in this clone)'),
    ...[...nodes, ...backends].map((part) => `  ${part.startLine}`),
    `\nCtrl-C stops everything; the state stays in ${plan.data}.`,
  ].join('\n');
}

/**
 * One HTTP engine on one port before three backends on 127.0.0.1:9001-9003, with the settings of a plain listener: the
 * contestant for side-by-side measurements of the proxy alone. Usage: ./scripts/with-node node bench/proxy-single.ts [port]
 */
import { backendSpec, InProcessProxy, listenerSpec, poolSpec, routingSnapshot } from '@flotilla/dataplane/testing';

const port = Number(process.argv[2] ?? '8300');
const backends = [9001, 9002, 9003].map((backendPort, slot) =>
  backendSpec(`b${slot + 1}`, { port: backendPort, slot }),
);
const snapshot = routingSnapshot({ listeners: [listenerSpec('web')], pools: [poolSpec('app', { backends })] });
const proxy = new InProcessProxy(snapshot);
await proxy.listen({ port });
console.log(`listening on 127.0.0.1:${proxy.port}`);

/**
 * Rules between settings: what is right by itself but wrong together, or open to the world without protection.
 */
import { formatHostPort, isLoopback, isWildcard } from './addresses.ts';
import type { SettingKey } from './definitions.ts';
import type { NodeSettings } from './types.ts';

type Report = (key: SettingKey, message: string) => void;

export function checkRelations(settings: NodeSettings, report: Report): void {
  checkMembership(settings, report);
  checkAddresses(settings, report);
  checkProtection(settings, report);
}

function checkMembership(settings: NodeSettings, report: Report): void {
  const { peers, join, nodeId } = settings;
  if (join !== null && peers.length > 0) {
    report('join', 'cannot be combined with peers: join is for a cluster that exists, peers for a new one');
  }
  if (join === null && !peers.some((peer) => peer.id === nodeId)) {
    report('peers', `does not name this node (${nodeId}): list every first member, this one included`);
  }
}

function checkAddresses(settings: NodeSettings, report: Report): void {
  const { apiListen, raftListen } = settings;
  if (apiListen.port !== 0 && formatHostPort(apiListen) === formatHostPort(raftListen)) {
    report('raftListen', `${formatHostPort(raftListen)} is the address of the API too: they need different ports`);
  }
  for (const key of ['apiAdvertise', 'raftAdvertise'] as const) {
    const address = settings[key];
    if (address !== null && isWildcard(address.host)) {
      report(key, `${formatHostPort(address)} cannot be told to others: give a name or address of this machine`);
    }
  }
}

function checkProtection(settings: NodeSettings, report: Report): void {
  if (settings.insecure) return;
  const { apiListen, raftListen, apiTokens, tls, clusterSecret } = settings;
  if (!isLoopback(apiListen.host) && apiTokens.length === 0) {
    report(
      'apiListen',
      `${formatHostPort(apiListen)} is reachable from other machines but there are no tokens: ` +
        'set FLOTILLA_API_TOKENS=admin:TOKEN, listen on loopback, or say --insecure',
    );
  }
  if (!isLoopback(raftListen.host) && tls === null && clusterSecret === null) {
    report(
      'raftListen',
      `${formatHostPort(raftListen)} is reachable from other machines but nodes are not authenticated: ` +
        'set FLOTILLA_TLS_CA, _CERT and _KEY or FLOTILLA_CLUSTER_SECRET, listen on loopback, or say --insecure',
    );
  }
}

/** All routes of the API. */
import type { FastifyInstance } from 'fastify';
import type { ApiContext } from '../context.ts';
import { clusterRoutes } from './cluster.ts';
import { configRoutes } from './config.ts';
import { dashboardRoutes } from './dashboard.ts';
import { lookRoutes } from './look.ts';
import { nodeRoutes } from './node.ts';
import { observeRoutes } from './observe.ts';
import { resealRoutes } from './reseal.ts';
import { resourceRoutes } from './resources.ts';
import { restartRoutes } from './restart.ts';
import { sessionRoutes } from './sessions.ts';

export function routes(app: FastifyInstance, context: ApiContext): void {
  nodeRoutes(app, context);
  clusterRoutes(app, context);
  restartRoutes(app, context);
  configRoutes(app, context);
  resealRoutes(app, context);
  resourceRoutes(app, context);
  observeRoutes(app, context);
  lookRoutes(app, context);
  sessionRoutes(app, context);
  dashboardRoutes(app, context);
}

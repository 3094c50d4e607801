/**
 * Puts a master together: machine, reader, broker, driver, and those who wait for them. It has a
 * file of its own, beside main.ts, so that tests put together what the process does.
 */

import { StoreReader } from '#http/reading/store-reader';
import { edgeOptionsOf, traceTo } from '#node/broker-edge';
import type { Node, NodeContext } from '#node/opening';
import { missedHeartbeatsMs, namedLogId } from '#process/node-settings';
import { isInMemory } from '#protocol/store-kind';
import { topologyOf } from '#protocol/topology';
import type { LogStore } from '#storage/log-store';
import { AppendRequests } from './append-requests';
import { MasterBroker } from './broker/master-broker';
import { QueueWatch } from './broker/queue-watch';
import type { MasterSettings } from './config';
import type { MasterEvent } from './core/events';
import { MasterMachine } from './core/master';
import type { MasterCoreSettings as CoreSettings } from './core/settings';
import type { MasterView } from './core/view';
import { MasterDriver } from './driver';
import { masterHealth, masterReadiness, memberHealth } from './health';
import type { MasterPort } from './http/ports';
import { OperatorRequests } from './operator-requests';
import { OutdatedNodes } from './outdated-nodes';

export type MasterNode = MasterPort & Required<Node>;

export function createMaster(context: NodeContext<MasterSettings>): MasterNode {
  const { settings, store, logger } = context;
  const { opened: outline, promised, checksum } = store;
  const seqOfId = (id: string) => requests.seqOfId(id);
  const machine = new MasterMachine(coreSettings(settings, store), { outline, promised, checksum, seqOfId });
  const { view } = machine;
  const reader = createReader(view, context);
  const dispatch = (event: MasterEvent) => driver.dispatch(event);
  const requests: AppendRequests = new AppendRequests({
    store,
    reader,
    dispatch,
    onDamage: context.restart,
    limit: {
      knownBytes: () => broker.sizes.limit.knownBytes,
      isKnown: (bytes) => broker.sizes.limit.isKnown(bytes),
      learn: (bytes) => broker.sizes.learn(bytes),
    },
  });
  const operators = new OperatorRequests({ next: () => requests.next(), dispatch });
  const outdated = new OutdatedNodes(logger);
  const broker = new MasterBroker(
    {
      ...edgeOptionsOf(settings),
      queueType: settings.queueType,
      queueMaxBytes: settings.queueBytesMax,
      members: () => view.members,
      holdsLog: () => view.holdsLog,
      controlExpiresMs: missedHeartbeatsMs(settings),
    },
    {
      locked: () => dispatch({ type: 'locked' }),
      up: (state) => driver.becomeUp(state),
      down: () => dispatch({ type: 'down' }),
      blockedChanged: (reason) => dispatch({ type: 'blocked', blocked: reason !== null }),
      troubleChanged: (reason) => dispatch({ type: 'brokerTrouble', reason }),
      messageLimitChanged: (bytesMax) => dispatch({ type: 'messageLimit', bytesMax }),
      message: (message, replyTo) => {
        if ('node' in message) outdated.noteUpgraded(message.node);
        dispatch({ type: 'wire', message, replyTo });
      },
      malformed: (what) => outdated.noteMalformed(what),
      callbackThrew: context.fail,
      trace: traceTo(logger),
    },
  );
  const queues = createQueueWatch(view, context);
  const driver: MasterDriver = new MasterDriver({ ...context, machine, reader, broker, queues, requests, operators });

  const members = () => memberHealth(view, queues, performance.now());
  return {
    reader,
    start: (httpUrl) => driver.start(httpUrl),
    release: () => driver.release(),
    stop: () => driver.stop(),
    append: (request, client) => requests.append(request, client),
    appendAll: (request, client) => requests.appendAll(request, client),
    appendEach: (sections, client, lines) => requests.appendEach(sections, client, lines),
    awaitConcern: (request, client) => requests.awaitConcern(request, client),
    replication: (seq) => view.replication(seq),
    members,
    removeMember: (node) => operators.changeMember('remove', node),
    admitMember: (node) => operators.changeMember('admit', node),
    forcePlan: (begin) => view.forcePlan(performance.now(), begin),
    force: (begin) => operators.force(begin),
    health: () => {
      const { shortage } = store;
      const brokerWarnings = [...broker.warnings, ...(queues?.warnings ?? [])];
      const policiesUnknown = queues === null ? 'MANAGEMENT_URL is not set' : queues.unknown;
      const said = { outdated: outdated.names, shortage, brokerWarnings, policiesUnknown };
      return masterHealth({ view, settings, members: members(), ...said }, performance.now());
    },
    readiness: () => masterReadiness(view, store.shortage, performance.now()),
  };
}

function createReader(view: MasterView, { store, restart }: NodeContext<MasterSettings>): StoreReader {
  const position = () => {
    const { head, commit, epoch, outline, phaseName } = view;
    const logHead = phaseName === 'reigning' ? head : null;
    return { head, commit, epoch: epoch.epoch, log: outline.identity, logHead };
  };
  const foreign = () => {
    const { identity: log, head: lastSeq } = view;
    return log === null || view.anotherLog(performance.now()) === null ? null : { log, lastSeq };
  };
  return new StoreReader(store, view.outline, position, restart, foreign);
}

/** Null: no management API is known. */
function createQueueWatch(view: MasterView, { settings, logger }: NodeContext<MasterSettings>): QueueWatch | null {
  const { managementUrl, urls } = settings.broker;
  if (managementUrl === null) return null;
  const topology = topologyOf(settings.logName);
  return new QueueWatch({
    managementUrl,
    amqpUrl: urls[0] ?? '',
    queueOf: (node) => topology.entriesQueue(node),
    otherQueues: () => [topology.repliesQueue, ...view.members.map((node) => topology.controlQueue(node))],
    queueBytesMax: settings.queueBytesMax,
    members: () => (view.phaseName === 'reigning' ? view.members : []),
    logger,
    now: () => performance.now(),
  });
}

/**
 * What the core is told of the settings: a standby, and a node that follows a log by its id, begin
 * none. A permission in this very folder says what LOG_ID=new says, once.
 */
function coreSettings(settings: MasterSettings, store: LogStore): CoreSettings {
  const logId = namedLogId(settings);
  const mode = settings.logId === 'new' || store.mayBegin ? 'new' : 'auto';
  const birth = settings.standby || logId !== null ? 'never' : mode;
  const { nodeId: node } = settings;
  return { ...settings, node, store: store.storeId, birth, logId, inMemory: isInMemory(store.kind) };
}

/**
 * Puts a secondary together: machine, reader, broker, driver and injected faults. It has a file of
 * its own, beside main.ts, so that tests put together what the process does.
 */

import { StoreReader } from '#http/reading/store-reader';
import { edgeOptionsOf, traceTo } from '#node/broker-edge';
import type { Node, NodeContext } from '#node/opening';
import { logEvent } from '#process/logger';
import { missedHeartbeatsMs, namedLogId } from '#process/node-settings';
import { isInMemory } from '#protocol/store-kind';
import { SecondaryBroker } from './broker/secondary-broker';
import { CatchUpReport } from './catch-up-report';
import type { SecondarySettings } from './config';
import { secondaryParts } from './core/parts';
import { SecondaryMachine } from './core/secondary';
import type { SecondaryView } from './core/view';
import { SecondaryDriver } from './driver';
import { FaultInjector } from './faults/injector';
import { secondaryHealth, secondaryReadiness } from './health';
import type { SecondaryPort } from './http/ports';

type SecondaryNode = SecondaryPort & Node;

/** Creates a node that is not started. */
export function createSecondary(context: NodeContext<SecondarySettings>): SecondaryNode {
  const { settings, logger } = context;
  const machine = createMachine(context);
  const { view } = machine;
  const reader = createReader(view, context);
  const injector = new FaultInjector(settings.faults, Math.random);
  const catchUp = new CatchUpReport(view, logger);
  const heardWithinMs = missedHeartbeatsMs(settings);
  const broker = new SecondaryBroker(
    { ...edgeOptionsOf(settings), heartbeatExpiresMs: heardWithinMs, controlSilenceMs: 2 * heardWithinMs },
    {
      locked: () => driver.dispatch({ type: 'locked' }),
      up: () => driver.dispatch({ type: 'up' }),
      down: () => driver.becomeDown(),
      // Asked for when they are shown.
      blockedChanged: () => undefined,
      troubleChanged: () => undefined,
      messageLimitChanged: () => undefined,
      control: (message, replyTo) => driver.receiveControl(message, replyTo),
      delivery: (message, handle) => driver.receiveDelivery(message, handle),
      entriesMissing: () => driver.dispatch({ type: 'entriesMissing' }),
      malformed: (what) => logEvent(logger, 'warn', 'wire.malformed', what),
      callbackThrew: context.fail,
      trace: traceTo(logger),
    },
  );
  const driver: SecondaryDriver = new SecondaryDriver({ ...context, machine, reader, broker, injector, catchUp });

  return {
    reader,
    start: (httpUrl) => driver.start(httpUrl),
    stop: () => driver.stop(),
    health: () => {
      const { shortage } = context.store;
      const { warnings } = broker;
      const edge = { broker: broker.status(), warnings };
      return secondaryHealth({ node: settings.nodeId, view, ...edge, catchUp: catchUp.read(), shortage });
    },
    readiness: () => secondaryReadiness(view, broker.status().trouble),
    masterUrl: () => view.masterUrl,
    faults: () => injector.settings,
    setFaults: (change) => driver.setFaults(change),
  };
}

function createMachine({ settings, store }: NodeContext<SecondarySettings>): SecondaryMachine {
  const self = { node: settings.nodeId, store: store.storeId };
  const inMemory = isInMemory(store.kind);
  const { opened: outline, promised, checksum } = store;
  const machineSettings = { ...settings, ...self, inMemory, logId: namedLogId(settings) };
  return new SecondaryMachine(secondaryParts(machineSettings, { outline, promised, checksum }));
}

function createReader(view: SecondaryView, { store, restart }: NodeContext<SecondarySettings>): StoreReader {
  const position = () => {
    const { applied: head, head: logHead, commit, epoch, outline, masterUrl } = view;
    return { head, commit, epoch, log: outline.identity, logHead: masterUrl === null ? null : logHead };
  };
  const foreign = () => {
    const { foreignMaster, identity: log, applied: lastSeq } = view;
    return foreignMaster === null || log === null ? null : { log, lastSeq };
  };
  return new StoreReader(store, view.outline, position, restart, foreign);
}

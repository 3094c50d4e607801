/**
 * Drives the machine of a node: gives it events and ticks, and performs the effects that both roles
 * have. These are the effects on the store and on the process. A driver decides nothing about the
 * log.
 *
 * Each role adds its own effects in an exhaustive switch (`perform`), so that a new kind of effect
 * does not compile until it is performed.
 */

import type { Logger } from 'pino';
import { MachineDriver } from '#process/driver';
import { logEvent } from '#process/logger';
import { TICK_MS } from '#process/node-settings';
import { PromiseKeeper } from '#process/promise-keeper';
import type { Group } from '#protocol/log/group-commit';
import type { LogEffect } from '#protocol/log/replica-log';
import type { Promised } from '#protocol/promised';
import { type LogStore, StorageError } from '#storage/log-store';
import { isPassing } from '#storage/storage-fault';
import type { Node } from './opening';

/** How often the store is asked again for what it refused for want of room. */
const STORE_RETRY_MS = 500;

/** Effects that both machines have. */
export type SharedEffect =
  | LogEffect
  | { readonly do: 'savePromise'; readonly promised: Promised }
  | { readonly do: 'renewStore' }
  | { readonly do: 'halt'; readonly why: string };

/** The events that report the end of these effects. `random` in [0, 1). */
export type SharedEvent =
  | { readonly type: 'stored'; readonly generation: number; readonly checksum: number; readonly random: number }
  | {
      readonly type: 'storeFailed';
      readonly generation: number;
      readonly fatal: boolean;
      readonly what: string;
      readonly random: number;
    }
  | { readonly type: 'promiseSaved'; readonly promised: Promised };

/** A core, as its driver uses it. */
interface Machine<Event, Effect> {
  /** URL of this node's HTTP edge, as other nodes learn it. */
  httpUrl: string;
  /** Takes an event. `now`: milliseconds of a monotonic clock. */
  step(now: number, event: Event): readonly Effect[];
}

/** The parts of a driver. */
export interface DriverParts<Event, Effect> {
  readonly machine: Machine<Event, Effect>;
  readonly store: LogStore;
  /** Called when the head or the commit index that readers see has changed. */
  readonly reader: { moved(): void };
  readonly broker: { start(): void; close(): Promise<void> };
  readonly logger: Logger;
  /** Ends the process: an invariant or the store is broken. */
  readonly fail: (error: unknown) => void;
  /** Ends the process in order: the next start repairs the fault. */
  readonly restart: (error: unknown) => void;
}

/** The shared part of a role's driver. */
export abstract class NodeDriver<Event, Effect, Parts extends DriverParts<Event | SharedEvent, Effect>>
  implements Node
{
  private readonly loop: MachineDriver<Event | SharedEvent, Effect>;
  private readonly promises: PromiseKeeper;
  private ticker: NodeJS.Timeout | null = null;

  constructor(protected readonly parts: Parts) {
    const { machine, store, logger, fail } = parts;
    this.loop = new MachineDriver({
      step: (now, event) => machine.step(now, event),
      perform: (effect) => this.perform(effect),
      fail,
    });
    const saved = (promised: Promised) => this.dispatch({ type: 'promiseSaved', promised });
    this.promises = new PromiseKeeper({ store, logger, fail, saved });
  }

  start(httpUrl: string): void {
    this.parts.machine.httpUrl = httpUrl;
    this.parts.broker.start();
    this.ticker = setInterval(() => this.tick(), TICK_MS);
  }

  async stop(): Promise<void> {
    if (this.ticker !== null) clearInterval(this.ticker);
    await this.parts.broker.close();
    await this.parts.store.close();
  }

  dispatch(event: Event | SharedEvent): void {
    this.loop.dispatch(event);
  }

  protected abstract perform(effect: Effect): void;

  /** Tells the machine that time has passed. */
  protected abstract tick(): void;

  protected performShared(effect: SharedEffect): void {
    const { store, reader, logger, fail } = this.parts;
    switch (effect.do) {
      case 'store':
        return this.store(effect);
      case 'savePromise':
        return this.promises.save(effect.promised);
      case 'truncate':
        return this.run(store.truncateAfter(effect.index));
      case 'renewStore':
        return this.run(this.renewStore());
      case 'visible':
        return reader.moved();
      case 'halt':
        return fail(new Error(effect.why));
      case 'trace':
        return logEvent(logger, effect.level, effect.event, effect.facts);
    }
  }

  /** Runs work in the background. A rejection ends the process, unless the node is stopping. */
  protected run(work: Promise<unknown>): void {
    work.catch((error: unknown) => {
      if (!isClosing(error)) this.parts.fail(error);
    });
  }

  /**
   * Work on the store that has no answer but success: repeated while the disk is full or no file
   * descriptor is free.
   */
  protected async untilRoom<T>(work: () => Promise<T>): Promise<T> {
    for (;;) {
      try {
        return await work();
      } catch (error) {
        if (!isPassing(error)) throw error;
        logEvent(this.parts.logger, 'warn', 'disk.waiting', { err: error });
      }
      await new Promise((resolve) => setTimeout(resolve, STORE_RETRY_MS));
    }
  }

  private store({ generation, records }: Group): void {
    const { store } = this.parts;
    store.append(records).then(
      () => this.dispatch({ type: 'stored', generation, checksum: store.checksum, random: Math.random() }),
      (error: unknown) => {
        if (isClosing(error)) return;
        this.dispatch({ type: 'storeFailed', generation, ...writeFailureOf(error), random: Math.random() });
      },
    );
  }

  /** Ends the process. The next start gives the store a new id and keeps its records. */
  private async renewStore(): Promise<void> {
    await this.untilRoom(() => this.parts.store.renew());
    this.parts.restart(new Error('the store lacks what it has acknowledged, and becomes another one'));
  }
}

/**
 * Whether a write failed because this node has closed its store. The node is stopping: no peer was
 * told of the write, and nothing is broken.
 */
function isClosing(error: unknown): boolean {
  return error instanceof StorageError && error.code === 'closed';
}

/**
 * The failure of a write as a machine's event carries it. An error that is not a `StorageError`
 * counts as fatal.
 */
export function writeFailureOf(error: unknown): { readonly fatal: boolean; readonly what: string } {
  if (error instanceof StorageError) return { fatal: error.fatal, what: error.message };
  return { fatal: true, what: error instanceof Error ? error.message : String(error) };
}

/**
 * The supervisor: a small process between whoever wants a broker (the owner) and the broker, so
 * that the broker never outlives its owner. The owner holds the other end of our stdin; the system
 * closes it however the owner ends, SIGKILL included. End of input therefore means: stop the
 * broker, clean up, exit.
 *
 * stdin   first line: what to supervise (Supervision); each further line one Request
 * stdout  one Reply for every request, in order; a Notice when the broker dies unasked
 * argv    the data folder, by which a later run recognizes us
 *
 * A second supervisor of one data folder ends at once, because the record of the first is there
 * (leftover.ts).
 */

import { rmSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { ContainerProcess, type ContainerSpec } from '../container/process';
import { messageOf } from '../errors';
import { NodeProcess, type NodeProcessSpec } from '../installed/process';
import { claimRun, forgetRun, type RunRecord, recorded, updateRun } from './leftover';
import type { SupervisedBroker, SupervisionEvents } from './supervised';

export interface Supervision {
  readonly dataDir: string;
  /** Everything, the data folder too, is deleted at the end. */
  readonly temporary: boolean;
  readonly broker: NodeProcessSpec | ContainerSpec;
}

export const requests = ['start', 'halt', 'kill', 'wipe'] as const;

export interface Request {
  readonly id: number;
  readonly request: (typeof requests)[number];
}

/** id 0 answers the first line. */
export type Reply = { readonly id: number; readonly error?: string };

export type Notice = { readonly died: string };

class Supervisor {
  private record: RunRecord;
  private readonly broker: SupervisedBroker;
  private work: Promise<void> = Promise.resolve();
  private ending = false;

  constructor(private readonly supervision: Supervision) {
    const { dataDir, broker } = supervision;
    const owner = recorded(process.ppid, '');
    const supervisor = recorded(process.pid, dataDir);
    if (!owner || !supervisor) throw new Error('the owner has already ended');
    this.record = { owner, supervisor, started: [] };
    claimRun(dataDir, this.record);
    const events: SupervisionEvents = {
      died: (how) => say({ died: how }),
      running: (processes) => {
        const started = processes.flatMap(({ pid, mark }) => recorded(pid, mark) ?? []);
        this.record = { ...this.record, started };
        updateRun(dataDir, this.record);
      },
    };
    this.broker = broker.kind === 'container' ? new ContainerProcess(broker, events) : new NodeProcess(broker, events);
  }

  accept({ id, request }: Request): void {
    this.enqueue(async () => {
      try {
        await this.broker[request]();
        say({ id });
      } catch (error) {
        say({ id, error: messageOf(error) });
      }
    });
  }

  end(): void {
    if (this.ending) return;
    this.ending = true;
    this.enqueue(async () => {
      const { dataDir, temporary } = this.supervision;
      await this.broker.halt();
      await this.broker.dispose(temporary);
      forgetRun(dataDir);
      if (temporary) rmSync(dataDir, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
    });
    this.work.then(
      () => process.exit(0),
      (error: unknown) => fail(error),
    );
  }

  private enqueue(job: () => Promise<void>): void {
    this.work = this.work.then(job);
  }
}

function say(line: Reply | Notice): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

function fail(error: unknown): never {
  console.error(error);
  process.exit(1);
}

function main(): void {
  // Writing to an owner that has gone is not an error: the end of stdin says the same and is acted
  // upon.
  process.stdout.on('error', () => undefined);
  let supervisor: Supervisor | undefined;
  const input = createInterface({ input: process.stdin });
  input.on('line', (line) => {
    if (supervisor) {
      supervisor.accept(JSON.parse(line) as Request);
      return;
    }
    try {
      supervisor = new Supervisor(JSON.parse(line) as Supervision);
      say({ id: 0 });
    } catch (error) {
      say({ id: 0, error: messageOf(error) });
      fail(error);
    }
  });
  const end = () => (supervisor ? supervisor.end() : process.exit(0));
  input.on('close', end);
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, end);
}

if (require.main === module) main();

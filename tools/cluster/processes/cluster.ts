/**
 * The nodes together: started at once (they find each other, in whatever order they come up),
 * stopped at once, and what is said on the terminal about each of them in between. One node's end
 * is nobody else's: everything else goes on.
 */
import { relative } from 'node:path';
import pino from 'pino';
import { LaunchError } from '../launch-error';
import type { BrokerAddress, NodePlan } from '../plan/cluster-plan';
import { environmentOf } from '../plan/cluster-plan';
import type { LauncherSettings } from '../settings';
import { LogFile } from '../terminal/log-file';
import { LogView } from '../terminal/log-view';
import { NodeProcess } from './node-process';
import { awaitReady, type Readiness } from './readiness';
import { type AfterEnd, describeEnd, type NodeEnd } from './restart-policy';

/** A node with a long log, on a busy machine. */
export const READY_MS_MAX = 60_000;

export interface ClusterOptions {
  readonly settings: LauncherSettings;
  readonly nodes: readonly NodePlan[];
  readonly broker: BrokerAddress;
  /** LOG_ID of every node; null: what the environment says. */
  readonly logId: string | null;
  /** How long start() waits for all to be ready. */
  readonly readyMsMax: number;
  readonly logsDir: string;
  readonly signal: AbortSignal;
  readonly say: (text: string) => void;
}

interface Member {
  readonly plan: NodePlan;
  readonly process: NodeProcess;
  readonly view: LogView;
  readonly file: LogFile;
}

export interface StartedNode {
  readonly plan: NodePlan;
  readonly pid: number | null;
  readonly readiness: Readiness;
}

export class Cluster {
  private readonly members: readonly Member[];
  private readonly startFailed = new AbortController();
  /** While the first start is waited for, the table tells who is ready. */
  private isStarting = true;

  constructor(private readonly options: ClusterOptions) {
    this.members = options.nodes.map((plan) => this.createMember(plan));
  }

  /**
   * Returns when all are ready, or the time for it is over. @throws LaunchError when a node cannot
   * run; the signal's reason.
   */
  async start(): Promise<readonly StartedNode[]> {
    this.startStopped();
    const signal = AbortSignal.any([this.options.signal, this.startFailed.signal]);
    const waits = this.members.map(async ({ plan, process }) => {
      const readiness = await awaitReady(plan.url, { boundMs: this.options.readyMsMax, signal });
      return { plan, pid: process.pid, readiness };
    });
    const started = await Promise.all(waits);
    this.isStarting = false;
    return started;
  }

  /** Starts whoever is down, cutting short the wait for a restart. */
  startStopped(): void {
    for (const { process } of this.members) process.start();
  }

  /** Returns when all are gone. The names of those that had to be killed. */
  async stop(boundMs: number): Promise<readonly string[]> {
    const isOrderly = await Promise.all(this.members.map(({ process }) => process.stop(boundMs)));
    for (const { file } of this.members) file.close();
    return this.members.filter((_, index) => !isOrderly[index]).map(({ plan }) => plan.name);
  }

  private createMember(plan: NodePlan): Member {
    const { settings, logsDir, say } = this.options;
    const file = new LogFile(logsDir, plan.name, say);
    const view = new LogView({
      node: plan.name,
      level: settings.logLevel,
      isColored: process.stdout.isTTY,
      show: (text, level) => this.showLog(text, level),
    });
    const node = new NodeProcess({
      role: plan.role,
      environment: environmentOf(plan, this.options),
      onLine: (line) => {
        file.append(line);
        view.take(line);
      },
      onStart: (pid) => this.noteStart(member, pid),
      onEnd: (end, after) => this.noteEnd(member, end, after),
    });
    const member: Member = { plan, process: node, view, file };
    return member;
  }

  /**
   * That the others are not there yet, or go, is worth a warning of every node, and no news to
   * anybody who has just started or stopped them all: such lines are in the files only, unless more
   * than warnings were asked for.
   */
  private showLog(text: string, level: number | null): void {
    const isExpected =
      this.isStarting && this.options.settings.logLevel === 'warn' && level === pino.levels.values.warn;
    if (!isExpected) this.show(text);
  }

  private show(text: string): void {
    if (!this.options.signal.aborted) this.options.say(text);
  }

  private noteStart({ plan, view }: Member, pid: number): void {
    view.forgetTail();
    if (this.isStarting) return;
    this.options.say(`${plan.name} is started again (pid ${pid}).`);
    awaitReady(plan.url, { boundMs: READY_MS_MAX, signal: this.options.signal }).then(
      (readiness) =>
        this.show(readiness.ready ? `${plan.name} is ready.` : `${plan.name} is not ready yet: ${readiness.reason}.`),
      (error: unknown) => {
        if (!this.options.signal.aborted) throw error;
      },
    );
  }

  private noteEnd({ plan, view, file }: Member, end: NodeEnd & { readonly pid: number }, after: AfterEnd): void {
    if (this.options.signal.aborted) return;
    const what = `${plan.name} (pid ${end.pid}) ended: ${describeEnd(end)}.`;
    const log = relative(process.cwd(), file.path);
    const tail = `Its last lines, from ${log}:\n${view.tail()}`;
    if (after.next === 'hopeless' && this.isStarting) {
      this.startFailed.abort(new LaunchError(`${what} ${tail}`, { exitCode: end.code ?? 1 }));
      return;
    }
    const again = `kill -USR2 ${process.pid}`;
    if (after.next === 'stays-down') {
      this.options.say(`${what} Everything else goes on. It stays down until you start it again: ${again}`);
      return;
    }
    const sequel =
      after.next === 'restart'
        ? `It is started again in ${after.delayMs / 1000} s; at once with: ${again}`
        : `It is not started again by itself: mend this first, then: ${again}`;
    this.options.say(`${what} Everything else goes on. ${tail}\n${sequel}`);
  }
}

/**
 * What a chaos run hurts: a master, a standby, secondaries and a broker of its own, each node
 * behind a network of its own (tcp-proxy.ts). All of it is started by this run, and ended by it, by
 * process id.
 */
import { cpSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { type QueueType, topologyOf } from '#protocol/topology';
import type { OwnBroker } from '#tools/broker/own-broker';
import { type Answer, type Asked, ask } from '../support/http/ask';
import { RealProcess } from '../support/real/process';
import { TcpProxy } from '../support/real/tcp-proxy';
import { type ForeignFolder, makeForeignFolder } from './faults/foreign-log';

export const MASTERS = ['master', 'standby'] as const;
export const SECONDARIES = ['secondary-1', 'secondary-2', 'secondary-3', 'secondary-4'] as const;
export const NODES: readonly string[] = [...MASTERS, ...SECONDARIES];
/** Is not there when the others begin. */
export const LATE = 'secondary-4';

const LISTENS_MS = 60_000;
/** A supervisor's pause before it starts again what has ended by itself. */
const RESTART_MS = 500;
/** How a node ends that has asked to be started again. */
const EXIT_RESTART = '74';

interface Slot {
  readonly proxy: TcpProxy;
  process: RealProcess | null;
  url: string | null;
  /** Nobody starts it but the one who stopped it. */
  isHeldDown: boolean;
  /** It was told to become another store: that it asks to be started again is no surprise. */
  mayRestart: boolean;
}

/** A folder as it was at some moment. */
export interface FolderCopy {
  readonly folder: string;
  readonly store: string;
}

interface ChaosOptions {
  readonly dir: string;
  readonly seed: number;
  readonly queueType: QueueType;
}

export class ChaosCluster {
  readonly log: string;
  /** Ends that nobody has asked for, with what was said last. */
  readonly deaths: { readonly node: string; readonly at: number; readonly how: string; readonly said: string }[] = [];
  private readonly slots = new Map<string, Slot>();
  /** Every process that was started, for what it has logged. */
  private readonly lives: RealProcess[] = [];
  private copies = 0;
  private elsewhere: ForeignFolder | null = null;
  private isOver = false;

  private constructor(
    readonly broker: OwnBroker,
    private readonly options: ChaosOptions,
  ) {
    this.log = `chaos-${options.seed}`;
  }

  static async open(broker: OwnBroker, options: ChaosOptions): Promise<ChaosCluster> {
    const cluster = new ChaosCluster(broker, options);
    for (const node of NODES) {
      const proxy = await TcpProxy.open(broker.amqpUrl);
      cluster.slots.set(node, { proxy, process: null, url: null, isHeldDown: true, mayRestart: false });
    }
    const { log: logName } = cluster;
    cluster.elsewhere = await makeForeignFolder({ broker, logName, dir: join(options.dir, 'elsewhere') });
    await Promise.all(NODES.filter((node) => node !== LATE).map((node) => cluster.start(node)));
    return cluster;
  }

  /** A folder of another log with this one's name. */
  get foreign(): ForeignFolder {
    if (this.elsewhere === null) throw new Error('there is no other log');
    return this.elsewhere;
  }

  get topology(): ReturnType<typeof topologyOf> {
    return topologyOf(this.log);
  }

  proxyOf(node: string): TcpProxy {
    return this.slot(node).proxy;
  }

  /** The running process; null while there is none. */
  processOf(node: string): RealProcess | null {
    const { process } = this.slot(node);
    return process?.isRunning === true ? process : null;
  }

  /** Address of the node's HTTP edge; null until it was up once. */
  urlOf(node: string): string | null {
    return this.slot(node).url;
  }

  async ask(node: string, asked: Asked): Promise<Answer> {
    const url = this.urlOf(node);
    if (url === null || this.processOf(node) === null) throw new NotRunning(node);
    return ask(url, asked);
  }

  /** Starts it, if it does not run; resolves when it listens. */
  async start(node: string): Promise<void> {
    const slot = this.slot(node);
    slot.isHeldDown = false;
    if (this.isOver || slot.process?.isRunning === true) return;
    const script = MASTERS.some((each) => each === node) ? 'services/master/main.js' : 'services/secondary/main.js';
    const process = RealProcess.start({ name: node, script, env: this.environmentOf(node) });
    slot.process = process;
    this.lives.push(process);
    void process.exited.then(({ code, signal }) => this.noticeEnd(node, process, `${code ?? signal}`));
    const { url } = await process.line('that it listens', ({ msg }) => msg === 'listening', LISTENS_MS);
    slot.url = String(url);
  }

  /** SIGKILL; it stays down until `start`. */
  async kill(node: string): Promise<void> {
    const slot = this.slot(node);
    slot.isHeldDown = true;
    await slot.process?.end('SIGKILL');
  }

  /** The node's folder is gone; it must be down. */
  wipe(node: string): void {
    rmSync(this.dataDirOf(node), { recursive: true, force: true });
  }

  /** Of a node that is down. */
  copyFolder(node: string): FolderCopy {
    this.copies += 1;
    const folder = join(this.options.dir, `copy-${this.copies}`);
    cpSync(this.dataDirOf(node), folder, { recursive: true });
    return { folder, store: storeIn(folder) };
  }

  /** Puts another folder in the place of the node's own; it must be down. */
  putFolder(node: string, folder: string): void {
    this.wipe(node);
    cpSync(folder, this.dataDirOf(node), { recursive: true });
  }

  /** Id of the store in the node's folder. */
  storeOf(node: string): string {
    return storeIn(this.dataDirOf(node));
  }

  /** The node may ask, until further notice, to be started again. */
  allowRestart(node: string, mayRestart: boolean): void {
    this.slot(node).mayRestart = mayRestart;
  }

  signal(node: string, signal: 'SIGSTOP' | 'SIGCONT'): void {
    this.processOf(node)?.signal(signal);
  }

  /** Lines that the node's present process has logged. */
  lineCount(node: string, sentence: string): number {
    return this.slot(node).process?.linesOf(sentence).length ?? 0;
  }

  /** How often any process of the node has logged it. */
  everLogged(node: string, sentence: string): number {
    const lives = this.lives.filter(({ name }) => name === node);
    return lives.reduce((sum, process) => sum + process.linesOf(sentence).length, 0);
  }

  /** What all of them have logged, in the order of time. */
  logText(): string {
    const lines = this.lives.flatMap(({ lines }) => lines);
    lines.sort((a, b) => String(a.time).localeCompare(String(b.time)));
    return lines.map((line) => `${JSON.stringify(line)}\n`).join('');
  }

  async close(): Promise<void> {
    this.isOver = true;
    await Promise.all([...this.slots.values()].map(async ({ process }) => process?.end('SIGKILL')));
    await Promise.all([...this.slots.values()].map(({ proxy }) => proxy.close()));
    rmSync(this.options.dir, { recursive: true, force: true });
  }

  private noticeEnd(node: string, process: RealProcess, how: string): void {
    const slot = this.slot(node);
    if (slot.isHeldDown || this.isOver) return;
    const said = [process.said.stderr, ...process.lines.slice(-5).map((line) => JSON.stringify(line))].join('\n');
    if (!slot.mayRestart || how !== EXIT_RESTART) this.deaths.push({ node, at: performance.now(), how, said });
    setTimeout(() => {
      if (!slot.isHeldDown) this.start(node).catch((error: unknown) => this.cannotStart(node, error));
    }, RESTART_MS);
  }

  private cannotStart(node: string, error: unknown): void {
    this.deaths.push({ node, at: performance.now(), how: 'did not start', said: String(error) });
  }

  private environmentOf(node: string): Readonly<Record<string, string>> {
    const role = node === 'standby' ? { STANDBY: 'true' } : {};
    return {
      NODE_ID: node,
      HTTP_PORT: '0',
      LOG_NAME: this.log,
      LOG_LEVEL: 'info',
      AMQP_URL: this.proxyOf(node).url,
      DATA_DIR: this.dataDirOf(node),
      SECONDARIES: SECONDARIES.join(','),
      QUEUE_TYPE: this.options.queueType,
      ...role,
    };
  }

  dataDirOf(node: string): string {
    mkdirSync(this.options.dir, { recursive: true });
    return join(this.options.dir, node);
  }

  private slot(node: string): Slot {
    const slot = this.slots.get(node);
    if (slot === undefined) throw new Error(`there is no ${node}`);
    return slot;
  }
}

function storeIn(folder: string): string {
  // Behind the value is a line with its checksum.
  const [line = ''] = readFileSync(join(folder, 'store.json'), 'utf8').split('\n', 1);
  return (JSON.parse(line) as { storeId: string }).storeId;
}

/** Nobody was asked: nothing can have come of it. */
export class NotRunning extends Error {
  constructor(node: string) {
    super(`${node} does not run`);
    this.name = 'NotRunning';
  }
}

/**
 * The launcher's RabbitMQ: provided in whatever way this machine has (tools/broker/provide.ts),
 * started again when it dies, stopped at the end. While it is down the nodes keep what they have
 * and come back to it by themselves, at the same address.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { Environment } from '#process/settings';
import { retryDelayMs } from '#protocol/retry-policy';
import { settlesWithin } from '#tools/broker/bounded';
import { BrokerError, messageOf } from '#tools/broker/errors';
import type { OwnBroker } from '#tools/broker/own-broker';
import { type ProvidedBroker, provideBroker, WAYS } from '#tools/broker/provide';
import { LaunchError } from '../launch-error';

/**
 * Apart from RabbitMQ's own 5672 and 15672, which the machine's broker may have; another free one
 * when they are taken.
 */
const PORTS = { amqp: 5690, management: 15_690 };

/**
 * The first restart comes at once: a broker has no reason to be down that is worth watching for
 * long.
 */
const RESTART = { delayMsMin: 1_000, delayMsMax: 30_000 };

export interface BrokerKeeperOptions {
  /** null: in a temporary folder, deleted at the end. */
  readonly dataDir: string | null;
  readonly environment: Environment;
  readonly mayInstall: boolean;
  readonly signal: AbortSignal;
  readonly say: (line: string) => void;
}

export class BrokerKeeper {
  private provided: ProvidedBroker | null = null;

  constructor(private readonly options: BrokerKeeperOptions) {}

  /** @throws LaunchError; the signal's reason. In both cases nothing of it runs. */
  async provide(): Promise<ProvidedBroker> {
    const { dataDir, environment, mayInstall, signal, say } = this.options;
    try {
      this.provided = await provideBroker({
        ...(dataDir !== null && { dataDir }),
        name: 'rlog',
        env: environment,
        ways: mayInstall ? WAYS : WAYS.filter((way) => way !== 'install'),
        ports: PORTS,
        log: (line) => say(`  ${line}`),
        signal,
        onDied: (how) => this.noteDeath(how),
      });
      return this.provided;
    } catch (cause) {
      if (cause instanceof BrokerError) throw new LaunchError(cause.message, { cause });
      throw cause;
    }
  }

  /** False: it takes longer than that; its supervisor goes on stopping it. */
  stop(boundMs: number): Promise<boolean> {
    return settlesWithin(Promise.resolve(this.provided?.stop()), boundMs);
  }

  private noteDeath(how: string): void {
    const broker = this.provided;
    if (broker === null || broker.kind === 'given' || this.options.signal.aborted) return;
    this.options.say(`RabbitMQ died (${how}). The nodes wait for it; it is started again.`);
    this.revive(broker).catch((error: unknown) => {
      if (!this.options.signal.aborted) this.options.say(`RabbitMQ is not started again: ${messageOf(error)}`);
    });
  }

  private async revive(broker: OwnBroker): Promise<void> {
    const { signal, say } = this.options;
    for (let attempt = 1; ; attempt += 1) {
      await delay(retryDelayMs(RESTART, attempt, Math.random()), undefined, { signal });
      try {
        await broker.start(signal);
        say('RabbitMQ is back.');
        return;
      } catch (error) {
        if (signal.aborted || (error instanceof BrokerError && error.code !== 'start-failed')) throw error;
        say(`RabbitMQ does not start: ${messageOf(error)}`);
      }
    }
  }
}

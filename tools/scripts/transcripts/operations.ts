/**
 * The transcripts of docs/operations.md: starts a cluster with `npm start` in an empty folder, and
 * has its nodes lose and exchange their folders. In the end the folder is deleted; where RabbitMQ
 * was a container, its volume too.
 */
import { join } from 'node:path';
import { ROOT } from '../build';
import { health, post, removeVolume, startCluster, untilAllVote } from './cluster';
import { type Place, type Running, run, type Terminal, transcribe, until } from './terminal';

const append = (message: string) => post(`{"message": "${message}"}`);
const fields = (port: number, names: string) =>
  `curl -s localhost:${port}/health | node -pe 'const {${names}} = JSON.parse(fs.readFileSync(0)); ({${names}})'`;

/** @param home an empty folder. Resolves with the transcripts by the names of their marks. */
export function operations(home: string): Promise<Record<string, string>> {
  return new Operations(home).run();
}

class Operations {
  private readonly place: Place;
  private readonly started: Running[] = [];

  constructor(private readonly home: string) {
    const data = join(home, 'data');
    this.place = {
      cwd: ROOT,
      real: (command) => command.replaceAll('./data', data),
      // Without the noise of the build.
      shown: (text) =>
        text
          .replaceAll(data, './data')
          .replaceAll(/\S*\.\.\/\S*\/data\//g, './data/')
          .replaceAll('building …\n', '')
          .trimEnd(),
    };
  }

  async run(): Promise<Record<string, string>> {
    const transcript = (use: (terminal: Terminal) => Promise<void>) => transcribe(this.place, use.bind(this));
    try {
      return {
        identity: await transcript(this.identity),
        inspect: await transcript(this.inspect),
        begin: await transcript(this.begin),
        foreign: await transcript(this.foreign),
        force: await transcript(this.force),
      };
    } finally {
      await this.stop();
      for (const cluster of this.started) await removeVolume(this.place, cluster);
    }
  }

  private async start(environment = ''): Promise<Running> {
    const command = `${environment} node tools/scripts/run.js tools/scripts/start.ts --data ./data`;
    const cluster = await startCluster(this.place, command);
    this.started.push(cluster);
    return cluster;
  }

  private async stop(): Promise<void> {
    await this.started.at(-1)?.stop();
  }

  private async identity(terminal: Terminal): Promise<void> {
    await this.start();
    await run(this.place, append('one'));
    await run(this.place, append('two'));
    await terminal.type(fields(8000, 'status, log, voters'));
    await terminal.type('cat ./data/log-id');
    await this.stop();
  }

  private async inspect(terminal: Terminal): Promise<void> {
    await terminal.type('npm run -s inspect -- ./data/secondary-1');
    await terminal.type('npm run -s inspect -- ./data/secondary-1 --entries 2> /dev/null');
  }

  private async begin(terminal: Terminal): Promise<void> {
    await terminal.type('npm run -s begin -- ./data/new-master');
    await terminal.type('npm run -s inspect -- ./data/new-master');
    await terminal.type('npm run -s begin -- ./data/master');
    await run(this.place, 'rm -r ./data/new-master');
  }

  /** secondary-2 comes with the folder of a log that was begun somewhere else. */
  private async foreign(terminal: Terminal): Promise<void> {
    await this.exchangeFolder();
    terminal.say('with the kept id the node does not start, and npm start says why');
    terminal.show('npm start', this.said(await this.start(), 'secondary-2 (pid'));
    terminal.say('with LOG_ID=auto it runs, and takes part in nothing');
    await this.start('LOG_ID=auto');
    await until('the master has heard of it', async () => ((await health()).foreign as unknown[]).length === 1);
    terminal.show('LOG_ID=auto npm start', '…');
    await terminal.type(fields(8000, 'status, log, foreign'));
    await terminal.type(fields(8002, 'status, log, applied, foreign'));
    await terminal.type('curl -s localhost:8002/messages');
    terminal.say('look at what it holds, by the id of its log');
    await terminal.type(`curl -s 'localhost:8002/messages?log=${(await health(8002)).log}'`);
    await this.stop();
    terminal.say('stop it, save what it holds, give it an empty folder, and start again');
    await terminal.type('npm run -s inspect -- ./data/secondary-2 --entries > ./data/saved.ndjson 2> /dev/null');
    await terminal.type('cat ./data/saved.ndjson');
    await terminal.type('mv ./data/secondary-2 ./data/secondary-2.foreign');
    await this.start();
    await untilAllVote();
    terminal.show('npm start', '…');
    await terminal.type(fields(8000, 'status, log, voters'));
    await this.stop();
  }

  private async exchangeFolder(): Promise<void> {
    await run(this.place, `mv ./data ${this.home}/kept`);
    await this.start('LOG_NAME=rlog');
    await run(this.place, append('of another log'));
    await until('secondary-2 has it', async () => (await health(8002)).applied === 1);
    await this.stop();
    await run(this.place, `rm -r ${this.home}/kept/secondary-2 && mv ./data/secondary-2 ${this.home}/kept`);
    await run(this.place, `mv ./data ${this.home}/spare && mv ${this.home}/kept ./data`);
  }

  private async force(terminal: Terminal): Promise<void> {
    terminal.say('two of three folders are lost');
    await terminal.type('rm -r ./data/secondary-1 ./data/secondary-2');
    const cluster = await this.start();
    terminal.show('npm start', `…\n${this.said(cluster, 'The master is recovering', '\nTry it')}`);
    const command = 'npm run -s force -- --url http://127.0.0.1:8000 --log rlog';
    const output = await run(this.place, command, 'rlog\n');
    terminal.show(command, output.replace('to force it: ', 'to force it: rlog\n'));
    await untilAllVote();
    await terminal.type(fields(8000, 'status, log, branch, forcedEpoch, voters'));
  }

  /** A part of what the cluster has printed. @param to left out: the end */
  private said({ text }: Running, from: string, to?: string): string {
    const start = text.indexOf(from);
    if (start < 0) throw new Error(`npm start did not say: ${from}`);
    return this.place.shown(text.slice(start, to === undefined ? undefined : text.indexOf(to, start)));
  }
}

/**
 * Which way a broker is provided on this machine: a pure function of the facts found so far, asked
 * again whenever one of its own proposals (pulling an image, installing a package) has turned out
 * one way or the other. The first way that applies wins; the order is from "the user said so" over
 * "leaves nothing behind" to "changes the machine".
 */

export interface Facts {
  readonly amqpUrl: string | undefined;
  readonly docker: DockerFact;
  /** The server script to start, or why there is none. */
  readonly server: { readonly script: string; readonly epmd: string } | { readonly missing: string };
  readonly platform: Platform;
  /** Set once the installation has been tried, or the user has said no to it. */
  readonly installRefused?: string | undefined;
}

export type DockerFact =
  /** No engine, one of another machine, or one whose container did not come up. */
  | { readonly state: 'unusable'; readonly why: string }
  | { readonly state: 'image-missing' }
  | { readonly state: 'ready' };

export interface Platform {
  /** As in process.platform. */
  readonly os: string;
  /** ID and ID_LIKE of /etc/os-release; empty elsewhere. */
  readonly distributions: readonly string[];
  readonly isRoot: boolean;
  readonly hasSudo: boolean;
  /** Somebody can be asked. */
  readonly hasTerminal: boolean;
}

export type Choice =
  | { readonly way: 'given'; readonly url: string }
  | { readonly way: 'container' }
  | { readonly way: 'pull' }
  | { readonly way: 'private-node'; readonly script: string; readonly epmd: string }
  | { readonly way: 'install'; readonly ask: boolean }
  | { readonly way: 'none'; readonly explanation: string };

export function chooseBroker(facts: Facts): Choice {
  if (facts.amqpUrl) return { way: 'given', url: facts.amqpUrl };
  if (facts.docker.state === 'ready') return { way: 'container' };
  if (facts.docker.state === 'image-missing') return { way: 'pull' };
  if ('script' in facts.server) return { way: 'private-node', ...facts.server };
  if (whyNoInstall(facts) === undefined) return { way: 'install', ask: !facts.platform.isRoot };
  return { way: 'none', explanation: explain(facts) };
}

function whyNoInstall({ platform, installRefused }: Facts): string | undefined {
  if (installRefused !== undefined) return installRefused;
  if (!isDebianLike(platform)) return 'only done on Debian and Ubuntu';
  if (platform.isRoot) return undefined;
  if (!platform.hasSudo) return 'needs root, and there is no sudo';
  return platform.hasTerminal ? undefined : 'needs a yes at a terminal, and there is none';
}

function isDebianLike({ os, distributions }: Platform): boolean {
  return os === 'linux' && distributions.some((id) => id === 'debian' || id === 'ubuntu');
}

/** What was tried, and the three ways out with the command for this machine. */
function explain(facts: Facts): string {
  const docker = facts.docker.state === 'unusable' ? facts.docker.why : facts.docker.state;
  const server = 'missing' in facts.server ? facts.server.missing : facts.server.script;
  return [
    'No RabbitMQ could be had on this machine.',
    '  AMQP_URL          not set',
    `  Docker            ${docker}`,
    `  rabbitmq-server   ${server}`,
    `  installing it     ${whyNoInstall(facts)}`,
    '',
    'Any one of these helps; then run the same command again:',
    '  1. name a RabbitMQ that runs already:  export AMQP_URL=amqp://user:password@host:5672',
    `  2. start Docker:                       ${startDocker(facts.platform)}`,
    `  3. install RabbitMQ:                   ${installRabbit(facts.platform)}`,
  ].join('\n');
}

function startDocker({ os, isRoot }: Platform): string {
  if (os === 'darwin') return 'open -a Docker   (from https://docs.docker.com/get-docker/)';
  if (os === 'win32') return 'start Docker Desktop   (from https://docs.docker.com/get-docker/)';
  return `${isRoot ? '' : 'sudo '}systemctl start docker   (from https://docs.docker.com/engine/install/)`;
}

function installRabbit(platform: Platform): string {
  const { os, distributions, isRoot } = platform;
  const asRoot = (command: string) => (isRoot ? command : `sudo ${command}`);
  if (os === 'darwin') return 'brew install rabbitmq';
  if (os === 'win32') return 'in a Linux of WSL 2: https://learn.microsoft.com/windows/wsl/install';
  if (isDebianLike(platform)) return asRoot('apt-get install rabbitmq-server');
  if (distributions.includes('fedora') || distributions.includes('rhel')) return asRoot('dnf install rabbitmq-server');
  if (distributions.includes('arch')) return asRoot('pacman -S rabbitmq');
  if (distributions.includes('alpine')) return asRoot('apk add rabbitmq-server');
  if (distributions.includes('suse') || distributions.includes('opensuse'))
    return asRoot('zypper install rabbitmq-server');
  return 'https://www.rabbitmq.com/docs/download';
}

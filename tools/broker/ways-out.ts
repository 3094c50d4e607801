/** What is said when there is no way to a broker: what was tried, and what helps on this machine. */
import { isDebianLike, type Machine } from './machine';

/** For each way why it did not apply. */
export interface Refusals {
  readonly docker: string;
  readonly server: string;
  readonly install: string;
}

/** By ID of /etc/os-release. */
const INSTALLERS: Readonly<Record<string, string>> = {
  fedora: 'dnf install rabbitmq-server',
  rhel: 'dnf install rabbitmq-server',
  arch: 'pacman -S rabbitmq',
  alpine: 'apk add rabbitmq-server',
  suse: 'zypper install rabbitmq-server',
  opensuse: 'zypper install rabbitmq-server',
};

export function explainWaysOut(machine: Machine, { docker, server, install }: Refusals): string {
  return [
    'No RabbitMQ could be had on this machine.',
    '  AMQP_URL          not set',
    `  Docker            ${docker}`,
    `  rabbitmq-server   ${server}`,
    `  installing it     ${install}`,
    '',
    'Any one of these helps; then run the same command again:',
    '  1. name a RabbitMQ that runs already:  export AMQP_URL=amqp://user:password@host:5672',
    `  2. start Docker:                       ${startDocker(machine)}`,
    `  3. install RabbitMQ:                   ${installRabbit(machine)}`,
  ].join('\n');
}

function startDocker({ os, isRoot }: Machine): string {
  if (os === 'darwin') return 'open -a Docker   (from https://docs.docker.com/get-docker/)';
  if (os === 'win32') return 'start Docker Desktop   (from https://docs.docker.com/get-docker/)';
  return `${isRoot ? '' : 'sudo '}systemctl start docker   (from https://docs.docker.com/engine/install/)`;
}

function installRabbit(machine: Machine): string {
  const { os, distributions, isRoot } = machine;
  if (os === 'darwin') return 'brew install rabbitmq';
  if (os === 'win32') return 'in a Linux of WSL 2: https://learn.microsoft.com/windows/wsl/install';
  const found = distributions.map((id) => INSTALLERS[id]).find((command) => command !== undefined);
  const command = isDebianLike(machine) ? 'apt-get install rabbitmq-server' : found;
  if (command === undefined) return 'https://www.rabbitmq.com/docs/download';
  return isRoot ? command : `sudo ${command}`;
}

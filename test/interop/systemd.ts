import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { until } from '@postern/testkit';
import { haveAsRoot, openFolder } from './debian.ts';
import { haveNamespaces } from './namespace.ts';
import { type Place, placeOf } from './place.ts';

/** A systemd that knows our units alone, the first program of a machine of its own, which is no more than namespaces. */
export interface Systemd extends Place, AsyncDisposable {
  /** Runs systemctl, and gives what it prints. */
  systemctl(...args: string[]): Promise<string>;
  /** A property of a unit. */
  show(unit: string, property: string): Promise<string>;
}

export interface SystemdOptions {
  /** By file name. */
  readonly units: Readonly<Record<string, string>>;
  /** Shell commands that its root runs before it. This tree is at /opt/postern; the user `postern` is there. */
  readonly before: string;
}

const program = '/lib/systemd/systemd';

export const canRunSystemd: boolean =
  haveNamespaces &&
  (await haveAsRoot(program, '/usr/bin/systemctl')) &&
  spawnSync('/usr/bin/unshare', ['--mount', '--cgroup', 'mount', '-t', 'cgroup2', 'none', '/mnt']).status ===
    0;

export async function startSystemd({ units, before }: SystemdOptions): Promise<Systemd> {
  const folder = await openFolder('systemd');
  const targets = ['default', 'basic', 'sysinit', 'shutdown', 'network-online', 'nss-lookup'];
  const all = [
    ...Object.entries(units),
    ...targets.map((name) => [`${name}.target`, '[Unit]\nDefaultDependencies=no\n'] as const),
  ];
  for (const [name, text] of all) await writeFile(join(folder, name), text);
  const tree = fileURLToPath(new URL('../../', import.meta.url));
  const holder = spawn(
    '/usr/bin/unshare',
    ['--mount', 'sh', '-ec', outside, 'sh', inside + before + last, folder, tree],
    { stdio: ['pipe', 'pipe', 'pipe'] },
  );
  let printed = '';
  holder.stderr.on('data', (part: Buffer) => {
    printed += part.toString();
  });
  // Not before all that was printed has been read.
  const exited = once(holder, 'close');
  const [first] = (await Promise.race([
    once(holder.stdout, 'data'),
    exited.then(() => Promise.reject(new Error(`no machine could be made: ${printed}`))),
  ])) as [Buffer];
  const pid = Number(first.toString());
  const inner = await until(
    async () => (await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8')).trim() || undefined,
    { what: 'a process namespace' },
  );
  const enter = ['--mount', '--pid', '--net', '--cgroup'];
  const place = placeOf((file, args) => ['/usr/bin/nsenter', [`--target=${inner}`, ...enter, file, ...args]]);
  const env = { SYSTEMD_IGNORE_CHROOT: '1' };
  const systemctl = async (...args: string[]): Promise<string> =>
    (await place.run('/usr/bin/systemctl', args, { env })).toString().trim();
  const close = async (): Promise<void> => {
    holder.stdin.end();
    await exited;
    await rm(folder, { recursive: true });
  };
  try {
    const answers = async (): Promise<string | undefined> => {
      if (!existsSync(`/proc/${inner}`)) throw new Error('its first program has ended');
      return systemctl('list-units').catch(() => undefined);
    };
    await until(answers, { what: 'systemd answers' });
  } catch (cause) {
    await close();
    throw new Error(`systemd does not answer; what it and those before it said: ${printed}`, { cause });
  }
  return {
    ...place,
    systemctl,
    show: (unit, property) => systemctl('show', unit, '--value', '--property', property),
    [Symbol.asyncDispose]: close,
  };
}

/** Gives it a group of its own among the control groups, and takes that away when it has ended; with us, at the latest. */
const outside = `
inside=$1 folder=$2 tree=$3
mount -t cgroup2 none /mnt
group=/mnt/postern-$$
mkdir "$group"
sh -ec 'echo $$ > "$1/cgroup.procs"; shift
  exec unshare --cgroup --net --pid --fork --kill-child --mount-proc sh -ec "$@"' \\
  sh "$group" "$inside" sh "$folder" "$tree" > /dev/null < /dev/null &
echo $!
cat > /dev/null
kill -9 $! || true
wait $! || true
while [ -d "$group" ]; do find "$group" -depth -type d -exec rmdir {} + 2> /dev/null || sleep 0.05; done
`;

const inside = `
folder=$1 tree=$2
umount /mnt
mount -t tmpfs -o mode=755 none /run
mount -t tmpfs -o mode=755 none /sys/fs
mkdir /sys/fs/cgroup
mount -t cgroup2 none /sys/fs/cgroup
for name in etc var opt; do
  mkdir -p "/run/own/$name/upper" "/run/own/$name/work"
  mount -t overlay overlay -o "lowerdir=/$name,upperdir=/run/own/$name/upper,workdir=/run/own/$name/work" "/$name"
done
mkdir -p /opt/postern /etc/postern
mount --bind "$tree" /opt/postern
echo 0123456789abcdef0123456789abcdef > /etc/machine-id
useradd --system --no-create-home postern
ip link set lo up
cd /opt/postern
`;

const last = `
cd /
export container=other SYSTEMD_UNIT_PATH="$folder"
exec ${program} --system --log-target=null --show-status=no
`;

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import type { Namespace } from '../namespace.ts';
import { here, type Place, placeOf } from '../place.ts';

/** A machine with Debian as it is installed here, and nothing set up. */
export interface Machine extends Place, AsyncDisposable {
  /** Runs commands in the one shell of its operator, who is root. Throws with all that was printed when one of them fails. */
  type(commands: string): Promise<string>;
}

export interface MachineOptions {
  /** The only other machine that it can reach. */
  readonly neighbour: Namespace;
  /** Its own address; the neighbour has the others of 198.51.100.0/24. */
  readonly address: string;
  /** Where the neighbour's further addresses are. */
  readonly routes: readonly string[];
  /** Path of the file that is there in place of Debian's key of the root zone. */
  readonly rootKey: string;
}

/** Its files in /etc, /var, /root, /opt and /usr/local are its own: this machine's, and what is written over them is gone with it. */
export async function startMachine(options: MachineOptions): Promise<Machine> {
  const { neighbour, address, routes, rootKey } = options;
  const tree = fileURLToPath(new URL('../../../', import.meta.url));
  const apart = ['--net', '--mount', '--pid', '--fork', '--mount-proc', '--kill-child'];
  const args = [address, rootKey, tree, ...routes];
  const holder = spawn('/usr/bin/unshare', [...apart, 'bash', '-ec', setUp, 'machine', ...args], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const exited = once(holder, 'exit');
  const ready = once(holder.stdout, 'data').then(() => true);
  if (!(await Promise.race([ready, exited.then(() => false)]))) throw new Error('no machine could be made');
  const children = await readFile(`/proc/${holder.pid}/task/${holder.pid}/children`, 'utf8');
  const inNetwork = [`--target=${children.trim()}`, '--net', 'ip', 'link', 'set', 'machine'];
  await here.run('/usr/bin/nsenter', [...inNetwork, 'netns', String(neighbour.pid)]);
  const ip = async (...words: string[]): Promise<unknown> => neighbour.run('/usr/sbin/ip', words);
  for (const each of ['198.51.100.1/24', ...routes]) await ip('addr', 'add', each, 'dev', 'machine');
  await ip('link', 'set', 'machine', 'up');
  const enter = [`--target=${children.trim()}`, '--net', '--mount', '--pid'];
  const place = placeOf((program, rest) => ['/usr/bin/nsenter', [...enter, program, ...rest]]);
  const shell = place.start('/bin/bash', ['-e'], {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { HOME: '/root', PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' },
  });
  let printed = '';
  for (const stream of [shell.stdout, shell.stderr])
    stream?.on('data', (bytes: Buffer) => {
      printed += bytes.toString();
    });
  shell.stdin?.write('exec 2>&1\n');
  const ended = once(shell, 'exit');
  let blocks = 0;
  return {
    ...place,
    type: async (commands) => {
      printed = '';
      const mark = `-- end of block ${++blocks} --`;
      shell.stdin?.write(`${commands}\nprintf '%s\\n' '${mark}'\n`);
      const over = new Promise<void>((resolve) => {
        const look = (): void => {
          if (printed.includes(mark)) resolve();
        };
        shell.stdout?.on('data', look);
        void ended.then(() => resolve());
      });
      await over;
      if (!printed.includes(mark)) throw new Error(`it ended in:\n${commands}\n\n${printed}`);
      return printed.replace(`${mark}\n`, '');
    },
    [Symbol.asyncDispose]: async () => {
      shell.stdin?.end();
      holder.stdin.end();
      await exited;
    },
  };
}

/** The first program of its own process namespace, with whose end all others end. */
const setUp = `
address=$1 key=$2 tree=$3; shift 3
own=$(mktemp -d)
mount -t tmpfs none "$own"
for name in etc var root opt usr/local; do
  mkdir -p "$own/$name/upper" "$own/$name/work"
  mount -t overlay overlay -o "lowerdir=/$name,upperdir=$own/$name/upper,workdir=$own/$name/work" "/$name"
done
mount -t tmpfs -o mode=755 none /run
mkdir /opt/postern
mount --bind "$tree" /opt/postern
mount --bind "$key" /usr/share/dns/root.key
printf '127.0.0.1 localhost\\n' > /etc/hosts
: > /etc/resolv.conf
cat > /usr/local/sbin/systemctl <<END
#!/bin/sh
exec python3 /opt/postern/test/interop/domains/systemctl.py "\\$@"
END
cat > /usr/local/sbin/apt-get <<'END'
#!/bin/sh -e
# Without a network: what is asked for has to be there.
[ "$1" = install ] || exit 0
for name; do case "$name" in install | -*) ;; *) dpkg-query -W "$name" ;; esac; done
END
cat > /usr/local/sbin/npm <<'END'
#!/bin/sh -e
# Without a network: what "npm ci" installs has to be there.
case "$1" in ci) test -e node_modules/.package-lock.json ;; *) exec /usr/bin/npm "$@" ;; esac
END
chmod 755 /usr/local/sbin/*
ip link set lo up

ip link add eth0 type veth peer name machine
ip addr add "$address/24" dev eth0
ip link set eth0 up
for route; do ip route add "$route" dev eth0; done
echo ready
read -r _
`;

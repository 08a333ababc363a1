"""Stands for systemctl where no systemd runs: starts units by what their own files say, as their users, and waits until they are ready."""
import os, pathlib, re, shlex, signal, socket, subprocess, sys, time

STATE = pathlib.Path('/run/units')


def read(name):
    for folder in ('/etc/systemd/system', '/lib/systemd/system'):
        path = pathlib.Path(folder, f'{name}.service')
        if path.exists():
            break
    else:
        sys.exit(f'Unit {name}.service not found.')
    values = {}
    for line in path.read_text().splitlines():
        key, equals, value = line.partition('=')
        if equals and not line.startswith('#'):
            values.setdefault(key, []).append(value)
    return values


def environment(unit):
    found = {'PATH': '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'}
    lines = [part for value in unit.get('Environment', []) for part in shlex.split(value)]
    for path in (value.lstrip('-') for value in unit.get('EnvironmentFile', [])):
        if os.path.exists(path):
            lines += [shlex.split(line)[0] for line in open(path) if '=' in line and not line.startswith('#')]
    found.update(line.split('=', 1) for line in lines)
    return found


def words(text, env):
    for key, value in env.items():
        text = text.replace('${' + key + '}', value).replace(f'"${key}"', shlex.quote(value)).replace(f'${key}', value)
    return shlex.split(re.sub(r'\$\w+', '', text))


def as_user(unit, command):
    user = unit.get('User', ['root'])[0]
    if user == 'root':
        return command
    capabilities = unit.get('AmbientCapabilities', [''])[0].lower().replace('cap_', '').split()
    given = ','.join(f'+{one}' for one in capabilities) or '-all'
    return ['setpriv', f'--reuid={user}', f'--regid={user}', '--init-groups', f'--inh-caps={given}', f'--ambient-caps={given}', '--', *command]


def start(name):
    unit = read(name)
    env = environment(unit)
    user = unit.get('User', ['root'])[0]
    for key, base in (('RuntimeDirectory', '/run'), ('StateDirectory', '/var/lib')):
        for folder in unit.get(key, []):
            mode = unit.get(f'{key}Mode', ['0755'])[0]
            subprocess.run(['install', '-d', '-m', mode, '-o', user, '-g', user, f'{base}/{folder}'], check=True)
    for text in unit.get('ExecStartPre', []):
        subprocess.run(as_user(unit, words(text.lstrip('-').replace('%i', '-'), env)), env=env, check=not text.startswith('-'))
    STATE.mkdir(exist_ok=True)
    kind = unit.get('Type', ['simple'])[0]
    command = as_user(unit, words(unit['ExecStart'][0].replace('%i', '-'), env))
    if kind == 'forking':
        subprocess.run(command, env=env, check=True, stdin=subprocess.DEVNULL)
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ready, open(STATE / f'{name}.log', 'a') as log:
        address = STATE / f'{name}.notify'
        address.unlink(missing_ok=True)
        ready.bind(str(address))
        address.chmod(0o666)
        ready.settimeout(0.2)
        if kind == 'notify':
            env['NOTIFY_SOCKET'] = str(address)
        folder = unit.get('WorkingDirectory', ['/'])[0]
        process = subprocess.Popen(command, env=env, cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        (STATE / f'{name}.pid').write_text(str(process.pid))
        while kind == 'notify':
            try:
                if b'READY=1' in ready.recv(4096):
                    return
            except TimeoutError:
                if process.poll() is not None:
                    sys.exit(f'{name} ended: ' + (STATE / f'{name}.log').read_text())


def stop(name):
    unit = read(name)
    if unit.get('Type') == ['forking']:
        subprocess.run(words(unit['ExecStop'][0].replace('%i', '-'), {}), stderr=subprocess.DEVNULL)
        return
    path = STATE / f'{name}.pid'
    if not path.exists():
        return
    pid = int(path.read_text())
    os.kill(pid, signal.SIGTERM)
    while os.path.exists(f'/proc/{pid}'):
        time.sleep(0.02)
    path.unlink()


verb, *rest = sys.argv[1:]
for name in (word for word in rest if not word.startswith('--')):
    name = name.removesuffix('.service')
    name = 'postfix@' if name == 'postfix' else name
    if verb == 'restart':
        stop(name)
    if verb in ('start', 'restart') or (verb == 'enable' and '--now' in rest):
        start(name)

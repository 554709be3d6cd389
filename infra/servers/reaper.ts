import { spawn, type ChildProcess } from 'node:child_process';

/*
 * Ends the servers of a run that was killed: a shell that reads `+ pid` and `- pid` lines and, when its input closes
 * because this process is gone, ends what is still on its list. It knows only what this process started.
 */

const SCRIPT = `
pids=" "
while read -r op pid; do
  case "$op" in
    +) pids="$pids$pid " ;;
    -) pids="\${pids%% $pid *} \${pids#* $pid }" ;;
  esac
done
for pid in $pids; do kill "$pid" 2>/dev/null; done
[ "$pids" = " " ] || [ "$pids" = "  " ] || sleep 5
for pid in $pids; do kill -9 "$pid" 2>/dev/null; done
`;

let reaper: ChildProcess | null = null;

function tell(line: string): void {
  if (reaper === null) {
    // A group of its own: Ctrl-C in the terminal does not reach it.
    reaper = spawn('sh', ['-c', SCRIPT], { stdio: ['pipe', 'ignore', 'ignore'], detached: true });
    reaper.on('error', () => (reaper = null));
    // Somebody ended it: the next server is watched over by another.
    reaper.stdin?.on('error', () => (reaper = null));
    reaper.unref();
    // A pipe that is still open would keep this process from ending.
    const pipe: unknown = reaper.stdin;
    if (pipe !== null && typeof pipe === 'object' && 'unref' in pipe && typeof pipe.unref === 'function') pipe.unref();
  }
  reaper.stdin?.write(`${line}\n`);
}

export const watchOver = (pid: number): void => tell(`+ ${pid}`);
export const letGo = (pid: number): void => tell(`- ${pid}`);

/** Servers of the runtime are started again at once, under their names, should they ever end. */
import type { Clock } from '../base/clock.js'
import { logFailure } from '../base/guard.js'
import type { Logger } from '../base/log.js'
import type { Pid } from '../term/pid.js'
import type { Kernel } from './kernel.js'

/** One that cannot be started now is tried again after this long. */
const PAUSE_MS = 100
/** Ends of somebody else's wish, such as that of a supervisor that is left. */
const WANTED: ReadonlySet<unknown> = new Set(['shutdown'])

export class KeptServers {
  private stopped = false

  constructor(
    private readonly kernel: Pick<Kernel, 'watchExit'>,
    private readonly clock: Clock,
    private readonly log: Logger,
  ) {}

  /** Starts a server and keeps it; `startedAgain` is told each later pid. */
  async keep(start: () => Promise<Pid>, startedAgain?: (pid: Pid) => void): Promise<Pid> {
    const pid = await start()
    this.watch(pid, start, startedAgain)
    return pid
  }

  stop(): void {
    this.stopped = true
  }

  private watch(pid: Pid, start: () => Promise<Pid>, startedAgain?: (pid: Pid) => void): void {
    const ended = (_pid: Pid, reason: unknown): void => {
      if (this.stopped || WANTED.has(reason)) return
      this.log.error(`a server of the runtime has ended and is started again: ${pid}`, reason)
      this.clock.soon(() => void this.again(start, startedAgain))
    }
    if (this.kernel.watchExit(pid, ended) === undefined) ended(pid, 'noproc')
  }

  private async again(start: () => Promise<Pid>, startedAgain?: (pid: Pid) => void): Promise<void> {
    if (this.stopped) return
    try {
      const pid = await this.keep(start, startedAgain)
      startedAgain?.(pid)
    } catch (error) {
      logFailure(this.log, 'starting a server of the runtime', error)
      this.clock.after(PAUSE_MS, () => void this.again(start, startedAgain))
    }
  }
}

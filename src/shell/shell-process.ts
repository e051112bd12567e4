/**
 * The process that the shell is: what `self()` answers. It keeps its messages until they are taken
 * out, and traps exits, so that a crash of what was started here is a message and not the end of the
 * shell. If it is killed after all, another takes its place.
 */
import { CitadelError } from '../base/errors.js'
import type { Citadel } from '../citadel.js'
import type { BoundNode } from '../process/bound-node.js'

/** What one `flush()` shows at most. */
const FLUSH_MAX = 10_000
/** The messages that are there are given at once; this only bounds the turn of the event loop. */
const FLUSH_PATIENCE_MS = 20

export class ShellProcess {
  /** The node, bound to this process. */
  private bound: BoundNode | undefined
  private release: () => void = () => {}
  private closed = false

  private constructor(
    private readonly node: Citadel,
    private readonly replaced: (reason: unknown) => void,
  ) {}

  /** `replaced` is told when the process was killed and there is another. */
  static async start(node: Citadel, replaced: (reason: unknown) => void): Promise<ShellProcess> {
    const shell = new ShellProcess(node, replaced)
    await shell.spawn(() => {})
    return shell
  }

  get citadel(): BoundNode {
    if (this.bound === undefined) throw new CitadelError('stopped', 'The node has stopped.')
    return this.bound
  }

  /** Takes out all messages that have arrived. */
  async flush(): Promise<unknown[]> {
    const messages: unknown[] = []
    while (messages.length < FLUSH_MAX) {
      try {
        messages.push(await this.citadel.receive({ timeoutMs: FLUSH_PATIENCE_MS }))
      } catch (error) {
        if (error instanceof CitadelError && error.code === 'timeout') break
        throw error
      }
    }
    return messages
  }

  /** Ends the process: it traps exits, so the node would wait for it in vain. */
  close(): void {
    this.closed = true
    this.release()
  }

  private async spawn(ready: () => void): Promise<void> {
    const released = new Promise<void>((resolve) => {
      this.release = resolve
    })
    const pid = await this.node.spawn((self) => {
      self.trapExit = true
      this.bound = self
      this.endWithNode(self)
      ready()
      return released
    })
    void this.node.whenEnded(pid).then((reason) => this.ended(reason))
  }

  /** Stopping the node from the prompt stops its shell process first. */
  private endWithNode(self: BoundNode): void {
    const stop = (): Promise<void> => {
      this.close()
      return this.node.stop()
    }
    Object.defineProperty(self, 'stop', { value: stop })
  }

  private async ended(reason: unknown): Promise<void> {
    if (this.closed) return
    try {
      await this.spawn(() => this.replaced(reason))
    } catch (error) {
      // The node is stopping: there is nothing left to be a process of.
      if (!(error instanceof CitadelError) || error.code !== 'stopped') throw error
    }
  }
}

/** Ends children of this node, each once, and by force if they take too long. */
import type { Clock } from '../../base/clock.js'
import type { ChildPort } from '../../kernel/process-port.js'
import type { Child } from './child.js'
import type { ChildTable } from './child-table.js'

export interface ChildStopsParts {
  readonly children: ChildTable
  readonly processes: ChildPort
  readonly clock: Clock
  /** It has no process yet, and its start is not waited for any more. */
  unstarted(child: Child): void
}

export class ChildStops {
  constructor(private readonly parts: ChildStopsParts) {}

  begin(child: Child, reason: unknown): void {
    if (child.stopping) return
    child.stopping = true
    this.end(child, reason)
  }

  /** Of one that is to stop anyway. */
  end(child: Child, reason: unknown): void {
    const { children, processes, clock } = this.parts
    const { pid } = child
    if (!pid) {
      this.parts.unstarted(child)
      return children.discard(child)
    }
    processes.exit(pid, reason)
    const kill = clock.after(child.recipe.shutdownMs, () => processes.exit(pid, 'kill'))
    void child.stopped.then(() => kill.cancel())
  }
}

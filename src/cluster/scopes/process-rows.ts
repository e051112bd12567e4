/** Removes the rows of a process from the registry and all groups when it ends. */

import type { ProcessPort } from '../../kernel/process-port.js'
import type { Pid } from '../../term/pid.js'
import type { Scope } from '../tables/scope.js'
import type { Scopes } from './scopes.js'

export class ProcessRows {
  private readonly watched = new Set<number | string>()
  private readonly tables: (Scope<'c'> | Scope<'g'>)[] = []

  constructor(
    private readonly scopes: Scopes,
    private readonly processes: ProcessPort,
  ) {}

  /** From now on this scope's rows end with their process. */
  cover(scope: Scope<'c'> | Scope<'g'>): void {
    this.tables.push(scope)
  }

  readonly watch = (pid: Pid): void => {
    if (this.watched.has(pid.key)) return
    this.watched.add(pid.key)
    this.processes.watchExit(pid, () => this.remove(pid))
  }

  /** Removes all rows of a process of this node. */
  readonly remove = (pid: Pid): void => {
    this.watched.delete(pid.key)
    const reason = this.processes.successor(pid) ? 'moved' : 'process_down'
    for (const scope of this.tables) {
      const rows = [...scope.table.rowsOfPid(scope.own, pid)]
      for (const { id } of rows) this.scopes.deleteOwn(scope, id, reason)
    }
  }
}

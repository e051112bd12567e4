/** The processes of a node as the cluster layer needs them, by its kernel. */
import type { Kernel } from './kernel.js'
import type { ChildPort } from './process-port.js'

export function processPort(kernel: Kernel): ChildPort {
  const { root, moves } = kernel
  return {
    cast: (to, method, args) => root.cast(to, method, ...args),
    hold: (pid, timeoutMs) => moves.hold(pid, timeoutMs),
    carry: (state, node) => moves.carry(state, node),
    merge: (pid, state) => moves.merge(pid, state),
    goOn: (pid) => moves.goOn(pid),
    arrive: (module, args, arrival, child) => kernel.spawnByRoot(module, args, { arrival, child }),
    admit: (pid, via, awaited) => moves.admit(pid, via, awaited),
    learned: (from, to) => moves.learned(from, to),
    successor: (pid) => moves.successor(pid),
    predecessor: (pid) => moves.predecessor(pid),
    isAlive: (pid) => kernel.isAlive(pid),
    spawn: (module, args, child) => kernel.spawnByRoot(module, args, { isOwner: true, child }),
    noteClass: (module) => kernel.noteClass(module),
    watchExit: (pid, listener) => {
      if (!kernel.watchExit(pid, listener)) queueMicrotask(() => listener(pid, 'noproc'))
    },
    exit: (pid, reason) => kernel.stopProcess(pid, reason),
    send: (to, message) => root.send(to, message),
    notify: (to, message) => kernel.notify(to, message),
    call: (to, method, args, timeoutMs) => root.with({ timeoutMs }).call(to, method, ...args),
  }
}

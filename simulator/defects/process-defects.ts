/** Mistakes made on purpose in links, monitors, calls and pids: see `defects.ts`. */
import { Lease } from '../../src/base/lease.js'
import { Kernel } from '../../src/kernel/kernel.js'
import { Links } from '../../src/kernel/links.js'
import { Monitors } from '../../src/kernel/monitors.js'
import { ProcessTable } from '../../src/kernel/process-table.js'
import type { Process } from '../../src/process/process.js'
import type { Pid } from '../../src/term/pid.js'
import { type Defect, replace } from './defect.js'

type Args = never[]

const exitLost: Defect = {
  name: 'exit-lost',
  what: 'That a process has ended is not told to processes of other nodes that are linked to it.',
  plant: () => replace(Links, 'heardExit', () => () => undefined),
}

const cutUntold: Defect = {
  name: 'cut-untold',
  what: 'Who monitors a process of a node that is cut off is not told of it.',
  plant: () => replace(Monitors, 'disconnected', () => () => undefined),
}

const creationIgnored: Defect = {
  name: 'creation-ignored',
  what: 'What is meant for a process of an earlier start of a node is taken by the one that has its number now.',
  plant: () =>
    replace(
      ProcessTable,
      'find',
      (right) =>
        function (this: ProcessTable, ...args: Args) {
          const found = right.apply(this, args)
          if (found) return found
          const { id, serial } = args[0] as unknown as Pid
          for (const process of this as Iterable<Process>) {
            if (process.pid.id === id && process.pid.serial === serial) return process
          }
          return undefined
        },
    ),
}

/** One of so many comes twice. */
const TWICE_EVERY = 50

const deliveredTwice: Defect = {
  name: 'delivered-twice',
  what: `One of ${TWICE_EVERY} calls or messages that another node sends is delivered twice.`,
  plant: () => {
    let delivered = 0
    return replace(
      Kernel,
      'deliver',
      (right) =>
        function (this: Kernel, ...args: Args) {
          right.apply(this, args)
          return ++delivered % TWICE_EVERY === 0 ? right.apply(this, args) : undefined
        },
    )
  },
}

const leaseIgnored: Defect = {
  name: 'lease-ignored',
  what: 'With a quorum, owners work on when the lease of their node has ended.',
  arbiter: 'quorum',
  plant: () => replace(Lease, 'check', () => () => true),
}

export const PROCESS_DEFECTS: readonly Defect[] = [
  exitLost,
  cutUntold,
  creationIgnored,
  deliveredTwice,
  leaseIgnored,
]

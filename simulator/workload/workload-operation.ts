/** What an operation of the workload is, and how it is followed to its end. */
import type { ServerModule } from '../../src/kernel/process-port.js'
import type { Pid } from '../../src/term/pid.js'
import type { ClusterMember } from '../cluster/cluster-member.js'

export type Operation = (member: ClusterMember) => void

/** The verbs without their types, which end at a pid whose class only the seed knows. */
export interface Untyped {
  spawn(server: ServerModule, args: readonly unknown[]): Promise<Pid>
  call(to: unknown, method: string, ...args: unknown[]): Promise<unknown>
  cast(to: unknown, method: string, ...args: unknown[]): boolean
  with(options: { timeoutMs: number }): Pick<Untyped, 'call'>
}

export const verbs = (member: ClusterMember): Untyped => member.citadel as unknown as Untyped

/** Hears how it ended, unless the program that asked is gone: nobody is left there to be told. */
export function follow<T>(
  member: ClusterMember,
  outcome: Promise<T>,
  done: (value: T) => void,
  failed: (error: unknown) => void,
): void {
  outcome.then(
    (value) => {
      if (member.alive) done(value)
    },
    (error: unknown) => {
      if (member.alive) failed(error)
    },
  )
}

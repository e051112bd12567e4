/**
 * Commands on the death of a node, given to the first of three. The third is killed, and every child
 * that ran there says when its `init` returned on another node.
 */
import type { Citadel } from '../../src/citadel.js'
import { inParallel, runOn, until } from './nodes.js'
import { Child, machineTime } from './servers.js'

const NAME = 'failover'
const PARALLEL = 100
const LOOK_EVERY_MS = 20
const WAIT_MS = 60_000

/** From the kill to each `init`, in order, of the last failover. */
let times: number[] = []

export const failoverCommands = {
  async join_failover(citadel: Citadel): Promise<number> {
    await citadel.supervisor(NAME)
    return 1
  },

  async fill_failover(citadel: Citadel, total: number): Promise<number> {
    const supervisor = await citadel.supervisor(NAME)
    await until(() => supervisor.nodes().length === 3, 'the other nodes did not join')
    await inParallel(PARALLEL, total, (id) => supervisor.startChild(Child, [id], { id }))
    return total
  },

  async os_pid(): Promise<number> {
    return process.pid
  },

  /** How many children this node runs. */
  async running(citadel: Citadel): Promise<number> {
    return (await citadel.supervisor(NAME)).localChildren().size
  },

  async started_at(_: Citadel, id: number): Promise<number> {
    return Child.startedAt.get(id) ?? 0
  },

  /** Kills the third node. Answers within how many milliseconds 99 of 100 of its children ran again. */
  async failover_p99(citadel: Citadel, total: number): Promise<number> {
    const [second, third] = citadel.nodes() as [string, string]
    const supervisor = await citadel.supervisor(NAME)
    const lost: number[] = []
    for (const [id, pid] of supervisor.members()) if (pid.node === third) lost.push(id as number)
    const pid = await runOn(citadel, third, 'os_pid')
    const killedAt = machineTime()
    process.kill(pid, 'SIGKILL')
    const giveUpAt = killedAt + WAIT_MS
    for (;;) {
      await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS))
      const elsewhere = await runOn(citadel, second, 'running')
      if ((await failoverCommands.running(citadel)) + elsewhere >= total) break
      if (machineTime() > giveUpAt) throw new Error('children of the killed node are missing')
    }
    times = new Array(lost.length)
    await inParallel(PARALLEL, lost.length, async (i) => {
      const here = supervisor.lookup(lost[i])!.node === citadel.name
      const at = here
        ? Child.startedAt.get(lost[i]!)!
        : await runOn(citadel, second, 'started_at', lost[i]!)
      times[i] = at - killedAt
    })
    times.sort((a, b) => a - b)
    if (times[0]! < 0) throw new Error('a child of the killed node was not started again')
    return times[Math.floor(times.length * 0.99)]!
  },

  /** Of the same failover, the last child. */
  async failover_last(): Promise<number> {
    return times.at(-1)!
  },
}

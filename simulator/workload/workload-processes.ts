/**
 * The workers of the workload: processes that do what they are told and report everything that
 * reaches them to the ledgers.
 */
import type { ServerModule } from '../../src/kernel/process-port.js'
import { GenServer } from '../../src/process/gen-server.js'
import { Down, Exit, KeyLost } from '../../src/process/system-messages.js'
import type { Pid } from '../../src/term/pid.js'
import type { StreamMessage } from '../checks/call-ledger.js'
import type { Ledgers } from '../checks/ledgers.js'
import { pidKey } from '../checks/oracle.js'
import type { ClusterMember } from '../cluster/cluster-member.js'
import { childKey } from './child-process.js'

const isStream = (message: unknown): message is StreamMessage =>
  typeof message === 'object' && message !== null && 'stream' in message

type Address = 'handle' | 'key' | Pid

/** One class per simulation: what it reports to is its own. */
export function workerClass(ledgers: Ledgers): ServerModule {
  class Worker extends GenServer {
    private readonly sent = new Map<string, number>()

    override init(trapExit: boolean): void {
      this.trapExit = trapExit
    }

    work(token: number): number {
      ledgers.owners.handles(this.self)
      ledgers.calls.carriedOut(token, this.self)
      return token
    }

    async workFor(token: number, ms: number): Promise<number> {
      await this.citadel.sleep(ms)
      return this.work(token)
    }

    watch(target: Pid): void {
      const ref = this.citadel.monitor(target)
      ledgers.ties.monitored(this.self, target, ref)
    }

    tie(target: Pid): void {
      if (this.trapExit && ledgers.ties.linked(this.self, target)) this.citadel.link(target)
    }

    pour(target: Pid, count: number): void {
      const cuts = ledgers.oracle.home(this.self)?.cutsOf(target.node) ?? 0
      const key = pidKey(target)
      for (let index = 0; index < count; index++) {
        const number = this.sent.get(key) ?? 0
        const message: StreamMessage = {
          stream: true,
          from: this.self,
          to: target,
          cuts,
          number,
        }
        if (this.citadel.send(target, message)) this.sent.set(key, number + 1)
      }
    }

    /** A message by each of the addresses: `handle`, `key`, or a pid. */
    async pourToChild(id: number, addresses: readonly Address[], pauseMs: number): Promise<void> {
      const home = ledgers.oracle.home(this.self)
      if (!home) return
      for (const address of addresses) {
        this.sendToChild(home, id, address)
        if (pauseMs > 0) await this.citadel.sleep(pauseMs)
      }
    }

    private sendToChild(home: ClusterMember, id: number, address: Address): void {
      const { streams } = ledgers
      const { supervisor, citadel } = home
      const key = childKey(id)
      if (address === 'key' && key === undefined) return
      const [by, pid, to] =
        address === 'handle'
          ? (['handle', supervisor.lookup(id), supervisor.child(id)] as const)
          : address === 'key'
            ? (['key', citadel.registry.findByKey(key), { key }] as const)
            : (['pid', address, address] as const)
      const isDoubtful = !pid || !home.node.scopes.isUp(pid.node)
      // By a handle it waits for the child; by any other address it is lost.
      if (by !== 'handle' && isDoubtful) return
      if (pid && !streams.leads(home, id, pid)) return
      const message = streams.next(this.self, id, by, isDoubtful)
      if (this.citadel.send(to as Pid, message)) streams.wasSent(id, pid, message)
    }

    crash(): void {
      throw new Error('asked to crash')
    }

    finish(): void {
      this.citadel.exit(this.self, 'normal')
    }

    override handleInfo(message: unknown): void {
      ledgers.owners.handles(this.self)
      if (message instanceof Down) ledgers.ties.heardDown(this.self, message.ref, message.reason)
      else if (message instanceof Exit) this.heardExit(message)
      else if (message instanceof KeyLost) ledgers.names.takenOver(`${message.key}`, this.self)
      else if (isStream(message)) ledgers.calls.received(this.self, message)
    }

    private heardExit({ pid, reason }: Exit): void {
      // Who traps exits is told that it lost its key, and here goes the way of all others.
      if (reason === 'name_conflict') this.citadel.exit(this.self, reason)
      else ledgers.ties.heardExit(this.self, pid, reason)
    }
  }

  return Worker
}

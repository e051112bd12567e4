/**
 * Who has shown a wrong cookie waits before its next handshake, a little longer each time: cookies
 * cannot be tried by the thousand. By address, and bounded: for a new one the oldest is forgotten.
 */
const HOSTS_MAX = 1_000
const FIRST_DELAY_MS = 25
const DELAY_MAX_MS = 1_000
const FORGET_MS = 60_000

export class FailedGuesses {
  private readonly hosts = new Map<string, { count: number; at: number }>()

  failed(host: string, now: number): void {
    const count = this.countOf(host, now) + 1
    this.hosts.delete(host)
    this.hosts.set(host, { count, at: now })
    if (this.hosts.size > HOSTS_MAX) this.hosts.delete(this.hosts.keys().next().value!)
  }

  /** How long a handshake with that host waits before it begins. */
  delayMs(host: string, now: number): number {
    const count = this.countOf(host, now)
    return count === 0 ? 0 : Math.min(DELAY_MAX_MS, FIRST_DELAY_MS * 2 ** (count - 1))
  }

  private countOf(host: string, now: number): number {
    const known = this.hosts.get(host)
    return known === undefined || now - known.at > FORGET_MS ? 0 : known.count
  }
}

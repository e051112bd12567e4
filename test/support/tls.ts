/** A certificate for 127.0.0.1, made by openssl for one test run. */
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

export interface Certificate {
  readonly certPath: string
  readonly keyPath: string
  /** The certificate is its own authority. */
  readonly ca: string
}

/** True when openssl is not installed; with CI set that is an error. */
export function opensslMissing(): boolean {
  try {
    execFileSync('openssl', ['version'], { stdio: 'ignore' })
    return false
  } catch (error) {
    if (process.env.CI) throw new Error('openssl is not installed', { cause: error })
    console.warn('SKIPPED: openssl is not installed, so TLS was not tested')
    return true
  }
}

export function makeCertificate(folder: string): Certificate {
  const certPath = join(folder, 'cert.pem')
  const keyPath = join(folder, 'key.pem')
  const subject = ['-subj', '/CN=127.0.0.1', '-addext', 'subjectAltName=IP:127.0.0.1']
  const kind = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2']
  const files = ['-keyout', keyPath, '-out', certPath]
  execFileSync('openssl', ['req', '-x509', ...kind, ...files, ...subject], { stdio: 'ignore' })
  return { certPath, keyPath, ca: readFileSync(certPath, 'utf8') }
}

import { createHash } from 'node:crypto';
import { RoleTable } from '../../auth/roleTable.js';
import { type EventCatalogue, loadCatalogue } from './eventCatalogue.js';

/** A catalogue and the permissions of its roles. They change together. */
interface InForce {
  readonly catalogue: EventCatalogue;
  /** Hash of the catalogue: equal on nodes with equal catalogues. */
  readonly version: string;
  readonly roles: RoleTable;
}

/**
 * The catalogue in force on this node. A reload has two steps, so that the cluster can check that every node has a valid file before
 * the first node changes.
 */
export class Catalogues {
  private readonly path: string | null;
  private inForce: InForce;
  private ready: { readonly id: string; readonly next: InForce } | null = null;

  /**
   * @param path EVENT_CATALOGUE; null: the default catalogue.
   * @throws CatalogueError with the place of the fault.
   */
  constructor(path: string | null) {
    this.path = path;
    this.inForce = build(path);
  }

  get catalogue(): EventCatalogue {
    return this.inForce.catalogue;
  }

  get version(): string {
    return this.inForce.version;
  }

  get roles(): RoleTable {
    return this.inForce.roles;
  }

  /**
   * Reads and checks the file. The catalogue in force stays. Only the last prepared catalogue is kept.
   *
   * @throws CatalogueError with the place of the fault.
   */
  prepare(id: string): EventCatalogue {
    this.ready = null;
    const next = build(this.path);
    this.ready = { id, next };
    return next.catalogue;
  }

  /** Puts the catalogue in force that was prepared under this id. @returns false if another was prepared since. */
  apply(id: string): boolean {
    if (this.ready?.id !== id) return false;
    this.inForce = this.ready.next;
    this.ready = null;
    return true;
  }
}

function build(path: string | null): InForce {
  const catalogue = loadCatalogue(path);
  const version = createHash('sha256').update(JSON.stringify(catalogue.raw)).digest('hex').slice(0, 12);
  return { catalogue, version, roles: new RoleTable(catalogue.raw) };
}

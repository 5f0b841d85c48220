/* All connectors of the tree, and the operators of queries.  A process that plans or runs tables calls connectors_register() first: then
 * engine/table's registry has them.  Thread: any; a second call does nothing. */
#ifndef FLINC_CONNECTORS_REGISTRY_REGISTRY_H
#define FLINC_CONNECTORS_REGISTRY_REGISTRY_H

void connectors_register(void);

#endif

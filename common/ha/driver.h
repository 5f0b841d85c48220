/* What a kind of high availability implements, and how it tells the room what happens; see ha.h.
 *
 * A driver keeps small values; ha.c makes files of the large ones.  Thread: store calls any, one at a time per
 * struct ha (ha.c holds a lock); events come from a thread of the driver. */
#ifndef FLINC_COMMON_HA_DRIVER_H
#define FLINC_COMMON_HA_DRIVER_H

#include "common/ha/ha.h"

enum ha_write {
    HA_WRITE_CREATE,
    HA_WRITE_REPLACE,
    HA_WRITE_REMOVE,
};

struct ha_driver {
    const char *name;
    /* Checks configuration and starts its thread; `ha` gets the events. */
    int (*open)(const struct conf *conf, struct ha *ha, void **ret_self, struct error *err);
    void (*close)(void *self);
    int (*campaign)(void *self, const char *candidate_name, struct error *err);
    void (*resign)(void *self); /* no event of leadership after it */
    int (*announce)(void *self, const struct ha_leader *leader, struct error *err);
    int (*write)(void *self, const struct flinc_id *token, enum ha_write what, const char *name,
                 struct slice value, struct error *err);
    int (*get)(void *self, const struct flinc_id *token, const char *name, struct str *ret_value,
               struct error *err);
    int (*list)(void *self, const struct flinc_id *token, const char *name, struct vec *ret_names,
                struct error *err);
    /* "the folder /x (high-availability.storageDir)": where it looks for a leader. */
    void (*describe)(const void *self, struct str *ret);
};

extern const struct ha_driver ha_none_driver;
extern const struct ha_driver ha_file_driver;
extern const struct ha_driver ha_zookeeper_driver;

/* ---- events, driver -> ha.c; in order, no lock of the driver is held --------------------------------- */

void ha_on_granted(struct ha *ha, const struct flinc_id *token);
void ha_on_revoked(struct ha *ha, const struct error *why); /* of the leadership granted last */
void ha_on_leader(struct ha *ha, const struct ha_leader *leader); /* NULL: nobody */

/* cluster-id as one component of a path: without '/' at its ends, other ones become '_'. */
void ha_cluster_name(const struct conf *conf, struct str *ret);

#endif
